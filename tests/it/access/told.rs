//! The log says who did what others notice.

use serde_json::json;

use super::Host;
use crate::support::{Launch, assert_success, registration};

#[test]
fn the_log_says_from_where_a_service_was_registered_replaced_and_taken_out() {
    let launch = Launch::new().flag("--log-level", "info");
    let backup = launch.path("backup.db");
    let registry = launch.start();
    let [owner, other] = ["127.0.0.2", "127.0.0.3"].map(|host| Host::at(host, &registry));

    assert_success(&owner.request(&registration("cam-c", "CAM")));
    assert_success(&other.request(&registration("cam-c", "CAM")));
    assert_success(&other.request(&json!({"action": "deregister", "service_id": "cam-c"})));
    assert_success(&owner.request(&json!({"action": "backup", "destination": backup})));
    let log = registry.stop().stderr;

    let told: Vec<&str> = log.lines().filter(|line| line.contains("asked by")).collect();
    let expected = [
        ("registered \"cam-c\" ", ", asked by 127.0.0.2"),
        ("registered \"cam-c\" ", ", asked by 127.0.0.3"),
        ("deregistered \"cam-c\"", ", asked by 127.0.0.3"),
        ("backed up to ", ", asked by 127.0.0.2"),
        ("the registry stops", ", asked by 127.0.0.1"),
    ];
    assert_eq!(told.len(), expected.len(), "{log}");
    for (line, (what, by)) in told.into_iter().zip(expected) {
        assert!(line.contains(what) && line.ends_with(by), "{line}");
    }
}

#[test]
fn who_stops_the_registry_behind_a_write_is_told_as_well() {
    let registry = Launch::new().flag("--log-level", "info").flag("--terminate", "allowed").start();
    let host = Host::at("127.0.0.2", &registry);

    host.send(&registration("dev", "DEV"));
    host.send(&json!({"action": "terminate"}));
    let log = registry.wait().stderr;

    assert!(log.contains("the registry stops, asked by 127.0.0.2"), "{log}");
}
