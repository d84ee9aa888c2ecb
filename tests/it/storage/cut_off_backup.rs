//! A registry that is killed while it writes a backup: what it leaves is removed by the next
//! backup to the same destination, and what another registry is still writing is not.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::{
    Calls, Client, Fate, FaultyDisk, Launch, Registry, assert_refused, assert_success, ids,
};

const BACKUP: &str = "backup.db";

/// A registry that stands still in the middle of a backup that the client has asked for.
#[track_caller]
fn in_the_middle_of_a_backup() -> (FaultyDisk, Registry, Client) {
    let (disk, launch) = FaultyDisk::under(Launch::new());
    let registry = launch.start();
    let client = registry.client();
    client.register("dev", "DEV");
    disk.goes_wrong(Calls::All, 2..=2, Fate::Stalls);
    client.send(&json!({"action": "backup", "destination": launch.path(BACKUP)}));
    assert!(disk.waits_for_stall(|| false));
    (disk, registry, client)
}

fn partial_files(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().starts_with("backup.db.partial-")).count()
}

#[test]
fn what_a_kill_leaves_of_a_backup_is_removed_by_the_next_one() {
    let (disk, registry, _client) = in_the_middle_of_a_backup();
    let launch = registry.launch().clone();
    registry.kill();
    disk.is_mended();
    assert_eq!(partial_files(launch.folder()), 1, "the kill came in the middle");
    assert!(!launch.path(BACKUP).exists());

    let registry = launch.start();
    assert_eq!(partial_files(launch.folder()), 1, "nobody has asked for a backup yet");
    registry.run(&["backup", BACKUP]).assert_code(0);

    assert_eq!(partial_files(launch.folder()), 0);
    let restored = launch.path(BACKUP);
    let restored = Launch::new().flag("--db-path", restored.to_str().unwrap()).start();
    assert_eq!(ids(&restored.client().list()), ["dev"]);
}

#[test]
fn what_another_registry_is_writing_is_left_to_it() {
    let (disk, slow, client) = in_the_middle_of_a_backup();
    let destination = slow.launch().path(BACKUP);
    let quick = Registry::start();
    quick.client().register("quick", "QUICK");

    quick.run(&["backup", destination.to_str().unwrap()]).assert_code(0);

    assert_eq!(partial_files(slow.launch().folder()), 1);
    disk.is_mended();
    assert_refused(&client.receive(), "backup_failed", &[]);
    let request = json!({"action": "backup", "destination": destination, "force": true});
    assert_success(&client.request(&request));
    assert_eq!(partial_files(slow.launch().folder()), 0);
}
