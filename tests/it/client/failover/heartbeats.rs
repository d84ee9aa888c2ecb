//! Heartbeats that the first registry does not answer.

use std::thread;
use std::time::Duration;

use crossbeam_channel::Receiver;
use serde_json::{Value, json};
use service_registry::client::{HeartbeatState, ReRegistration, Registration};

use super::super::stub::Stub;
use super::doors::Door;
use super::{builder_for, start_registry};
use crate::support::DEADLINE;

/// How long two registries may take to answer a heartbeat, half of it each. As long as it is from
/// one to the next.
const PATIENCE: Duration = Duration::from_secs(4);

fn camera() -> Registration {
    Registration::new("Camera", "localhost", 6_110).service_id("camera-1").ttl(12)
}

fn registered() -> Value {
    json!({"success": true, "service_id": "camera-1"})
}

#[track_caller]
fn next(changes: &Receiver<HeartbeatState>) -> HeartbeatState {
    changes.recv_timeout(DEADLINE).expect("a change is told within the deadline")
}

#[test]
fn a_silent_heartbeat_goes_to_the_next_registry_at_once_where_the_service_is_registered_again() {
    let (stub, (second, _registry)) = (Stub::bind(), start_registry());
    let client = builder_for(stub.endpoints(), second.client_endpoints())
        .heartbeat_timeout(PATIENCE / 2)
        .build();
    let changes = client.heartbeat_changes();
    let registering = thread::spawn(move || {
        client.register(&camera()).unwrap();
        client.start_heartbeat().unwrap();
        client
    });
    stub.answer(&stub.question(), &registered());
    stub.answer_heartbeat(&stub.heartbeat(), &registered());
    let _client = registering.join().unwrap();
    assert_eq!(next(&changes), HeartbeatState::Starting);
    assert_eq!(next(&changes), HeartbeatState::Healthy);

    let unanswered = stub.heartbeat();

    assert_eq!(unanswered.body["service_id"], "camera-1");
    let from = stub.endpoints().heartbeats;
    let to = second.client_endpoints().heartbeats;
    assert_eq!(next(&changes), HeartbeatState::ChangedRegistry { from, to });
    let again = HeartbeatState::ReRegistered(ReRegistration::Forgotten);
    assert_eq!(next(&changes), again);
    assert_eq!(next(&changes), HeartbeatState::Healthy);
    assert!(second.client().get_service("camera-1").unwrap().is_some());
    assert!(!stub.has_more(), "the first is left alone");
}

#[test]
fn a_service_whose_registry_goes_lives_on_at_another_that_knows_it() {
    let (place, _registry) = start_registry();
    let [first, second] = [(); 2].map(|()| Door::open(place.endpoints()));
    let client =
        builder_for(first.endpoints(), second.endpoints()).heartbeat_timeout(PATIENCE / 2).build();
    client.register(&camera()).unwrap();
    let changes = client.heartbeat_changes();
    client.start_heartbeat().unwrap();
    assert_eq!(next(&changes), HeartbeatState::Starting);
    assert_eq!(next(&changes), HeartbeatState::Healthy);

    let (from, to) = (first.endpoints().heartbeats, second.endpoints().heartbeats);
    drop(first);

    assert_eq!(next(&changes), HeartbeatState::ChangedRegistry { from, to });
    assert_eq!(next(&changes), HeartbeatState::Healthy);
    assert_eq!(client.current_registry(), second.endpoints());
}
