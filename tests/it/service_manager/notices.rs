//! Ready, reloading, stopping, and the line in `systemctl status`.

use std::time::Duration;

use super::Manager;
use crate::support::{Launch, assert_success, registration};

#[test]
fn it_is_ready_when_it_answers_and_tells_of_a_reload_and_of_the_end() {
    let manager = Manager::new();
    let registry = manager.launch.start();

    assert_eq!(manager.hears(), ["READY=1", "STATUS=0 services registered, 0 connections refused"]);
    assert_success(&registry.client().list());

    registry.signal("HUP");
    let reloading = manager.hears();
    assert_eq!(reloading[0], "RELOADING=1");
    assert!(reloading[1].starts_with("MONOTONIC_USEC="), "{reloading:?}");
    assert_eq!(manager.hears(), ["READY=1"]);

    registry.signal("TERM");
    assert_eq!(manager.hears(), ["STOPPING=1"]);
    registry.wait().assert_code(0);
}

#[test]
fn an_end_that_a_client_asked_for_is_told_as_well() {
    let manager = Manager::new();
    let registry = manager.launch.start();
    assert_eq!(manager.hears()[0], "READY=1");

    registry.stop();

    assert_eq!(manager.hears(), ["STOPPING=1"]);
}

#[test]
fn the_status_says_how_many_services_there_are() {
    let manager = Manager::new().with_watchdog(Duration::from_secs(4));
    let registry = manager.launch.start();

    assert_success(&registry.client().request(&registration("psu-1", "PSU")));

    let status = manager.waits_for("STATUS=1");
    assert_eq!(status, "STATUS=1 service registered, 0 connections refused");
}

#[test]
fn a_registry_that_cannot_start_is_never_ready() {
    let manager = Manager::new();
    let running = manager.launch.start();
    assert_eq!(manager.hears()[0], "READY=1");
    let port = crate::support::port_of(&running.endpoints().requests).to_string();

    let refused = manager.launch.clone().flag("--req-port", &port).start_in_vain();

    refused.assert_code(1);
    assert_eq!(manager.hears_within(Duration::from_millis(1)), None);
}

#[test]
fn a_manager_that_is_gone_is_no_reason_to_stop() {
    let launch = Launch::new();
    let nowhere = launch.path("nowhere");
    let registry = launch.variable("NOTIFY_SOCKET", nowhere.to_str().unwrap()).start();

    assert_success(&registry.client().list());

    let log = registry.stop().stderr;
    assert!(log.contains("cannot tell systemd how the registry is doing"), "{log}");
}
