//! Files that the Python registry or an earlier version wrote, under the real binary: served, and
//! kept as they were.

use std::fs;

use rusqlite::Connection;
use serde_json::json;

use crate::support::{Launch, assert_refused, assert_success, ids, registration};

const FILE: &str = "service_registry.db";
const COPY: &str = "service_registry.db.before-version-2";

/// A folder with a file as the Python registry leaves it, with so many services.
fn launch_with_python_file(services: u32) -> Launch {
    let launch = Launch::new();
    let mut connection = Connection::open(launch.path(FILE)).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE IF NOT EXISTS services (
                 id TEXT PRIMARY KEY, name TEXT NOT NULL, host TEXT NOT NULL,
                 port INTEGER NOT NULL, metadata TEXT, ttl INTEGER NOT NULL,
                 last_heartbeat INTEGER NOT NULL, tags TEXT)",
        )
        .unwrap();
    let transaction = connection.transaction().unwrap();
    for number in 0..services {
        let values = (format!("dev-{number}"), r#"{"note": "a lab"}"#, "[]");
        transaction
            .execute(
                "INSERT INTO services VALUES (?1, 'n', 'h', 1, ?2, 3600, 1700000000, ?3)",
                values,
            )
            .unwrap();
    }
    transaction.commit().unwrap();
    connection.close().unwrap();
    launch
}

fn user_version(launch: &Launch, name: &str) -> i32 {
    let connection = Connection::open(launch.path(name)).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn a_file_of_the_python_registry_is_served_and_a_copy_of_it_kept() {
    let launch = launch_with_python_file(20);

    let registry = launch.start();
    let client = registry.client();
    client.register("new", "NEW");
    assert_eq!(ids(&client.list()).len(), 21);
    registry.wait_for_line(COPY);
    registry.stop();

    assert_eq!((user_version(&launch, FILE), user_version(&launch, COPY)), (2, 0));
    let restored = Launch::new();
    fs::copy(launch.path(COPY), restored.path(FILE)).unwrap();
    assert_eq!(ids(&restored.start().client().list()).len(), 20);
}

#[test]
fn a_file_whose_copy_does_not_fit_on_the_disk_is_refused_and_left_alone() {
    let launch = launch_with_python_file(2_000);
    let before = fs::read(launch.path(FILE)).unwrap();
    let blocks = u32::try_from(before.len() / 512 / 2).unwrap();

    let finished = launch.clone().file_size_limit(blocks).start_in_vain();

    finished.assert_code(1);
    let complaint = finished.complaint();
    for word in [FILE, "older version", "no copy of it could be kept", "disk"] {
        assert!(complaint.contains(word), "{word:?} is not in {complaint:?}");
    }
    assert!(fs::read(launch.path(FILE)).unwrap() == before, "the file has changed");
    let names: Vec<_> =
        fs::read_dir(launch.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [FILE]);
    assert_eq!(ids(&launch.start().client().list()).len(), 2_000);
}

#[test]
fn a_file_of_the_first_release_is_served_with_its_services_policies_and_owners() {
    let launch = Launch::new();
    let connection = Connection::open(launch.path(FILE)).unwrap();
    connection.execute_batch(include_str!("first_release.sql")).unwrap();
    connection.close().unwrap();

    let options = launch.clone().switch("--allow-duplicate-service-types");
    let registry = options.flag("--ownership", "host").start();

    let client = registry.client();
    let list = client.list();
    assert_eq!(ids(&list), ["psu-1", "cam-1", "chopper-1"]);
    let camera = &list["services"][1];
    assert_eq!((&camera["host"], &camera["port"]), (&json!("192.168.7.22"), &json!(40_124)));
    assert_eq!((&camera["ttl"], &camera["tags"]), (&json!(30), &json!(["CAMERA"])));
    assert_success(&client.renew("cam-1"));
    assert_refused(&client.deregister("cam-1"), "not_owner", &["Not allowed"]);
    assert_success(&client.request(&registration("psu-2", "PSU")));
    let singleton = client.request(&registration("psu-1", "PSU"));
    assert_refused(&singleton, "duplicate_service_type", &[]);
}

#[test]
fn policies_outlive_a_start_on_a_file_that_had_no_place_for_them() {
    let launch = launch_with_python_file(0);
    let registry = launch.start();
    let mut singleton = registration("alone", "ALONE");
    singleton["service_info"]["singleton"] = json!(true);
    assert_success(&registry.client().request(&singleton));

    registry.kill();
    let registry = launch.switch("--allow-duplicate-service-types").start();

    let another = registry.client().request(&registration("another", "ALONE"));
    assert_success(&another);
    let again = registry.client().request(&registration("alone", "ALONE"));
    assert_refused(&again, "duplicate_service_type", &[]);
}
