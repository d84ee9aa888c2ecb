//! `service-registry check`: what it finds, and that it changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Launch, assert_success, short_lived};

const FILE: &str = "service_registry.db";

fn files(launch: &Launch) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(launch.folder()).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// What the command says to a person and to a script, after checking that it changed nothing.
#[track_caller]
fn check(launch: &Launch, code: i32) -> (String, Value) {
    let before = files(launch);

    let told = launch.run(&["check", FILE]);
    let reply = launch.run(&["check", FILE, "--json"]);

    assert!(files(launch) == before, "checking changed the folder");
    told.assert_code(code);
    reply.assert_code(code);
    let reply = serde_json::from_str(&reply.stdout).expect("standard output is one JSON value");
    (told.stdout + &told.stderr, reply)
}

#[track_caller]
fn assert_tells(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

/// A database with two services, one of them too old to be passing, and a policy.
fn lab() -> Launch {
    let launch = Launch::new();
    let registry = launch.start();
    let client = registry.client();
    assert_success(&client.request(&short_lived("passing", "A", 3_600)));
    assert_success(&client.request(&short_lived("critical", "B", 3_600)));
    let mut singleton = short_lived("alone", "C", 3_600);
    singleton["service_info"]["singleton"] = json!(true);
    assert_success(&client.request(&singleton));
    registry.stop();
    let connection = Connection::open(launch.path(FILE)).unwrap();
    connection
        .execute("UPDATE services SET last_heartbeat = 1700000000 WHERE id = 'critical'", [])
        .unwrap();
    connection.close().unwrap();
    launch
}

#[test]
fn a_database_in_order_is_told_with_what_is_in_it() {
    let launch = lab();

    let (told, reply) = check(&launch, 0);

    let path = launch.path(FILE).canonicalize().unwrap();
    assert_tells(&told, &[path.to_str().unwrap(), "ok", "3 (2 passing, 1 critical)"]);
    assert_eq!(reply["success"], true);
    assert_eq!(reply["integrity"], "ok");
    assert_eq!((&reply["version"], &reply["latest_version"]), (&json!(2), &json!(2)));
    assert_eq!(reply["services"], json!({"total": 3, "passing": 2, "critical": 1}));
    assert_eq!(reply["policies"], 1);
    assert_eq!(reply["left_out"], json!([]));
}

#[test]
fn a_database_that_was_left_by_a_kill_is_told_with_its_log() {
    let launch = Launch::new();
    let registry = launch.start();
    registry.client().register("dev", "DEV");
    registry.kill();

    let (_, reply) = check(&launch, 0);

    assert_eq!(reply["services"]["total"], 1);
}

#[test]
fn a_row_that_cannot_be_served_is_told_with_its_fault() {
    let launch = lab();
    let connection = Connection::open(launch.path(FILE)).unwrap();
    connection.execute("UPDATE services SET port = 'ssh' WHERE id = 'passing'", []).unwrap();
    connection.close().unwrap();

    let (told, reply) = check(&launch, 0);

    let fault = "port must be a whole number from 0 to 65535";
    assert_tells(&told, &["\"passing\"", fault]);
    let row = json!({"table": "services", "row": "\"passing\"", "reason": fault});
    assert_eq!(reply["left_out"], json!([row]));
    assert_eq!(reply["services"]["total"], 2);
}

#[test]
fn what_no_registry_can_be_started_on_is_told_with_its_reason() {
    let damaged = lab();
    let mut bytes = fs::read(damaged.path(FILE)).unwrap();
    bytes[4_096..].fill(0xff);
    fs::write(damaged.path(FILE), bytes).unwrap();
    let newer = lab();
    let connection = Connection::open(newer.path(FILE)).unwrap();
    connection.pragma_update(None, "user_version", 1_000_000).unwrap();
    connection.close().unwrap();
    let text = Launch::new().file(FILE, "minutes of the meeting".repeat(100));

    for (launch, code, words) in [
        (damaged, "damaged", ["damaged", "restore"]),
        (newer, "newer_version", ["newer version", "1000000"]),
        (text, "no_registry_database", ["not a SQLite database", FILE]),
        (Launch::new(), "not_found", ["there is no file", FILE]),
    ] {
        let (told, reply) = check(&launch, 1);

        assert_tells(&told, &words);
        assert_eq!(reply["success"], false);
        assert_eq!(reply["code"], code, "{reply}");
    }
}

/// A backup that was cut off long ago, or a name that something else made, must not pass for one.
#[test]
fn an_empty_file_is_told_apart_from_a_database_in_order() {
    let empty = Launch::new().file(FILE, "");
    let without_tables = Launch::new();
    let connection = Connection::open(without_tables.path(FILE)).unwrap();
    connection.execute_batch("CREATE TABLE x (y); DROP TABLE x").unwrap();
    connection.close().unwrap();

    for launch in [empty, without_tables] {
        let (told, reply) = check(&launch, 1);

        assert_tells(&told, &[FILE, "is empty", "no registry has used it yet"]);
        assert_eq!((&reply["success"], &reply["code"]), (&json!(false), &json!("empty")));
        let registry = launch.start();
        registry.stop();
        let (_, reply) = check(&launch, 0);
        assert_eq!(reply["services"]["total"], 0);
    }
}

#[test]
fn a_database_in_use_is_told_with_what_to_do_and_its_registry_goes_on() {
    let launch = Launch::new();
    let registry = launch.start();
    registry.client().register("dev", "DEV");

    let finished = launch.run(&["check", FILE]);
    let reply = launch.run(&["check", FILE, "--json"]);

    finished.assert_code(1);
    assert_tells(finished.complaint(), &["in use", "stop", "service-registry backup"]);
    let reply: Value = serde_json::from_str(&reply.stdout).unwrap();
    assert_eq!(reply["code"], "in_use");
    registry.client().register("other", "OTHER");
    registry.stop();
    let (_, reply) = check(&launch, 0);
    assert_eq!(reply["services"]["total"], 2);
}
