//! `ownership`: whose a living service is.

use serde_json::{Value, json};

use super::Host;
use crate::support::{Launch, assert_refused, assert_success, ids, registration, short_lived};

fn deregistration(id: &str) -> Value {
    json!({"action": "deregister", "service_id": id})
}

#[test]
fn a_living_service_is_deregistered_and_replaced_by_its_host_alone() {
    let registry = Launch::new().flag("--ownership", "host").start();
    let [owner, other] = ["127.0.0.1", "127.0.0.2"].map(|host| Host::at(host, &registry));
    assert_success(&owner.request(&registration("dev", "DEV")));

    for request in [deregistration("dev"), registration("dev", "OTHER")] {
        let refusal = other.request(&request);
        assert_refused(&refusal, "not_owner", &["Not allowed"]);
        assert!(refusal["message"].as_str().unwrap().contains("127.0.0.1"), "{refusal}");
    }
    assert_success(&other.request(&json!({"action": "renew", "service_id": "dev"})));
    assert_success(&other.request(&registration("another", "ANOTHER")));

    assert_eq!(registry.client().discover("DEV")["service"]["id"], "dev");
    assert_success(&owner.request(&registration("dev", "DEV")));
    assert_success(&owner.request(&deregistration("dev")));
    assert_success(&other.request(&registration("dev", "DEV")));
}

#[test]
fn by_default_everybody_may_as_with_the_python_registry() {
    let registry = Launch::new().start();
    let [owner, other] = ["127.0.0.1", "127.0.0.2"].map(|host| Host::at(host, &registry));
    assert_success(&owner.request(&registration("dev", "DEV")));

    assert_success(&other.request(&registration("dev", "DEV")));
    assert_success(&owner.request(&deregistration("dev")));
}

#[test]
fn a_service_that_is_not_alive_is_everybodys() {
    let registry = Launch::new().flag("--ownership", "host").start();
    let [owner, other] = ["127.0.0.1", "127.0.0.2"].map(|host| Host::at(host, &registry));
    for id in ["moved", "gone"] {
        assert_success(&owner.request(&short_lived(id, "", 1)));
        registry.client().wait_until_critical(id);
    }

    assert_success(&other.request(&registration("moved", "")));
    assert_success(&other.request(&deregistration("gone")));

    assert_refused(&owner.request(&registration("moved", "")), "not_owner", &["Not allowed"]);
}

#[test]
fn an_owner_is_remembered_over_a_restart_whatever_the_setting_was() {
    let launch = Launch::new();
    let registry = launch.start();
    assert_success(&Host::at("127.0.0.2", &registry).request(&registration("dev", "DEV")));
    registry.kill();

    let registry = launch.flag("--ownership", "host").start();
    let [owner, other] = ["127.0.0.2", "127.0.0.1"].map(|host| Host::at(host, &registry));

    assert_refused(&other.request(&deregistration("dev")), "not_owner", &["Not allowed"]);
    assert_success(&owner.request(&deregistration("dev")));
}

#[test]
fn requests_of_one_turn_see_the_owner_that_the_one_before_made() {
    let registry = Launch::new().flag("--ownership", "host").start();
    let [owner, other] = ["127.0.0.1", "127.0.0.2"].map(|host| Host::at(host, &registry));
    assert_success(&other.health());

    for number in 0..100 {
        let id = format!("dev-{number}");
        owner.send(&registration(&id, ""));
        other.send(&deregistration(&id));
    }

    // Whichever came first: it was not there yet, or it was the owner's.
    for _ in 0..100 {
        let refusal = super::answer_in(other.peer.receive());
        assert!(["service_not_found", "not_owner"].contains(&refusal["code"].as_str().unwrap()));
        assert_success(&super::answer_in(owner.peer.receive()));
    }
    assert_eq!(ids(&registry.client().list()).len(), 100);
}
