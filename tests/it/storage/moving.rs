//! `service-registry export` and `import`: what a registry keeps goes from one database to another
//! as it was, and what cannot be done changes nothing.

use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use crate::support::{Launch, assert_success, ids, short_lived, singleton};

const FILE: &str = "lab.jsonl";

/// A database with two services, one of them heard long ago, in an order that is not that of their
/// ids, and a policy.
fn lab() -> Launch {
    let launch = Launch::new();
    let registry = launch.start();
    let client = registry.client();
    assert_success(&client.request(&singleton("z", "C")));
    assert_success(&client.request(&short_lived("a", "B", 3_600)));
    registry.stop();
    let database = Connection::open(launch.path("service_registry.db")).unwrap();
    database.execute("UPDATE services SET last_heartbeat = 1700000000 WHERE id = 'a'", []).unwrap();
    database.close().unwrap();
    launch
}

/// All rows of all tables, in their order.
#[track_caller]
fn rows(launch: &Launch) -> Vec<Vec<String>> {
    let database = Connection::open(launch.path("service_registry.db")).unwrap();
    let rows = |table: &str, columns: usize| -> Vec<Vec<String>> {
        let select = format!("SELECT * FROM {table} ORDER BY rowid");
        let mut statement = database.prepare(&select).unwrap();
        let row = statement.query_map([], |row| {
            (0..columns).map(|index| Ok(format!("{:?}", row.get_ref(index)?))).collect()
        });
        row.unwrap().map(Result::unwrap).collect()
    };
    [rows("services", 8), rows("policies", 2), rows("owners", 2)].concat()
}

#[track_caller]
fn export(launch: &Launch) -> String {
    launch.run(&["export", FILE, "--backend", "sqlite"]).assert_code(0);
    fs::read_to_string(launch.path(FILE)).unwrap()
}

#[test]
fn a_registry_is_the_same_after_it_was_moved() {
    let (from, to) = (lab(), Launch::new());
    let to = to.file(FILE, export(&from));

    let told = to.run(&["import", FILE, "--backend", "sqlite"]);

    told.assert_code(0);
    assert!(told.stdout.contains("2 services and 1 policy of lab.jsonl"), "{}", told.stdout);
    let moved = rows(&to);
    assert_eq!(moved, rows(&from));
    // Two services, a policy, and from where the two were registered.
    assert_eq!(moved.len(), 5);
    let registry = to.start();
    assert_eq!(ids(&registry.client().list()), ["z", "a"]);
}

#[test]
fn what_is_there_is_replaced_only_by_force() {
    let from = lab();
    let text = export(&from);
    let to = Launch::new().file(FILE, text);
    let registry = to.start();
    registry.client().register("old", "OLD");
    registry.stop();
    let before = rows(&to);

    let refused = to.run(&["import", FILE, "--json"]);

    refused.assert_code(1);
    let reply: Value = serde_json::from_str(&refused.stdout).unwrap();
    assert_eq!(reply["code"], "not_empty");
    assert!(reply["error"].as_str().unwrap().contains("(services: 1, policies: 0)"), "{reply}");
    assert_eq!(rows(&to), before);
    to.run(&["import", FILE, "--force"]).assert_code(0);
    assert_eq!(rows(&to), rows(&from));
}

#[test]
fn a_database_in_use_is_neither_read_nor_written() {
    let launch = lab();
    export(&launch);
    let registry = launch.start();

    for arguments in [["export", "new.jsonl"], ["import", FILE]] {
        let refused = launch.run(&arguments);

        refused.assert_code(1);
        assert!(refused.stderr.contains("is in use by another program"), "{}", refused.stderr);
    }
    assert!(!launch.path("new.jsonl").exists());
    assert_eq!(ids(&registry.client().list()), ["z", "a"]);
}

#[test]
fn a_file_with_a_mistake_imports_nothing() {
    let text = export(&lab());
    let wrong = text.replacen("\"ttl\":3600", "\"ttl\":0", 1);
    assert_ne!(wrong, text);
    let to = Launch::new().file(FILE, wrong);

    let refused = to.run(&["import", FILE, "--force"]);

    refused.assert_code(1);
    let expected = "lab.jsonl, line 3: service.ttl must be a whole number of seconds from 1";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    assert!(!to.path("service_registry.db").exists());
}

#[test]
fn a_file_is_overwritten_only_by_force() {
    let launch = lab().file(FILE, "mine");

    launch.run(&["export", FILE]).assert_code(1);
    assert_eq!(fs::read_to_string(launch.path(FILE)).unwrap(), "mine");

    launch.run(&["export", FILE, "--force"]).assert_code(0);
    assert!(fs::read_to_string(launch.path(FILE)).unwrap().starts_with("{\"format\":"));
    assert!(!launch.path("lab.jsonl.partial").exists());
}

#[test]
fn what_keeps_nothing_cannot_be_moved() {
    let refused = Launch::new().run(&["export", FILE, "--backend", "memory"]);

    refused.assert_code(2);
    assert!(refused.stderr.contains("keeps nothing"), "{}", refused.stderr);
}
