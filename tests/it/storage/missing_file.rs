//! A database file that is taken away while the registry runs.

use std::fs;

use serde_json::Value;

use crate::support::{Launch, assert_refused, assert_success, ids};

const FILE: &str = "service_registry.db";

#[track_caller]
fn assert_not_stored(reply: &Value) {
    assert_refused(reply, "storage_failed", &["Failed to register service"]);
    let message = reply["message"].as_str().unwrap_or_default();
    for word in [FILE, "moved, deleted or replaced", "restart"] {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

#[test]
fn registrations_are_refused_when_the_file_is_gone_and_all_else_goes_on() {
    let launch = Launch::new();
    let registry = launch.start();
    let client = registry.client();
    client.register("dev", "DEV");

    fs::remove_file(launch.path(FILE)).unwrap();
    let reply = client.request(&crate::support::registration("new", "NEW"));

    assert_not_stored(&reply);
    assert_success(&client.discover("DEV"));
    assert_success(&client.renew("dev"));
    assert_success(&registry.heartbeat_client().renew("dev"));
    assert_eq!(ids(&client.list()), ["dev"]);
    registry.run(&["backup", "saved.db"]).assert_code(0);
    let saved = launch.path("saved.db");
    let restored = Launch::new().flag("--db-path", saved.to_str().unwrap()).start();
    assert_success(&restored.client().discover("DEV"));
}

#[test]
fn a_file_that_was_replaced_is_not_written_to_and_served_after_a_restart() {
    let other = Launch::new();
    let registry = other.start();
    registry.client().register("other", "OTHER");
    registry.stop();
    let launch = Launch::new();
    let registry = launch.start();
    registry.client().register("dev", "DEV");

    fs::copy(other.path(FILE), launch.path("arriving")).unwrap();
    fs::rename(launch.path("arriving"), launch.path(FILE)).unwrap();
    assert_not_stored(&registry.client().request(&crate::support::registration("new", "NEW")));
    let unwell = registry.run(&["health"]);
    let status = registry.run(&["status"]);
    let stopped = registry.run(&["stop"]);
    stopped.assert_code(0);
    let finished = registry.wait();

    unwell.assert_code(1);
    assert!(unwell.complaint().contains("could not be stored"), "{unwell:?}");
    status.assert_code(0);
    let trouble = status.stdout.lines().find(|line| line.starts_with("trouble "));
    assert!(trouble.is_some_and(|line| line.contains("could not be stored")), "{status:?}");
    finished.assert_code(1);
    assert!(finished.complaint().contains("moved, deleted or replaced"), "{finished:?}");
    assert_eq!(fs::read(launch.path(FILE)).unwrap(), fs::read(other.path(FILE)).unwrap());
}
