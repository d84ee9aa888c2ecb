//! Backups of a running registry: what is in them, and where none is made.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{
    Client, DEADLINE, Finished, Launch, Place, Registry, Transcript, TrueInTheEnd, assert_refused,
    assert_success, ids, port_of, wait_until,
};

const CLIENTS: usize = 4;

/// A folder in which a backup is the database of the next registry.
fn launch_on(backup: &Path) -> Launch {
    Launch::new().flag("--db-path", backup.to_str().unwrap())
}

/// What is said of a backup that was not made, on standard error, with exit code 1.
#[track_caller]
fn refusal(registry: &Registry, arguments: &[&str]) -> String {
    let finished = registry.run(&[&["backup"], arguments].concat());
    finished.assert_code(1);
    assert_eq!(finished.stdout, "");
    finished.complaint().to_owned()
}

/// How many services of each client are in a backup, which must be the first that it registered.
#[track_caller]
fn prefixes(list: &Value) -> HashMap<usize, usize> {
    let mut prefixes = HashMap::new();
    for id in ids(list) {
        let (client, number) = id.split_once('-').unwrap();
        let (client, number): (usize, usize) = (client.parse().unwrap(), number.parse().unwrap());
        let length = prefixes.entry(client).or_insert(0);
        assert_eq!(number, *length, "client {client} has a hole");
        *length += 1;
    }
    prefixes
}

#[test]
fn a_backup_among_registrations_holds_all_that_was_acknowledged_before_and_no_holes() {
    let registry = Launch::new().start();
    let acknowledged: [AtomicUsize; CLIENTS] = Default::default();
    let enough = AtomicBool::new(false);
    let numbers = || acknowledged.each_ref().map(|number| number.load(Ordering::SeqCst));
    let endpoint = &registry.endpoints().requests;

    let backups = thread::scope(|scope| {
        for (client, acknowledged) in acknowledged.iter().enumerate() {
            let enough = &enough;
            scope.spawn(move || {
                let connection = Client::connect(endpoint, &Transcript::default());
                while !enough.load(Ordering::SeqCst) {
                    let number = acknowledged.load(Ordering::SeqCst);
                    connection.register(&format!("{client}-{number}"), "");
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let _enough = TrueInTheEnd(&enough);
        (0..5)
            .map(|number| {
                let name = format!("backup-{number}.db");
                let before = numbers();
                wait_until("all clients go on", || {
                    numbers().iter().zip(&before).all(|(now, before)| now > before)
                });
                let before = numbers();
                let finished = registry.run(&["backup", &name]);
                let after = numbers();
                (name, finished, before, after)
            })
            .collect::<Vec<_>>()
    });

    for (name, finished, before, after) in backups {
        finished.assert_code(0);
        registry.launch().run(&["check", &name]).assert_code(0);
        let path = registry.launch().path(&name);
        let restored = launch_on(&path).start();
        let kept = prefixes(&restored.client().list());
        for client in 0..CLIENTS {
            let kept = kept.get(&client).copied().unwrap_or_default();
            // One more may be stored than is acknowledged.
            assert!((before[client]..=after[client] + 1).contains(&kept), "{name}: {kept}");
        }
        assert_success(&restored.client().get("0-0"));
        restored.client().register("new", "NEW");
    }
}

#[test]
fn a_path_starts_where_the_command_is_given_and_not_where_the_registry_runs() {
    let registry = Registry::start();
    registry.client().register("dev", "DEV");
    let elsewhere = Launch::new();
    let port = port_of(&registry.endpoints().requests).to_string();

    let finished = elsewhere.run(&["backup", "backup.db", "--json", "--req-port", port.as_str()]);

    finished.assert_code(0);
    let reply: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(reply["success"], true);
    assert_eq!(reply["destination"], elsewhere.path("backup.db").to_str().unwrap());
    assert!(!registry.launch().path("backup.db").exists());
    let restored = launch_on(&elsewhere.path("backup.db")).start();
    assert_success(&restored.client().discover("DEV"));
}

#[test]
fn a_backup_that_is_there_is_overwritten_with_force_alone() {
    let registry = Registry::start();
    registry.run(&["backup", "backup.db"]).assert_code(0);
    let path = registry.launch().path("backup.db");
    let before = fs::read(&path).unwrap();
    registry.client().register("dev", "DEV");

    let refused = refusal(&registry, &["backup.db"]);
    let afterwards = fs::read(&path).unwrap();
    registry.run(&["backup", "backup.db", "--force"]).assert_code(0);

    assert!(refused.contains("backup.db exists already"), "{refused}");
    assert!(refused.contains("--force"), "{refused}");
    assert!(afterwards == before, "the refusal changed the backup");
    assert_success(&launch_on(&path).start().client().get("dev"));
}

/// Any program on the host may ask for a backup, with whatever destination.
#[test]
fn no_file_is_overwritten_that_is_no_registrys() {
    let registry = Registry::start();
    let launch = registry.launch().clone();
    let notes = Connection::open(launch.path("notes.db")).unwrap();
    notes.execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')").unwrap();
    notes.close().unwrap();
    let launch = launch.file("minutes.txt", "minutes of the meeting".repeat(100)).file("1", "x");

    for (name, word) in [
        ("minutes.txt", "not a SQLite database"),
        ("1", "not a SQLite database"),
        ("notes.db", "another database (it has no table services)"),
    ] {
        let before = fs::read(launch.path(name)).unwrap();

        let refused = refusal(&registry, &[name, "--force"]);

        assert!(refused.contains(&format!("{name} is not overwritten")), "{refused}");
        assert!(refused.contains(word), "{refused}");
        assert!(refused.contains("delete the file first"), "{refused}");
        assert!(fs::read(launch.path(name)).unwrap() == before, "{name} has changed");
    }
}

#[test]
fn an_empty_file_takes_a_backup() {
    let registry = Registry::start();
    registry.client().register("dev", "DEV");
    let launch = registry.launch().clone().file("backup.db", "");

    registry.run(&["backup", "backup.db", "--force"]).assert_code(0);

    assert_success(&launch_on(&launch.path("backup.db")).start().client().get("dev"));
}

#[test]
fn no_backup_is_made_over_the_database_itself_nor_where_none_can_be() {
    let registry = Registry::start();
    registry.client().register("dev", "DEV");
    fs::create_dir(registry.launch().path("folder")).unwrap();

    for (destination, word) in [
        ("service_registry.db", "belongs to the database"),
        ("service_registry.db-wal", "belongs to the database"),
        ("folder", "not a regular file"),
        ("missing/backup.db", "cannot be written"),
        ("/proc/backup.db", "cannot be written"),
    ] {
        let refused = refusal(&registry, &[destination, "--force"]);
        assert!(refused.contains(word), "{refused}");
    }

    registry.client().register("other", "OTHER");
    let launch = registry.launch().clone();
    registry.stop();
    assert_eq!(ids(&launch.start().client().list()), ["dev", "other"]);
}

#[test]
fn the_log_tells_of_a_backup_that_was_not_made_as_a_person_would_write_it() {
    let registry = Registry::start();

    refusal(&registry, &["somebody's/\u{1b}backup.db"]);

    let line = registry.wait_for_line("no backup: ");
    assert!(line.contains(r"somebody's/\u{1b}backup.db") && !line.contains('\u{1b}'), "{line}");
}

#[test]
fn a_registry_that_keeps_nothing_says_so() {
    let registry = Launch::new().flag("--backend", "memory").start();

    let refused = refusal(&registry, &["backup.db"]);
    let finished = registry.run(&["backup", "backup.db", "--json"]);

    assert!(refused.contains("memory backend"), "{refused}");
    finished.assert_code(1);
    let reply: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(reply["code"], "backup_failed");
    assert!(!registry.launch().path("backup.db").exists());
}

#[test]
fn a_backup_is_answered_in_its_turn_and_holds_the_writes_before_it() {
    let registry = Registry::start();
    let client = registry.client();
    let backup = registry.launch().path("backup.db");

    client.send(&crate::support::registration("dev", "DEV"));
    client.send(&json!({"action": "backup", "destination": backup, "request_id": "b"}));
    client.send(&json!({"action": "get", "service_id": "dev"}));

    assert_eq!(client.receive()["service_id"], "dev");
    let reply = client.receive();
    assert_success(&reply);
    assert_eq!(reply["request_id"], "b");
    assert_eq!(client.receive()["service"]["id"], "dev");
    assert_success(&launch_on(&backup).start().client().get("dev"));
}

/// A registry in a container, or with a /tmp of its own, that says that it has made a backup:
/// what comes of `service-registry backup` with these arguments.
#[track_caller]
fn told_by_one_that_sees_other_folders(launch: &Launch, arguments: &[&str]) -> Finished {
    let socket = zmq::Context::new().socket(zmq::ROUTER).unwrap();
    socket.set_linger(0).unwrap();
    socket.set_rcvtimeo(i32::try_from(DEADLINE.as_millis()).unwrap()).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let port = port_of(&socket.get_last_endpoint().unwrap().unwrap()).to_string();
    let stub = thread::spawn(move || {
        for action in ["health", "backup"] {
            let mut parts = socket.recv_multipart(0).unwrap();
            let question: Value = serde_json::from_slice(&parts.pop().unwrap()).unwrap();
            assert_eq!(question["action"], action);
            let reply = json!({
                "success": true, "destination": question["destination"],
                "request_id": question["request_id"],
            });
            let body = reply.to_string().into_bytes();
            socket.send_multipart([parts.remove(0), b"RESPONSE".to_vec(), body], 0).unwrap();
        }
        socket
    });
    let finished = launch.run(&[&["backup", "--req-port", &port], arguments].concat());
    // The socket is closed when its answer was read.
    drop(stub.join().unwrap());
    finished
}

#[test]
fn a_backup_that_is_not_where_it_was_asked_for_is_none() {
    let launch = Launch::new().file("yesterday.db", "");

    let missing = told_by_one_that_sees_other_folders(&launch, &["new.db"]);
    let old = told_by_one_that_sees_other_folders(&launch, &["yesterday.db", "--force"]);
    let told = told_by_one_that_sees_other_folders(&launch, &["new.db", "--json"]);

    for (finished, name) in [(missing, "new.db"), (old, "yesterday.db")] {
        finished.assert_code(1);
        let complaint = finished.complaint();
        assert!(complaint.contains(&format!("{name}, and there is no such copy")), "{complaint}");
        assert!(complaint.contains("/var/lib/service-registry"), "{complaint}");
    }
    let reply: Value = serde_json::from_str(&told.assert_code(1).stdout).unwrap();
    assert_eq!((&reply["success"], &reply["code"]), (&json!(false), &json!("copy_elsewhere")));
}

#[test]
fn that_nobody_is_there_is_told_before_a_backup_would_be_over() {
    let (place, registry) = Place::start();
    let port = port_of(&place.endpoints().requests).to_string();
    let stopped = registry.stop();

    let finished = Launch::new().run(&["backup", "backup.db", "--req-port", &port]);

    finished.assert_code(3);
    assert!(finished.complaint().contains("within 2 s"), "{finished:?}, {stopped:?}");
}

#[test]
fn a_destination_must_be_an_absolute_path() {
    let registry = Registry::start();
    let client = registry.client();

    let reply = client.request(&json!({"action": "backup", "destination": "backup.db"}));

    assert_refused(&reply, "invalid_field", &["destination", "absolute path"]);
    assert!(!registry.launch().path("backup.db").exists());
}
