//! A watch of a registry that does not number its events, as the Python one. A stub plays it,
//! because only a stub can be told what to list.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};
use service_registry::client::{Change, RegistryClient, RegistryEndpoints, WatchMode};

use crate::support::DEADLINE;

/// Answers every request with its list, without numbers.
struct Unnumbered {
    services: Arc<Mutex<Vec<Value>>>,
    is_over: Arc<AtomicBool>,
    requests: String,
    events: zmq::Socket,
    thread: Option<JoinHandle<()>>,
}

impl Unnumbered {
    fn start() -> Self {
        let context = zmq::Context::new();
        let events = context.socket(zmq::PUB).unwrap();
        events.set_linger(0).unwrap();
        events.bind("tcp://127.0.0.1:*").unwrap();
        let socket = context.socket(zmq::ROUTER).unwrap();
        socket.set_linger(0).unwrap();
        socket.bind("tcp://127.0.0.1:*").unwrap();
        let requests = socket.get_last_endpoint().unwrap().unwrap();
        let services = Arc::default();
        let is_over = Arc::default();
        let (list, over) = (Arc::clone(&services), Arc::clone(&is_over));
        let thread = Some(thread::spawn(move || answer(&socket, &list, &over)));
        Self { services, is_over, requests, events, thread }
    }

    fn list(&self, ids: &[&str]) {
        let service = |id: &&str| json!({"id": id, "name": id, "host": "lab", "port": 1});
        *self.services.lock().unwrap() = ids.iter().map(service).collect();
    }

    fn publish(&self, event_type: &str, service_id: &str) {
        let body = json!({"type": event_type, "data": {"service_id": service_id}});
        self.events.send_multipart([event_type, &body.to_string()], 0).unwrap();
    }

    fn client(&self) -> RegistryClient {
        let events = self.events.get_last_endpoint().unwrap().unwrap();
        let endpoints = RegistryEndpoints::parse(&self.requests, &events, &events).unwrap();
        RegistryClient::with_endpoints(endpoints)
    }
}

impl Drop for Unnumbered {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(socket: &zmq::Socket, services: &Mutex<Vec<Value>>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        if socket.poll(zmq::POLLIN, 20).unwrap() == 0 {
            continue;
        }
        let frames = socket.recv_multipart(0).unwrap();
        let reply = json!({"success": true, "services": *services.lock().unwrap()}).to_string();
        let reply = [frames[0].as_slice(), b"RESPONSE", reply.as_bytes()];
        socket.send_multipart(reply, 0).unwrap();
    }
}

#[test]
fn a_registry_without_numbers_is_listed_from_time_to_time_and_that_is_said() {
    let registry = Unnumbered::start();
    registry.list(&["a"]);
    let watch = registry.client().watch().unwrap();
    assert!(matches!(watch.next_change(DEADLINE), Ok(Change::Registered(_))));

    registry.list(&["b"]);

    let gone = watch.next_change(DEADLINE).unwrap();
    let here = watch.next_change(DEADLINE).unwrap();
    assert!(matches!(&gone, Change::Removed { service, .. } if service.id == "a"), "{gone:?}");
    assert!(matches!(&here, Change::Registered(service) if service.id == "b"), "{here:?}");
    let WatchMode::Lists { interval } = watch.status().mode else { panic!("it says so") };
    assert_eq!(interval, Duration::from_secs(1));
}

#[test]
fn an_event_without_a_number_is_a_reason_to_look_at_once() {
    let registry = Unnumbered::start();
    let watch = registry.client().watch().unwrap();
    let interval = Duration::from_secs(1);
    // Between two lists: one has just been taken.
    registry.list(&["first"]);
    watch.next_change(DEADLINE).unwrap();

    registry.list(&["first", "second"]);
    registry.publish("register", "second");

    let change = watch.next_change(interval / 2).unwrap();
    assert_eq!(change.service().id, "second");
}
