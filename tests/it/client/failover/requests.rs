//! Requests that the first registry does not answer.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use service_registry::client::{RefusalCode, Registration, RegistryClient, RegistryEndpoints};

use super::super::stub::Stub;
use super::{builder_for, start_registry};
use crate::support::DEADLINE;

fn camera() -> Registration {
    Registration::new("Camera", "localhost", 6_110).service_type("CAMERA")
}

/// A client of a registry that answers nothing, and then of a real one.
fn client_of(stub: &Stub, second: RegistryEndpoints) -> RegistryClient {
    builder_for(stub.endpoints(), second).build()
}

#[test]
fn requests_go_to_the_next_registry_when_the_first_is_gone_and_stay_there() {
    let ((first, registry), (second, _other)) = (start_registry(), start_registry());
    let client = builder_for(first.client_endpoints(), second.client_endpoints()).build();
    client.register(&camera().service_id("first")).unwrap();
    second.client().register(&camera().service_id("second")).unwrap();
    let found = || client.discover_service("CAMERA").unwrap().expect("each has one").id;
    assert_eq!(found(), "first");

    registry.kill();
    let at_the_second = found();
    let _registry = first.start_again();

    assert_eq!(at_the_second, "second");
    assert_eq!(found(), "second");
    assert_eq!(client.current_registry(), second.client_endpoints());
}

#[test]
fn the_timeout_holds_for_all_registries_together_and_the_error_names_them_all() {
    let (first, second) = (Stub::bind(), Stub::bind());
    let timeout = Duration::from_millis(300);
    let client =
        builder_for(first.endpoints(), second.endpoints()).request_timeout(timeout).build();
    let started = Instant::now();

    let error = client.list_services(None).unwrap_err();

    assert!(started.elapsed() >= timeout);
    assert!(started.elapsed() < DEADLINE);
    let [one, other] = [first, second].map(|stub| stub.endpoints().requests);
    let expected = format!("no answer from {one}, {other} within 0.3 s");
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(error.is_unreachable());
}

#[test]
fn a_registration_that_is_not_answered_is_repeated_elsewhere_under_the_same_id() {
    let (stub, (second, _registry)) = (Stub::bind(), start_registry());
    let client = client_of(&stub, second.client_endpoints());

    let id = client.register(&camera()).unwrap();

    assert_eq!(stub.question().body["service_info"]["id"], id);
    assert_eq!(second.client().list_services(None).unwrap()[0].id, id);
}

#[test]
fn a_deregistration_that_is_repeated_tells_what_the_one_that_answers_knows() {
    let (stub, (second, _registry)) = (Stub::bind(), start_registry());
    let there = second.client().register(&camera()).unwrap();

    for (id, is_known) in [(there.as_str(), true), ("gone", false)] {
        let client = client_of(&stub, second.client_endpoints());
        assert_eq!(client.deregister_service(id).unwrap(), is_known);
        assert_eq!(stub.question().body["service_id"], id);
    }
}

#[test]
fn what_ends_one_registry_never_reaches_another() {
    let (stub, (second, registry)) = (Stub::bind(), start_registry());
    let client = client_of(&stub, second.client_endpoints());
    let ending = thread::spawn(move || client.terminate_registry_server());

    let refusal = json!({"success": false, "error": "no disk", "code": "storage_failed"});
    stub.answer(&stub.question(), &refusal);

    let error = ending.join().unwrap().unwrap_err();
    assert!(error.is_refused_as(&RefusalCode::StorageFailed), "{error}");
    second.client().health_check().expect("it goes on");
    drop(registry);
}

#[test]
fn a_registry_that_is_cut_off_from_its_storage_is_left_for_the_next() {
    let (stub, (second, _registry)) = (Stub::bind(), start_registry());
    let client = builder_for(stub.endpoints(), second.client_endpoints()).build();
    let registering = thread::spawn(move || {
        client.register(&camera().service_id("camera-1")).unwrap();
        client
    });

    let refusal = json!({"success": false, "error": "cut off", "code": "storage_failed"});
    stub.answer(&stub.question(), &refusal);

    let client = registering.join().unwrap();
    assert_eq!(client.current_registry(), second.client_endpoints());
    assert!(client.get_service("camera-1").unwrap().is_some());
}
