//! `register`: a one-off registration from a script.

use serde_json::{Value, json};

use crate::support::{Launch, Registry};

#[test]
fn what_is_said_of_a_service_is_registered() {
    let registry = Registry::start();

    let finished = registry.run(&[
        "register",
        "--name",
        "Power Supply",
        "--host",
        "10.0.0.7",
        "--port",
        "6110",
        "--type",
        "PSU",
        "--id",
        "psu-1",
        "--ttl",
        "3600",
        "--metadata",
        "volts=24.5",
        "--metadata",
        "place=lab 7",
        "--tag",
        "a",
        "--tag",
        "b",
    ]);

    finished.assert_code(0);
    assert_eq!(finished.stdout, "registered psu-1 for 3600 s\n");
    let service = registry.client().get("psu-1")["service"].clone();
    assert_eq!(service["name"], "Power Supply");
    assert_eq!((&service["host"], &service["port"]), (&json!("10.0.0.7"), &json!(6110)));
    assert_eq!(service["metadata"].to_string(), r#"{"volts":24.5,"place":"lab 7","type":"PSU"}"#);
    assert_eq!(service["tags"], json!(["a", "b", "PSU"]));
    assert_eq!(service["ttl"], 3_600);
}

#[test]
fn scripts_get_the_id_that_the_registry_made() {
    let registry = Registry::start();

    let finished = registry.run(&["register", "--json", "--name", "My Camera", "--port", "6110"]);

    let reply: Value = serde_json::from_str(&finished.assert_code(0).stdout).unwrap();
    let id = reply["service_id"].as_str().unwrap();
    assert!(id.starts_with("my-camera-"), "{id}");
    assert!(registry.client().get(id)["success"] == true);
}

#[test]
fn a_service_that_only_its_own_host_can_reach_is_warned_of_unless_that_was_asked_for() {
    let registry = Registry::start();
    let said = ["register", "--name", "a", "--id", "a", "--port", "1"];

    let chosen = registry.run(&said);
    let address = registry.client().get("a")["service"]["host"].clone();
    let wanted = registry.run(&[&said[..], &["--host", "127.0.0.1"]].concat());

    // The registry is on this host, which reaches it from there.
    assert_eq!(address, "127.0.0.1");
    chosen.assert_code(0);
    assert!(chosen.complaint().contains("127.0.0.1"), "{chosen:?}");
    assert_eq!(wanted.assert_code(0).stderr, "");
}

#[test]
fn a_type_that_is_taken_is_refused_unless_it_may_be_shared() {
    let registry = Registry::start();
    registry.client().register("other", "PSU");
    let said = ["register", "--name", "a", "--port", "1", "--type", "PSU"];

    let finished = registry.run(&said);

    finished.assert_code(1);
    assert!(finished.complaint().contains("other"), "{finished:?}");
    registry.run(&[&said[..], &["--singleton"]].concat()).assert_code(1);
    registry.run(&[&said[..], &["--allow-duplicate-service-type"]].concat()).assert_code(0);
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    let launch = Launch::new();
    let said = ["register", "--name", "a", "--port", "1"];

    launch.run(&["register", "--name", "a"]).assert_code(2);
    for wrong in [
        &["--metadata", "volts"] as &[&str],
        &["--port", "65536"],
        &["--host", "tcp://lab"],
        &["--type", ""],
        &["--singleton", "--allow-duplicate-service-type"],
    ] {
        launch.run(&[&said[..], wrong].concat()).assert_code(2);
    }
}

#[test]
fn wrong_usage_is_told_with_what_is_right_and_where_to_read_on() {
    let launch = Launch::new();

    for (arguments, words) in [
        (&["register", "--port", "1"] as &[&str], ["--name", "`service-registry register --help`"]),
        (&["register", "--name", "a", "--port", "70000"], ["from 1 to 65535", "register --help`"]),
        (&["register", "--name", "a", "--port", "0"], ["from 1 to 65535", "register --help`"]),
        (&["register", "--name", "a", "--ttl", "1.5"], ["whole number of seconds", "register"]),
        (&["run", "--prot", "1", "--", "get"], ["--prot", "`service-registry run --help`"]),
        (&["registre", "--help"], ["registre", "`service-registry --help`"]),
    ] {
        let finished = launch.run(arguments);

        finished.assert_code(if arguments[0] == "run" { 64 } else { 2 });
        for word in words {
            assert!(finished.stderr.contains(word), "{arguments:?}: {}", finished.stderr);
        }
    }
}
