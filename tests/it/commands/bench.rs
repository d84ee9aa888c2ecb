//! The command that loads a registry: what it counts, what it leaves behind, and whom it spares.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    Finished, Launch, Process, Registry, assert_success, ids, registration, wait_until,
    whole_number,
};

const ALL: &str = "register,renew,get,discover,list,health,info,heartbeat,deregister";

#[track_caller]
fn json_of(finished: &Finished) -> Value {
    assert_eq!(finished.stderr, "");
    serde_json::from_str(&finished.stdout).expect("standard output is one JSON value")
}

/// Runs `bench` and returns its results.
#[track_caller]
fn results(registry: &Registry, arguments: &[&str]) -> Vec<Value> {
    let finished = registry.run(&[&["bench", "--json"], arguments].concat());
    let report = json_of(finished.assert_code(0));
    assert_eq!(report["success"], true);
    report["results"].as_array().expect("there are results").clone()
}

/// The number of services, once there are more than `more_than`.
#[track_caller]
fn wait_for_services(registry: &Registry, more_than: usize) {
    let client = registry.client();
    wait_until("services come", || ids(&client.list()).len() > more_than);
}

/// A load that does not end by itself, once its services are there.
#[track_caller]
fn endless_load(registry: &Registry, arguments: &[&str]) -> Process {
    let endless = ["--seconds", "3600", "--services", "10", "--actions", "get,deregister"];
    let process = registry.begin("bench", &[&endless, arguments].concat());
    wait_for_services(registry, 9);
    process
}

#[track_caller]
fn assert_empty(registry: &Registry) {
    assert_eq!(registry.client().list()["services"], json!([]));
}

#[test]
fn every_action_is_answered_and_counted() {
    let registry = Registry::start();

    let results = results(
        &registry,
        &["--actions", ALL, "--seconds", "1", "--warm-up", "0", "--in-flight", "4"],
    );

    let measured: Vec<(&str, &str)> = results
        .iter()
        .map(|result| (result["measurement"].as_str().unwrap(), result["action"].as_str().unwrap()))
        .collect();
    let mut expected: Vec<(&str, &str)> = ALL.split(',').map(|action| (action, action)).collect();
    expected.insert(expected.len() - 1, ("deregister", "register"));
    assert_eq!(measured, expected);
    for result in &results {
        assert_eq!((&result["errors"], &result["first_error"]), (&json!(0), &Value::Null));
        assert_eq!(result["unsent"], 0);
        let (count, done) = (whole_number(&result["count"]), whole_number(&result["done"]));
        // What was under way at the end was answered, and not in time.
        assert!(count > 0 && done <= count && count <= done + 8 * 4, "{result}");
        let rate = done as f64 / result["seconds"].as_f64().unwrap();
        assert!((result["rate"].as_f64().unwrap() - rate).abs() < 1.0, "{result}");
        let latencies = ["p50_us", "p90_us", "p99_us", "p99_9_us", "max_us"];
        let latencies = latencies.map(|key| result[key].as_f64().unwrap());
        assert!(latencies[0] > 0.0 && latencies.is_sorted(), "{result}");
    }
    let size = |action: &str, key: &str| {
        let of_action = |result: &&Value| result["measurement"] == action;
        whole_number(&results.iter().find(of_action).unwrap()[key])
    };
    assert!((240..=280).contains(&size("register", "request_bytes")));
    assert!(size("list", "reply_bytes") > 100 * size("get", "reply_bytes") / 2);
    assert_empty(&registry);
}

#[test]
fn at_a_fixed_rate_each_request_that_is_due_is_counted() {
    let registry = Registry::start();

    let results = results(
        &registry,
        &[
            "--actions",
            "discover=4,renew=1",
            "--rate",
            "200",
            "--seconds",
            "0.5",
            "--in-flight",
            "32",
        ],
    );

    let counts: BTreeMap<&str, u64> = results
        .iter()
        .map(|result| (result["action"].as_str().unwrap(), whole_number(&result["count"])))
        .collect();
    assert_eq!(counts, BTreeMap::from([("discover", 80), ("renew", 20)]));
    assert!(results.iter().all(|result| result["measurement"] == "discover=4,renew=1"));
    assert!(results.iter().all(|result| result["errors"] == 0));
}

#[test]
fn people_get_a_table() {
    let registry = Registry::start();

    let finished = registry.run(&["bench", "--actions", "get,deregister", "--seconds", "1"]);

    finished.assert_code(0);
    assert_eq!(finished.stderr, "", "nobody watches, so no progress is shown");
    let lines: Vec<&str> = finished.stdout.lines().collect();
    assert!(lines[0].contains("8 clients") && lines[0].contains("100 services"), "{lines:?}");
    let cells = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>();
    let headings = ["ACTION", "RATE/S", "P50", "P90", "P99", "P99.9", "MAX", "ERRORS"];
    assert_eq!(cells(2), headings);
    assert_eq!(cells(3)[0], "get");
    assert_eq!(cells(4)[..3], ["register", "(to", "deregister)"]);
    assert_eq!(cells(5)[0], "deregister");
    assert!((3..6).all(|line| lines[line].ends_with(" 0")), "{lines:?}");
}

#[test]
fn a_registry_with_services_of_others_is_loaded_only_when_that_is_wanted() {
    let registry = Registry::start();
    registry.client().register("psu-1", "PSU");
    let load = ["bench", "--actions", "get", "--seconds", "0.2"];

    let refused = registry.run(&load);
    let refused_json = registry.run(&[&load[..], &["--json"]].concat());
    let allowed = registry.run(&[&load[..], &["--allow-foreign"]].concat());

    refused.assert_code(1);
    assert!(refused.complaint().contains("psu-1"), "{:?}", refused.stderr);
    assert_eq!(refused.stdout, "");
    assert_eq!(json_of(refused_json.assert_code(1))["code"], "foreign_services");
    allowed.assert_code(0);
    assert_eq!(ids(&registry.client().list()), ["psu-1"]);
}

#[test]
fn services_that_another_load_left_behind_are_no_reason_to_refuse() {
    let registry = Registry::start();
    let mut left_behind = registration("bench-a1b2c3-0000000", "BENCH-A1B2C3-0000000");
    left_behind["ttl"] = json!(3_600);
    assert_success(&registry.client().request(&left_behind));

    registry.run(&["bench", "--actions", "get", "--seconds", "0.2"]).assert_code(0);

    assert_eq!(ids(&registry.client().list()), ["bench-a1b2c3-0000000"]);
}

#[test]
fn ctrl_c_ends_a_load_and_takes_its_services_out() {
    for signal in ["INT", "TERM"] {
        let registry = Registry::start();
        let load = endless_load(&registry, &["--json", "--warm-up", "0"]);

        load.signal(signal);
        let finished = load.wait();

        finished.assert_code(130);
        assert_eq!(json_of(&finished)["interrupted"], true);
        assert_empty(&registry);
    }
}

#[test]
fn a_registry_that_goes_away_under_load_is_told_with_exit_code_3() {
    let registry = Registry::start();
    let load = endless_load(&registry, &["--timeout", "2"]);

    let endpoint = registry.endpoints().requests.replace("127.0.0.1", "localhost");
    registry.kill();
    let finished = load.wait();

    finished.assert_code(3);
    assert!(finished.complaint().contains(&endpoint), "{:?}", finished.stderr);
    assert_eq!(finished.stdout, "");
}

#[test]
fn refusals_are_counted_and_the_first_is_shown() {
    let registry = Registry::start();
    let load = endless_load(&registry, &["--json", "--warm-up", "0"]);
    for id in ids(&registry.client().list()) {
        registry.client().request(&json!({"action": "deregister", "service_id": id}));
    }

    load.signal("INT");
    let finished = load.wait();

    let report = json_of(finished.assert_code(130));
    let get = &report["results"][0];
    assert_eq!(get["action"], "get");
    // The last of them were refused for certain: the load ended after they were gone.
    assert!(whole_number(&get["errors"]) > 0, "{get}");
    assert_eq!(get["first_error"]["code"], "service_not_found");
    assert!(whole_number(&get["done"]) < whole_number(&get["count"]), "{get}");
    assert_empty(&registry);
}

#[test]
fn what_cannot_be_meant_is_wrong_usage() {
    let launch = Launch::new();

    for arguments in [
        &["--actions", "terminate"] as &[&str],
        &["--actions", "get=1,renew"],
        &["--actions", "get", "--services", "0"],
        &["--clients", "0"],
        &["--in-flight", "0"],
        &["--rate", "0"],
        &["--seconds", "0"],
        &["--services", "10000000"],
    ] {
        let finished = launch.run(&[&["bench"], arguments].concat());

        finished.assert_code(2);
        assert!(!finished.stderr.is_empty(), "{arguments:?} is told what is wrong");
    }
}
