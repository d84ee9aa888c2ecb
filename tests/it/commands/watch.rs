//! `watch`: what changes, one line each.

use serde_json::Value;

use crate::support::{Launch, Place, Process, Registry, port_of};

/// The words of the next line.
#[track_caller]
fn next(process: &mut Process) -> Vec<String> {
    let line = process.next_line().unwrap_or_else(|| panic!("it ends: {}", process.log()));
    line.split_whitespace().map(str::to_owned).collect()
}

#[track_caller]
fn next_json(process: &mut Process) -> Value {
    let line = process.next_line().unwrap_or_else(|| panic!("it ends: {}", process.log()));
    serde_json::from_str(&line).expect("a line is JSON")
}

#[test]
fn every_change_is_a_line_beginning_with_what_is_there() {
    let registry = Registry::start();
    let client = registry.client();
    client.register("a", "A");

    let mut watch = registry.begin("watch", &[]);

    assert_eq!(next(&mut watch), ["registered", "a", "A", "a", "127.0.0.1:6110", "passing"]);
    client.register("b", "B");
    assert_eq!(next(&mut watch)[..2], ["registered", "b"]);
    client.register("b", "C");
    assert_eq!(next(&mut watch)[..3], ["changed", "b", "C"]);
    client.deregister("b");
    assert_eq!(next(&mut watch)[..2], ["deregistered", "b"]);
    watch.signal("INT");
    assert_eq!(watch.wait().code(), None, "Ctrl-C ends it");
}

#[test]
fn scripts_get_a_line_of_json_with_the_whole_service() {
    let registry = Registry::start();
    let client = registry.client();
    client.register("a", "A");
    let stored = client.get("a")["service"].clone();
    let mut watch = registry.begin("watch", &["--json"]);

    let registered = next_json(&mut watch);
    client.register("a", "B");
    let changed = next_json(&mut watch);

    assert_eq!((&registered["change"], &registered["service"]), (&"registered".into(), &stored));
    assert_eq!((&changed["change"], &changed["before"]), (&"changed".into(), &stored));
    assert_eq!(changed["service"]["metadata"]["type"], "B");
}

#[test]
fn a_watch_of_one_type_leaves_the_others_out() {
    let registry = Registry::start();
    let client = registry.client();
    let mut watch = registry.begin("watch", &["--service-type", "A"]);

    client.register("b", "B");
    client.register("a", "A");

    assert_eq!(next(&mut watch)[..2], ["registered", "a"]);
}

#[test]
fn a_watch_goes_on_with_the_next_registry() {
    let (place, registry) = Place::start();
    registry.client().register("a", "A");
    let mut watch = registry.begin("watch", &[]);
    assert_eq!(next(&mut watch)[..2], ["registered", "a"]);

    registry.kill();
    let registry = place.start_again();
    registry.client().register("b", "B");

    assert_eq!(next(&mut watch)[..2], ["registered", "b"]);
}

#[test]
fn a_registry_that_is_not_there_is_exit_code_3() {
    let (place, registry) = Place::start();
    let port = port_of(&place.endpoints().requests).to_string();
    registry.stop();

    let arguments = ["watch", "--req-port", &port, "--timeout", "0.3"];
    let finished = Launch::new().run(&arguments);
    let json = Launch::new().run(&[&arguments[..], &["--json"]].concat());

    finished.assert_code(3);
    assert!(finished.complaint().contains(&port), "{finished:?}");
    let reply: Value = serde_json::from_str(&json.assert_code(3).stdout).unwrap();
    assert_eq!(reply["code"], "not_reachable");
}
