//! The heartbeat thread against a registry that the test plays itself.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use crossbeam_channel::Receiver;
use serde_json::{Value, json};

use super::super::home::tests::{Host, Moving};
use super::super::{Heartbeat, HostAddresses, Monitor};
use super::*;
use crate::client::connections::Connections;
use crate::client::endpoints::RegistryEndpoints;
use crate::client::error::RefusalCode;
use crate::client::registries::Registries;
use crate::client::settings::ClientSettings;

const DEADLINE: Duration = Duration::from_secs(60);

/// A registry that says what the test wants.
struct Played {
    requests: zmq::Socket,
    heartbeats: zmq::Socket,
    settings: ClientSettings,
}

/// A message and whom to answer.
struct Received {
    identity: Vec<u8>,
    body: Value,
}

impl Played {
    fn new() -> Self {
        let [requests, heartbeats] = [(); 2].map(|()| {
            let socket = zmq::Context::new().socket(zmq::ROUTER).unwrap();
            socket.set_rcvtimeo(DEADLINE.as_millis().try_into().unwrap()).unwrap();
            socket.bind("tcp://127.0.0.1:*").unwrap();
            socket
        });
        let at = |socket: &zmq::Socket| socket.get_last_endpoint().unwrap().unwrap();
        let endpoints =
            RegistryEndpoints::parse(&at(&requests), "tcp://localhost:1", &at(&heartbeats));
        let settings = ClientSettings {
            registries: Registries::new(endpoints.unwrap(), []),
            request_timeout: DEADLINE,
            heartbeat_timeout: DEADLINE,
            ..ClientSettings::default()
        };
        Self { requests, heartbeats, settings }
    }

    /// Heartbeats for a service that this registry has just registered.
    fn start(
        &self,
        registration: &Registration,
        addresses: Arc<dyn HostAddresses>,
    ) -> (Heartbeat, Receiver<HeartbeatState>) {
        let monitor = Monitor::new();
        let changes = monitor.observe();
        let current = CurrentRegistration::new(registration, "camera-1", &*addresses);
        let current = Arc::new(Mutex::new(current));
        let upkeep = Upkeep {
            settings: self.settings.clone(),
            registrar: Arc::new(Connections::for_requests(self.settings.clone())),
            addresses,
            monitor,
        };
        let heartbeat = Heartbeat::start(upkeep, current, Arc::default()).unwrap();
        assert_eq!(changes.recv_timeout(DEADLINE), Ok(HeartbeatState::Starting));
        (heartbeat, changes)
    }

    #[track_caller]
    fn heartbeat(&self) -> Received {
        received(&self.heartbeats)
    }

    #[track_caller]
    fn answer_heartbeat(&self, to: &Received, reply: &Value) {
        self.heartbeats.send_multipart([&to.identity, reply.to_string().as_bytes()], 0).unwrap();
    }

    #[track_caller]
    fn request(&self) -> Received {
        received(&self.requests)
    }

    #[track_caller]
    fn answer_request(&self, to: &Received, reply: &Value) {
        let frames = [to.identity.as_slice(), b"RESPONSE", &reply.to_string().into_bytes()];
        self.requests.send_multipart(frames, 0).unwrap();
    }
}

#[track_caller]
fn received(socket: &zmq::Socket) -> Received {
    let mut frames = socket.recv_multipart(0).expect("a message comes within the deadline");
    let body = serde_json::from_slice(&frames.pop().unwrap()).unwrap();
    Received { identity: frames.swap_remove(0), body }
}

fn camera(ttl: u32) -> Registration {
    Registration::new("Camera", "10.0.0.7", 6_110).ttl(ttl)
}

fn nowhere() -> Arc<dyn HostAddresses> {
    Arc::new(Host(Vec::new(), None))
}

fn success() -> Value {
    json!({"success": true, "service_id": "camera-1"})
}

fn forgotten() -> Value {
    json!({"success": false, "error": "Service not found or could not be renewed"})
}

#[track_caller]
fn next(changes: &Receiver<HeartbeatState>) -> HeartbeatState {
    changes.recv_timeout(DEADLINE).expect("a change is told within the deadline")
}

#[test]
fn a_forgotten_service_is_registered_again_under_its_id_with_all_that_was_said() {
    let registry = Played::new();
    let said = camera(30)
        .service_type("CM_CS")
        .metadata("service_port", 6_112)
        .tag("focal-plane")
        .allow_duplicate_service_type();
    let (_heartbeat, changes) = registry.start(&said, nowhere());

    registry.answer_heartbeat(&registry.heartbeat(), &forgotten());
    let mut request = registry.request();
    registry.answer_request(&request, &success());

    request.body.as_object_mut().unwrap().shift_remove("request_id");
    let expected = said.service_id("camera-1").request();
    assert_eq!(request.body, Value::Object(expected));
    let again = HeartbeatState::ReRegistered(ReRegistration::Forgotten);
    assert_eq!(next(&changes), again);
}

#[test]
fn a_service_whose_host_moved_is_registered_where_it_is_now() {
    let registry = Played::new();
    let host = Arc::new(Moving::to("10.0.0.7"));
    let (_heartbeat, changes) = registry.start(&camera(6), Arc::clone(&host) as _);
    registry.answer_heartbeat(&registry.heartbeat(), &success());
    assert_eq!(next(&changes), HeartbeatState::Healthy);

    for (from, to) in [("10.0.0.7", "10.0.0.8"), ("10.0.0.8", "10.0.0.9")] {
        host.moves_to(to);
        let request = registry.request();
        registry.answer_request(&request, &success());

        assert_eq!(request.body["service_info"]["host"], to);
        assert_eq!(request.body["service_info"]["id"], "camera-1");
        let moved = ReRegistration::Moved { from: from.to_owned(), to: to.to_owned() };
        assert_eq!(next(&changes), HeartbeatState::ReRegistered(moved));
        assert_eq!(next(&changes), HeartbeatState::Healthy);
    }
}

#[test]
fn a_silent_registry_gets_one_heartbeat_at_a_time_and_the_silence_is_told() {
    let mut registry = Played::new();
    registry.settings.heartbeat_timeout = Duration::from_millis(20);
    let (_heartbeat, changes) = registry.start(&camera(3), nowhere());
    let started = Instant::now();

    let HeartbeatState::Late { since } = next(&changes) else { panic!("it is late at first") };
    let unreachable = next(&changes);

    assert_eq!(unreachable, HeartbeatState::Unreachable { since });
    assert!(started.elapsed() >= Duration::from_millis(2_900));
    // A quarter of the interval, a half, then whole ones, each shortened by up to a half.
    let mut heartbeats = Vec::new();
    while registry.heartbeats.poll(zmq::POLLIN, 0).unwrap() > 0 {
        heartbeats.push(registry.heartbeat());
    }
    assert!((3..=9).contains(&heartbeats.len()), "{} heartbeats", heartbeats.len());
    heartbeats.sort_by(|one, other| one.identity.cmp(&other.identity));
    heartbeats.dedup_by(|one, other| one.identity == other.identity);
    assert!(heartbeats.len() >= 3, "each goes out on a connection of its own");
}

#[test]
fn a_registry_that_speaks_again_finds_the_service_healthy() {
    let mut registry = Played::new();
    registry.settings.heartbeat_timeout = Duration::from_millis(300);
    let (_heartbeat, changes) = registry.start(&camera(12), nowhere());
    assert!(matches!(next(&changes), HeartbeatState::Late { .. }));

    let healthy = loop {
        // Those that were given up in the meantime come first, and have nobody to be answered to.
        registry.answer_heartbeat(&registry.heartbeat(), &success());
        if let Ok(state) = changes.try_recv() {
            break state;
        }
    };

    assert_eq!(healthy, HeartbeatState::Healthy);
}

#[test]
fn a_refusal_is_told_and_heartbeats_go_on() {
    let registry = Played::new();
    let (_heartbeat, changes) = registry.start(&camera(6), nowhere());

    registry.answer_heartbeat(&registry.heartbeat(), &forgotten());
    let taken = json!({"success": false, "error": "duplicate_service_type"});
    registry.answer_request(&registry.request(), &taken);

    let HeartbeatState::Refused(refusal) = next(&changes) else { panic!("it is refused") };
    assert_eq!(refusal.code, RefusalCode::DuplicateServiceType);
    registry.answer_heartbeat(&registry.heartbeat(), &success());
    assert_eq!(next(&changes), HeartbeatState::Healthy);
}

#[test]
fn heartbeats_that_wait_for_an_answer_stop_at_once() {
    let mut registry = Played::new();
    registry.settings.heartbeat_timeout = Duration::from_secs(600);
    let (heartbeat, changes) = registry.start(&camera(3_600), nowhere());
    registry.heartbeat();
    let started = Instant::now();

    drop(heartbeat);

    assert!(started.elapsed() < DEADLINE);
    assert_eq!(changes.try_iter().collect::<Vec<_>>(), [HeartbeatState::Stopped]);
}

/// Heartbeats that wait for the answer to a registration, which is not coming.
fn registering(registry: &Played) -> (Heartbeat, Receiver<HeartbeatState>, Received) {
    let (heartbeat, changes) = registry.start(&camera(3_600), nowhere());
    registry.answer_heartbeat(&registry.heartbeat(), &forgotten());
    let request = registry.request();
    (heartbeat, changes, request)
}

#[test]
fn heartbeats_that_register_are_dropped_at_once() {
    let mut registry = Played::new();
    registry.settings.request_timeout = Duration::from_secs(600);
    let (heartbeat, changes, _unanswered) = registering(&registry);
    let started = Instant::now();

    drop(heartbeat);

    assert!(started.elapsed() < DEADLINE);
    assert_eq!(changes.try_iter().collect::<Vec<_>>(), [HeartbeatState::Stopped]);
}

#[test]
fn heartbeats_that_register_stop_when_they_know_what_came_of_it() {
    let registry = Played::new();
    let (heartbeat, _, unanswered) = registering(&registry);
    let (sender, stopped) = channel();
    let stopping = thread::spawn(move || {
        heartbeat.stop();
        sender.send(()).unwrap();
    });

    let too_soon = stopped.recv_timeout(Duration::from_millis(100));
    registry.answer_request(&unanswered, &success());

    assert_eq!(too_soon, Err(RecvTimeoutError::Timeout));
    assert_eq!(stopped.recv_timeout(DEADLINE), Ok(()));
    stopping.join().unwrap();
}

#[test]
fn heartbeats_between_two_of_them_stop_at_once() {
    let registry = Played::new();
    let (heartbeat, changes) = registry.start(&camera(3_600), nowhere());
    registry.answer_heartbeat(&registry.heartbeat(), &success());
    assert_eq!(next(&changes), HeartbeatState::Healthy);
    let started = Instant::now();

    drop(heartbeat);

    assert!(started.elapsed() < DEADLINE);
}
