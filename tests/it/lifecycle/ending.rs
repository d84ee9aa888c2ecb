//! Signals and `terminate` end the registry in good order.

use serde_json::json;

use crate::support::{Launch, Place, Registry, assert_success, ids};

#[track_caller]
fn assert_ends_well_by(signal: &str) {
    let launch = Launch::new();
    let registry = launch.start();
    registry.client().register("dev", "DEV");

    registry.signal(signal);

    let finished = registry.wait();
    finished.assert_code(0);
    assert_eq!(finished.stdout.lines().count(), 1, "{:?} is the ready line", finished.stdout);
    assert!(!launch.path("service_registry.db-wal").exists(), "the database is closed");
    assert_eq!(ids(&launch.start().client().list()), ["dev"]);
}

#[test]
fn sigterm_ends_it_in_good_order() {
    assert_ends_well_by("TERM");
}

#[test]
fn sigint_ends_it_in_good_order() {
    assert_ends_well_by("INT");
}

#[test]
fn terminate_is_answered_and_ends_it_in_good_order() {
    let registry = Registry::start();
    let client = registry.client();

    let reply = client.request(&json!({"action": "terminate"}));

    assert_success(&reply);
    assert_eq!(reply["status"], "terminating");
    registry.wait().assert_code(0);
}

#[test]
fn terminate_without_an_answer_ends_it_too() {
    let registry = Registry::start();
    let client = registry.client();

    client.send_as("REQ_NO_REPLY", r#"{"action": "terminate"}"#);

    registry.wait().assert_code(0);
    assert_eq!(client.received(), None);
}

#[test]
fn what_a_client_asked_before_terminate_is_done_answered_and_published() {
    let launch = Launch::new();
    let registry = launch.start();
    let client = registry.client();
    let subscriber = registry.subscriber();
    for number in 0..100 {
        client.send(&crate::support::registration(&format!("dev-{number}"), ""));
    }
    client.send(&json!({"action": "terminate"}));

    for number in 0..100 {
        assert_eq!(client.receive()["service_id"], format!("dev-{number}"));
    }
    assert_eq!(client.receive()["status"], "terminating");
    for number in 0..100 {
        let id = format!("dev-{number}");
        assert_eq!(subscriber.next().about(), ("register", id.as_str()));
    }
    registry.wait().assert_code(0);
    assert_eq!(ids(&launch.start().client().list()).len(), 100);
}

#[test]
fn a_client_that_never_reads_does_not_keep_it_from_ending() {
    let registry = Registry::start();
    let silent = registry.client();
    let subscriber = registry.subscriber();
    for _ in 0..2_000 {
        silent.send(&json!({"action": "info"}));
    }

    registry.signal("TERM");

    registry.wait().assert_code(0);
    drop((silent, subscriber));
}

#[test]
fn the_ports_are_free_again_after_a_stop() {
    let (place, registry) = Place::start();
    registry.client().register("dev", "DEV");

    registry.stop();

    let again = place.start_again();
    assert_eq!(again.endpoints().requests, place.endpoints().requests);
    assert_success(&again.client().get("dev"));
}
