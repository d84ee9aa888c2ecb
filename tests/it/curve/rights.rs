//! What a key may do.

use serde_json::{Value, json};

use super::Lab;
use crate::support::{assert_refused, assert_success, registration};

fn deregistration(id: &str) -> Value {
    json!({"action": "deregister", "service_id": id})
}

#[test]
fn who_may_read_changes_nothing() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let [reader, owner] = ["read", "register"].map(|name| lab.host(name, &registry));
    assert_success(&owner.request(&registration("dev", "DEV")));

    for request in [
        json!({"action": "health"}),
        json!({"action": "info"}),
        json!({"action": "list"}),
        json!({"action": "get", "service_id": "dev"}),
        json!({"action": "discover", "service_type": "DEV"}),
    ] {
        assert_success(&reader.request(&request));
    }
    for (request, needed) in [
        (registration("other", "OTHER"), "register"),
        (registration("dev", "DEV"), "register"),
        (deregistration("dev"), "register"),
        (json!({"action": "renew", "service_id": "dev"}), "register"),
        (json!({"action": "backup", "destination": "/backup.db"}), "admin"),
        (json!({"action": "terminate"}), "admin"),
    ] {
        let refusal = reader.request(&request);
        assert_refused(&refusal, "not_allowed", &["Not allowed"]);
        let message = refusal["message"].as_str().unwrap();
        assert!(message.contains(&format!("the right to {needed},")), "{refusal}");
    }
    assert_refused(&reader.beat("dev"), "not_allowed", &["Not allowed"]);
    assert_eq!(owner.request(&json!({"action": "list"}))["services"].as_array().unwrap().len(), 1);
}

#[test]
fn who_may_register_keeps_services_and_stops_nothing() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let client = lab.host("register", &registry);

    assert_success(&client.request(&registration("dev", "DEV")));
    assert_success(&client.request(&json!({"action": "renew", "service_id": "dev"})));
    assert_success(&client.beat("dev"));
    for request in [
        json!({"action": "terminate"}),
        json!({"action": "backup", "destination": lab.launch.path("backup.db")}),
    ] {
        assert_refused(&client.request(&request), "not_allowed", &["Not allowed"]);
    }
    assert_success(&client.request(&deregistration("dev")));
    assert!(!lab.launch.path("backup.db").exists());
}

#[test]
fn an_admin_overrides_ownership_backs_up_and_stops_the_registry() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.clone().flag("--ownership", "host").start();
    let owner = lab.host_at("127.0.0.1", "register", &registry);
    let other = lab.host_at("127.0.0.2", "register", &registry);
    let admin = lab.host_at("127.0.0.3", "admin", &registry);
    for id in ["dev", "gone"] {
        assert_success(&owner.request(&registration(id, "")));
    }

    for request in [deregistration("dev"), registration("dev", "OTHER")] {
        assert_refused(&other.request(&request), "not_owner", &["Not allowed"]);
    }
    assert_success(&admin.request(&deregistration("gone")));
    assert_success(&admin.request(&registration("dev", "MOVED")));
    let destination = lab.launch.path("backup.db");
    assert_success(&admin.request(&json!({"action": "backup", "destination": destination})));
    assert!(destination.exists());
    assert_success(&admin.request(&json!({"action": "terminate"})));

    registry.wait().assert_code(0);
}

#[test]
fn never_holds_for_admins_too() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.clone().flag("--terminate", "never").start();

    let refusal = lab.host("admin", &registry).request(&json!({"action": "terminate"}));

    assert_refused(&refusal, "not_allowed", &["Not allowed"]);
    assert!(refusal["message"].as_str().unwrap().contains("signals alone"), "{refusal}");
}
