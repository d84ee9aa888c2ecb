//! A disk that becomes read only while the registry runs, as a kernel makes one of a file system
//! in trouble, and a folder that vanishes: refused with the reason, and stored again afterwards.

use std::fs;

use serde_json::Value;

use crate::support::{
    Calls, Client, Fate, FaultyDisk, HeartbeatClient, Launch, assert_refused, assert_success, ids,
    registration,
};

const FOLDER: &str = "lab";
const FILE: &str = "lab/service_registry.db";

/// A registry whose database is in a folder of its own, on a disk that is good at first.
fn launch() -> (FaultyDisk, Launch) {
    let launch = Launch::new().flag("--db-path", FILE);
    fs::create_dir(launch.path(FOLDER)).unwrap();
    FaultyDisk::under(launch)
}

#[track_caller]
fn assert_not_stored(reply: &Value, reason: &str) {
    assert_refused(reply, "storage_failed", &[]);
    let message = reply["message"].as_str().unwrap_or_default();
    for word in [FILE, reason] {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
}

/// What is there stays, and everything but storing goes on.
#[track_caller]
fn assert_only_storing_fails(client: &Client, heart: &HeartbeatClient, reason: &str) {
    for _ in 0..3 {
        assert_not_stored(&client.request(&registration("new", "NEW")), reason);
        assert_not_stored(&client.deregister("dev"), reason);
        assert_success(&client.discover("DEV"));
        assert_success(&heart.renew("dev"));
        assert_eq!(ids(&client.list()), ["dev"]);
    }
}

#[test]
fn a_disk_that_becomes_read_only_is_told_by_its_reason_until_it_can_be_written_again() {
    let (disk, launch) = launch();
    let registry = launch.start();
    let (client, heart) = (registry.client(), registry.heartbeat_client());
    client.register("dev", "DEV");

    disk.goes_wrong(Calls::AllAndOpening, 1..=u64::MAX, Fate::IsReadOnly);
    assert_only_storing_fails(&client, &heart, "Read-only file system");
    let backup = registry.run(&["backup", "backup.db"]);
    disk.is_mended();
    client.register("after", "AFTER");
    registry.kill();

    backup.assert_code(1);
    assert!(backup.complaint().contains("Read-only file system"), "{backup:?}");
    assert!(!launch.path("backup.db").exists());
    let registry = launch.start();
    assert_eq!(ids(&registry.client().list()), ["dev", "after"]);
}

#[test]
fn a_folder_that_vanishes_is_told_until_it_is_back() {
    let (_disk, launch) = launch();
    let registry = launch.start();
    let (client, heart) = (registry.client(), registry.heartbeat_client());
    client.register("dev", "DEV");

    fs::rename(launch.path(FOLDER), launch.path("elsewhere")).unwrap();
    assert_only_storing_fails(&client, &heart, "moved, deleted or replaced");
    registry.run(&["backup", "saved.db"]).assert_code(0);
    fs::rename(launch.path("elsewhere"), launch.path(FOLDER)).unwrap();
    client.register("after", "AFTER");
    registry.kill();

    let registry = launch.start();
    assert_eq!(ids(&registry.client().list()), ["dev", "after"]);
    let saved = Launch::new().flag("--db-path", launch.path("saved.db").to_str().unwrap()).start();
    assert_eq!(ids(&saved.client().list()), ["dev"]);
}

#[test]
fn a_folder_that_is_deleted_leaves_what_the_registry_holds_to_be_saved() {
    let (_disk, launch) = launch();
    let registry = launch.start();
    let (client, heart) = (registry.client(), registry.heartbeat_client());
    client.register("dev", "DEV");

    fs::remove_dir_all(launch.path(FOLDER)).unwrap();
    assert_only_storing_fails(&client, &heart, "service-registry backup");
    fs::create_dir(launch.path(FOLDER)).unwrap();
    let in_place = registry.run(&["backup", FILE]);
    let finished = registry.run(&["stop"]);
    finished.assert_code(0);
    registry.wait().assert_code(1);

    in_place.assert_code(1);
    assert!(in_place.complaint().contains("belongs to the database"), "{in_place:?}");
}
