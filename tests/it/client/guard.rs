//! Services that are registered for a scope.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use service_registry::client::{HeartbeatState, Registration};

use crate::support::{DEADLINE, Place};

fn camera() -> Registration {
    Registration::new("Camera", "localhost", 6_110).service_id("camera-1")
}

#[test]
fn a_panic_in_the_scope_still_deregisters() {
    let (place, _registry) = Place::start();
    let client = place.client();

    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let service = client.register_scoped(&camera()).unwrap().deregister_on_drop();
        assert!(client.get_service(service.id()).unwrap().is_some());
        // Without the message that a panic prints.
        std::panic::resume_unwind(Box::new("the shutter is stuck"));
    }));

    panicked.unwrap_err();
    assert_eq!(client.get_service("camera-1").unwrap(), None);
}

#[test]
fn the_end_of_a_scope_stops_the_heartbeats_and_leaves_the_service_where_nothing_else_is_asked() {
    let (place, _registry) = Place::start();
    let client = place.client();
    let service = client.register_scoped(&camera()).unwrap();
    let changes = service.heartbeat_changes();

    drop(service);

    assert_eq!(changes.iter().last(), Some(HeartbeatState::Stopped));
    assert!(client.get_service("camera-1").unwrap().is_some());
}

#[test]
fn a_client_keeps_several_services_registered_beside_its_own() {
    let (place, _registry) = Place::start();
    let client = place.client();
    client.register(&camera().service_id("own")).unwrap();
    let first = client.register_scoped(&camera().service_id("first")).unwrap();
    let second = client.register_scoped(&camera().service_id("second")).unwrap();

    assert!(first.deregister().unwrap());

    assert_eq!(second.id(), "second");
    assert_eq!(client.service_id().as_deref(), Some("own"));
    let ids: Vec<String> =
        client.list_services(None).unwrap().into_iter().map(|service| service.id).collect();
    assert_eq!(ids, ["own", "second"]);
}

#[test]
fn a_scope_outlives_the_client_that_registered_it() {
    let (place, _registry) = Place::start();
    let client = place.client();
    let service = client.register_scoped(&camera()).unwrap().deregister_on_drop();
    drop(client);

    drop(service);

    assert_eq!(place.client().get_service("camera-1").unwrap(), None);
}

#[test]
fn the_end_of_a_scope_waits_for_a_registry_that_is_gone_no_longer_than_for_a_request() {
    let (place, registry) = Place::start();
    let timeout = Duration::from_secs(4);
    let client = place.builder().request_timeout(timeout).build();
    let service = client.register_scoped(&camera()).unwrap().deregister_on_drop();
    registry.kill();
    let started = Instant::now();

    drop(service);

    assert!(started.elapsed() >= timeout);
    assert!(started.elapsed() < DEADLINE);
}
