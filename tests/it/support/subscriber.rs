//! A subscriber that knows when its subscription holds, and when it has seen everything.
//!
//! Both by probe: a service that the subscriber registers and deregisters itself. The first
//! event of a probe shows that the subscription is active; the events of a later probe show
//! that all events before it have been seen. Events of probes are never handed out.

use std::time::Instant;

use serde_json::{Value, json};

use super::client::json_in;
use super::{Client, DEADLINE, Endpoints, Peer, Transcript};

const PROBE: &str = "subscription-probe";

/// How long one probe is waited for before the next is sent.
const PROBE_MILLISECONDS: i64 = 20;

/// One event as it came.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The first frame.
    pub(crate) topic: String,
    /// The JSON of the second frame.
    pub(crate) body: Value,
}

impl Event {
    /// The type and the service that it is about.
    pub(crate) fn about(&self) -> (&str, &str) {
        (&self.topic, self.body["data"]["service_id"].as_str().unwrap_or_default())
    }

    fn is_of_a_probe(&self) -> bool {
        Subscriber::is_probe(self.about().1)
    }
}

/// A subscriber to all events of one registry.
pub(crate) struct Subscriber {
    events: Peer,
    client: Client,
    probes: u32,
}

impl Subscriber {
    /// Subscribes, and returns when the subscription is active.
    #[track_caller]
    pub(crate) fn connect(endpoints: &Endpoints, transcript: &Transcript) -> Self {
        let events = Peer::connect_prepared(
            "subscriber",
            zmq::SUB,
            &endpoints.events,
            transcript,
            |socket| socket.set_subscribe(b""),
        );
        let client = Client::connect(&endpoints.requests, transcript);
        let mut subscriber = Self { events, client, probes: 0 };
        subscriber.wait_until_active();
        subscriber
    }

    /// Whether a service of this id is a probe.
    pub(crate) fn is_probe(id: &str) -> bool {
        id.starts_with(PROBE)
    }

    /// The next event; a test that waits in vain fails.
    #[track_caller]
    pub(crate) fn next(&self) -> Event {
        loop {
            let event = event_in(self.events.receive());
            if !event.is_of_a_probe() {
                return event;
            }
        }
    }

    /// The next event, where one is there already.
    #[track_caller]
    pub(crate) fn received(&self) -> Option<Event> {
        while let Some(frames) = self.events.receive_within(0) {
            let event = event_in(frames);
            if !event.is_of_a_probe() {
                return Some(event);
            }
        }
        None
    }

    /// All events that were published until now and not taken yet.
    #[track_caller]
    pub(crate) fn all_until_now(&mut self) -> Vec<Event> {
        self.all_with_probes_until_now().into_iter().filter(|e| !e.is_of_a_probe()).collect()
    }

    /// As [`Self::all_until_now`], with the events of the probe, for tests of `seq`.
    #[track_caller]
    pub(crate) fn all_with_probes_until_now(&mut self) -> Vec<Event> {
        let probe = self.send_probe();
        self.all_until_end_of(&probe)
    }

    /// All events that came of a registry that was killed, with those of probes. What it did not
    /// send any more is not among them.
    #[track_caller]
    pub(crate) fn last_words(&self) -> Vec<Event> {
        let frames = std::iter::from_fn(|| self.events.receive_within(PROBE_MILLISECONDS));
        frames.map(event_in).collect()
    }

    #[track_caller]
    fn wait_until_active(&mut self) {
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < DEADLINE, "no event came within {DEADLINE:?}");
            let probe = self.send_probe();
            if let Some(frames) = self.events.receive_within(PROBE_MILLISECONDS) {
                if event_in(frames).about() != ("deregister", &probe) {
                    self.all_until_end_of(&probe);
                }
                return;
            }
        }
    }

    #[track_caller]
    fn all_until_end_of(&self, probe: &str) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = event_in(self.events.receive());
            let is_last = event.about() == ("deregister", probe);
            events.push(event);
            if is_last {
                return events;
            }
        }
    }

    #[track_caller]
    fn send_probe(&mut self) -> String {
        self.probes += 1;
        let probe = format!("{PROBE}-{}", self.probes);
        let service_info = json!({"name": probe, "host": "localhost", "port": 1, "id": probe});
        let reply = self.client.request(&json!({
            "action": "register",
            "service_info": service_info,
        }));
        assert_eq!(reply["success"], true, "the probe registers");
        assert_eq!(self.client.deregister(&probe)["success"], true, "the probe deregisters");
        probe
    }
}

#[track_caller]
fn event_in(frames: Vec<Vec<u8>>) -> Event {
    assert_eq!(frames.len(), 2, "an event is a type and a body");
    let topic = String::from_utf8(frames[0].clone()).unwrap();
    Event { topic, body: json_in(&frames[1]) }
}
