//! Carries out the steps of a recorded case and compares what comes back.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::matching::{Place, Placeholders};
use crate::support::{Client, HeartbeatClient, Launch, Registry, Subscriber};

/// A case in the middle of being replayed.
struct Replay {
    registry: Registry,
    client: Client,
    heart: HeartbeatClient,
    subscriber: Subscriber,
    placeholders: Placeholders,
}

pub(super) fn replay(case: &Value) {
    let mut launch = Launch::new();
    if case["unique"] == false {
        launch = launch.switch("--allow-duplicate-service-types");
    }
    if let Some(seconds) = case.get("cleanup_interval") {
        launch = launch.flag("--cleanup-interval", &seconds.to_string());
    }
    let registry = launch.start();
    let endpoints = registry.endpoints();
    let mut replay = Replay {
        client: registry.client(),
        heart: registry.heartbeat_client(),
        subscriber: registry.subscriber(),
        placeholders: Placeholders::new(endpoints),
        registry,
    };
    for (number, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        if step.get("exits").is_some() {
            replay.registry.wait().assert_code(0);
            return;
        }
        replay.step(&format!("step {number}"), step);
    }
}

impl Replay {
    fn step(&mut self, name: &str, step: &Value) {
        self.placeholders.start_step();
        if let Some(request) = step.get("request") {
            self.request(name, request, step);
        } else if let Some(heartbeat) = step.get("heartbeat") {
            let reply = self.heart.request(self.placeholders.filled_in(heartbeat).to_string());
            self.placeholders.expect(&step["reply"], &reply, Place::reply(name));
        } else if let Some(events) = step.get("events") {
            self.events(name, events);
        } else if let Some(seconds) = step.get("sleep") {
            // The case is about time going by, and nothing tells when it has.
            thread::sleep(Duration::from_secs_f64(seconds.as_f64().unwrap()));
        } else {
            panic!("{name}: nobody knows what to do with {step}");
        }
    }

    fn request(&mut self, name: &str, request: &Value, step: &Value) {
        let message_type = step.get("type").map_or("REQ", |text| text.as_str().unwrap());
        let body = match step.get("raw") {
            Some(_) => request.as_str().unwrap().to_owned(),
            None => self.placeholders.filled_in(request).to_string(),
        };
        self.client.send_as(message_type, body);
        if step["reply"].is_null() {
            // Answers come in order: the next one belongs to the next question.
            let next = self.client.health();
            assert_eq!(next["status"], "ok", "{name} was answered: {next}");
        } else {
            let reply = self.client.receive();
            self.placeholders.expect(&step["reply"], &reply, Place::reply(name));
        }
    }

    fn events(&mut self, name: &str, expected: &Value) {
        let expected = expected.as_array().unwrap();
        let events = self.subscriber.all_until_now();
        let topics: Vec<&str> = events.iter().map(|event| event.topic.as_str()).collect();
        let expected_topics: Vec<&str> =
            expected.iter().map(|event| event[0].as_str().unwrap()).collect();
        assert_eq!(topics, expected_topics, "{name}");
        for (event, expected) in events.iter().zip(expected) {
            self.placeholders.expect(&expected[1], &event.body, Place::event(name));
        }
    }
}
