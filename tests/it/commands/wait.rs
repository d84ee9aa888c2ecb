//! `wait`: scripts that need a service to be there.

use std::time::Instant;

use serde_json::Value;

use crate::support::{DEADLINE, Finished, Place, Registry, port_of};

#[test]
fn a_service_that_is_there_ends_the_waiting_at_once() {
    let registry = Registry::start();
    registry.client().register("psu-1", "PSU");

    let finished = registry.run(&["wait", "PSU"]);
    let json = registry.run(&["wait", "PSU", "--json"]);

    finished.assert_code(0);
    assert_eq!(finished.stdout, "psu-1 is there, at tcp://127.0.0.1:6110\n");
    let reply: Value = serde_json::from_str(&json.assert_code(0).stdout).unwrap();
    assert_eq!(reply["service"], registry.client().get("psu-1")["service"]);
}

#[test]
fn registry_and_service_may_come_up_while_they_are_waited_for() {
    let (place, registry) = Place::start();
    let port = port_of(&place.endpoints().requests).to_string();
    let launch = registry.launch().clone();
    registry.stop();
    let waiting = launch.begin(&["wait", "PSU", "--timeout", "60", "--req-port", &port]);

    let registry = place.start_again();
    registry.client().register("psu-1", "PSU");

    waiting.wait().assert_code(0);
}

/// Waits for a short time. A busy registry, which does not answer so soon, counts as none, and is
/// asked again.
#[track_caller]
fn wait_a_moment(registry: &Registry, arguments: &[&str]) -> Finished {
    let started = Instant::now();
    loop {
        let finished = registry.run(&[&["wait", "PSU", "--timeout", "0.3"], arguments].concat());
        if finished.code() != Some(3) || started.elapsed() > DEADLINE {
            return finished;
        }
    }
}

#[test]
fn a_service_that_does_not_come_is_exit_code_1() {
    let registry = Registry::start();
    registry.client().register("cam-1", "CAM");

    let finished = wait_a_moment(&registry, &[]);
    let json = wait_a_moment(&registry, &["--json"]);

    finished.assert_code(1);
    assert!(finished.complaint().contains("PSU"), "{finished:?}");
    let reply: Value = serde_json::from_str(&json.assert_code(1).stdout).unwrap();
    assert_eq!(reply["code"], "no_healthy_service");
}

#[test]
fn a_registry_that_does_not_come_is_exit_code_3() {
    let (place, registry) = Place::start();
    let port = port_of(&place.endpoints().requests).to_string();
    let launch = registry.launch().clone();
    registry.stop();

    let finished = launch.run(&["wait", "PSU", "--timeout", "0.3", "--req-port", &port]);

    finished.assert_code(3);
    assert!(finished.complaint().contains(&port), "{finished:?}");
    assert!(finished.complaint().contains("within 0.3 s"), "{finished:?}");
}
