//! Heartbeats against the real server: they keep a service alive, and no longer than they should.

use crossbeam_channel::Receiver;
use service_registry::client::{
    Health, HeartbeatState, ReRegistration, Registration, RegistryClient,
};

use crate::support::{DEADLINE, Launch, Place, wait_until};

/// Long enough for a machine that stands still for some seconds between two heartbeats.
const TTL: u32 = 5;

fn camera() -> Registration {
    Registration::new("Camera", "localhost", 6_110).service_id("camera-1").ttl(TTL)
}

/// A registry that removes what expires soon after it did.
#[track_caller]
fn quick_registry() -> (Place, crate::support::Registry) {
    Place::start_with(Launch::new().flag("--cleanup-interval", "0.1"))
}

#[track_caller]
fn next(changes: &Receiver<HeartbeatState>) -> HeartbeatState {
    changes.recv_timeout(DEADLINE).expect("a change is told within the deadline")
}

#[track_caller]
fn start_heartbeat(client: &RegistryClient) -> Receiver<HeartbeatState> {
    let changes = client.heartbeat_changes();
    client.start_heartbeat().unwrap();
    assert_eq!(next(&changes), HeartbeatState::Starting);
    assert_eq!(next(&changes), HeartbeatState::Healthy);
    changes
}

#[track_caller]
fn wait_until_gone(client: &RegistryClient, id: &str) {
    wait_until(&format!("{id} goes"), || client.get_service(id).unwrap().is_none());
}

#[test]
fn heartbeats_keep_a_service_alive_beyond_its_ttl_until_they_stop() {
    let (place, _registry) = quick_registry();
    let client = place.client();
    client.register(&camera()).unwrap();
    // Of the same age, without heartbeats: when it has gone, the other would have, too.
    place.client().register(&camera().service_id("silent")).unwrap();
    start_heartbeat(&client);

    wait_until_gone(&client, "silent");
    assert_eq!(client.get_service("camera-1").unwrap().unwrap().health, Health::Passing);
    assert_eq!(client.heartbeat_state(), HeartbeatState::Healthy);

    client.stop_heartbeat();
    assert_eq!(client.heartbeat_state(), HeartbeatState::Stopped);
    wait_until_gone(&client, "camera-1");
}

#[test]
fn a_service_that_somebody_removed_comes_back_under_its_id_and_says_so() {
    let (place, _registry) = Place::start();
    let client = place.client();
    let said = camera().service_type("CM_CS").metadata("k", 1).tag("x").singleton();
    client.register(&said).unwrap();
    let before = client.get_service("camera-1").unwrap().unwrap();
    let changes = start_heartbeat(&client);

    assert!(place.client().deregister_service("camera-1").unwrap());

    let again = HeartbeatState::ReRegistered(ReRegistration::Forgotten);
    assert_eq!(next(&changes), again);
    assert_eq!(next(&changes), HeartbeatState::Healthy);
    let mut after = client.get_service("camera-1").unwrap().unwrap();
    after.last_heartbeat = before.last_heartbeat;
    assert_eq!(after, before);
}

#[test]
fn a_service_that_its_client_deregistered_does_not_come_back() {
    let (place, _registry) = Place::start();
    let client = place.client();
    client.register(&camera()).unwrap();
    let changes = start_heartbeat(&client);

    client.deregister().unwrap();

    assert_eq!(next(&changes), HeartbeatState::Stopped);
    assert_eq!(client.get_service("camera-1").unwrap(), None);
}

#[test]
fn heartbeats_go_on_for_the_service_that_is_registered_next() {
    let (place, _registry) = quick_registry();
    let client = place.client();
    client.register(&camera()).unwrap();
    start_heartbeat(&client);

    client.register(&camera().service_id("camera-2")).unwrap();
    place.client().register(&camera().service_id("silent")).unwrap();

    wait_until_gone(&client, "camera-1");
    wait_until_gone(&client, "silent");
    assert_eq!(client.get_service("camera-2").unwrap().unwrap().health, Health::Passing);
}

#[test]
fn a_registration_that_is_refused_leaves_the_heartbeats_of_the_last_one() {
    let (place, _registry) = quick_registry();
    place.client().register(&camera().service_id("holder").service_type("PSU").ttl(60)).unwrap();
    let client = place.client();
    client.register(&camera()).unwrap();
    let changes = start_heartbeat(&client);

    client.register(&camera().service_id("other").service_type("PSU")).unwrap_err();

    let told: Vec<HeartbeatState> = (0..3).map(|_| next(&changes)).collect();
    let expected = [HeartbeatState::Stopped, HeartbeatState::Starting, HeartbeatState::Healthy];
    assert_eq!(told, expected);
    assert_eq!(client.service_id().as_deref(), Some("camera-1"));
}
