//! A watch of a registry that does not number its events, as the Python one, or that needs long
//! for its list. A stub plays it, because only a stub can be told what to list, and how slowly.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use service_registry::client::{Change, RegistryClient, RegistryEndpoints, Watch, WatchMode};

use crate::support::DEADLINE;

/// Answers every request with its list, without numbers.
struct Unnumbered {
    shared: Arc<Shared>,
    requests: String,
    events: zmq::Socket,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    services: Mutex<Vec<Value>>,
    /// How many milliseconds a list takes.
    list_takes: AtomicU64,
    lists: AtomicU64,
    is_over: AtomicBool,
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
        let shared = Arc::<Shared>::default();
        let answering = Arc::clone(&shared);
        let thread = Some(thread::spawn(move || answering.answer(&socket)));
        Self { shared, requests, events, thread }
    }

    fn list(&self, ids: &[&str]) {
        let service =
            |id: &&str| json!({"id": id, "name": id, "host": "lab", "port": 1, "tags": [id]});
        *self.shared.services.lock().unwrap() = ids.iter().map(service).collect();
    }

    /// From now on a list takes so long, during which nothing else is answered.
    fn take_for_a_list(&self, duration: Duration) {
        let milliseconds = duration.as_millis().try_into().unwrap();
        self.shared.list_takes.store(milliseconds, Ordering::SeqCst);
    }

    /// How many lists were asked for.
    fn lists(&self) -> u64 {
        self.shared.lists.load(Ordering::SeqCst)
    }

    fn publish(&self, event_type: &str, service_id: &str) {
        let body = json!({"type": event_type, "data": {"service_id": service_id}});
        self.events.send_multipart([event_type, &body.to_string()], 0).unwrap();
    }

    fn client(&self) -> RegistryClient {
        RegistryClient::with_endpoints(self.endpoints())
    }

    /// A client that waits for a list as long as for the answer to a health check, at first.
    fn client_with_timeouts(&self, request: Duration, health: Duration) -> RegistryClient {
        let builder = RegistryClient::builder().endpoints(self.endpoints());
        builder.request_timeout(request).health_timeout(health).build()
    }

    fn endpoints(&self) -> RegistryEndpoints {
        let events = self.events.get_last_endpoint().unwrap().unwrap();
        RegistryEndpoints::parse(&self.requests, &events, &events).unwrap()
    }
}

/// A watch by a client that hardly waits for an answer, so that on a busy machine it can take more
/// than one attempt.
#[track_caller]
fn watch_by(client: &RegistryClient) -> Watch {
    let started = Instant::now();
    loop {
        match client.watch() {
            Err(error) if error.is_unreachable() && started.elapsed() < DEADLINE => {}
            watch => return watch.unwrap(),
        }
    }
}

impl Drop for Unnumbered {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn answer(&self, socket: &zmq::Socket) {
        while !self.is_over.load(Ordering::SeqCst) {
            if socket.poll(zmq::POLLIN, 20).unwrap() == 0 {
                continue;
            }
            let frames = socket.recv_multipart(0).unwrap();
            let request: Value = serde_json::from_slice(&frames[2]).unwrap();
            if request["action"] == "list" {
                self.lists.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(self.list_takes.load(Ordering::SeqCst)));
            }
            let services = self.services.lock().unwrap();
            let reply = json!({"success": true, "services": *services}).to_string();
            let reply = [frames[0].as_slice(), b"RESPONSE", reply.as_bytes()];
            socket.send_multipart(reply, 0).unwrap();
        }
    }
}

#[test]
fn a_registry_without_numbers_is_listed_from_time_to_time_and_that_is_said() {
    let registry = Unnumbered::start();
    registry.list(&["a"]);
    let watch = watch_by(&registry.client());
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
    const EVENTS: u32 = 40;
    let registry = Unnumbered::start();
    let watch = watch_by(&registry.client());
    let interval = Duration::from_secs(1);

    let started = Instant::now();
    for number in 0..EVENTS {
        let id = format!("service-{number}");
        registry.list(&[&id]);
        registry.publish("register", &id);
        while watch.next_change(DEADLINE).unwrap().service().id != id {}
    }

    // Who looks only now and then needs an interval for each.
    assert!(started.elapsed() < (EVENTS - 5) * interval, "{:?}", started.elapsed());
}

#[test]
fn a_first_list_that_takes_longer_than_a_request_may_is_waited_for() {
    let registry = Unnumbered::start();
    registry.list(&["a"]);
    registry.take_for_a_list(Duration::from_millis(600));
    let client = registry.client_with_timeouts(Duration::from_millis(200), DEADLINE);

    let watch = watch_by(&client);

    assert!(watch.get("a").is_some());
    assert_eq!(registry.lists(), 1);
}

#[test]
fn a_list_that_takes_longer_than_the_timeout_is_given_more_time_and_asked_for_seldom() {
    let registry = Unnumbered::start();
    registry.list(&["a"]);
    let timeout = Duration::from_millis(200);
    let watch = watch_by(&registry.client_with_timeouts(timeout, timeout));
    assert!(matches!(watch.next_change(DEADLINE), Ok(Change::Registered(_))));

    registry.take_for_a_list(3 * timeout);
    registry.list(&["a", "b"]);
    let before = registry.lists();
    let change = watch.next_change(2 * DEADLINE).unwrap();

    assert_eq!(change.service().id, "b");
    // After once and twice the timeout, four times that is enough, unless the machine is busy. One
    // may just have begun.
    let lists = registry.lists() - before;
    assert!((3..=6).contains(&lists), "{lists} lists were asked for");
    assert_eq!(watch.status().silent_since, None);
}

#[test]
fn who_waits_for_a_service_is_as_patient_with_the_list() {
    let registry = Unnumbered::start();
    registry.list(&["a"]);
    let timeout = Duration::from_millis(200);
    registry.take_for_a_list(3 * timeout);

    let client = registry.client_with_timeouts(timeout, timeout);
    let found = client.wait_for_service("a", 2 * DEADLINE).unwrap();

    assert_eq!(found.map(|service| service.id).as_deref(), Some("a"));
    // Once more on a busy machine.
    assert!((3..=5).contains(&registry.lists()), "{} lists", registry.lists());
}
