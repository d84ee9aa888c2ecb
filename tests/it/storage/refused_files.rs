//! A file that cannot be used keeps the registry from starting, and stays as it was.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use crate::support::{Finished, Launch, assert_success};

const FILE: &str = "service_registry.db";

/// Starts in vain on a file, and expects that one sentence says why and that the file is whole.
#[track_caller]
fn assert_refused(launch: &Launch, words: &[&str]) {
    let before = fs::read(launch.path(FILE)).unwrap();
    let names_before = names(launch.folder());

    let finished = launch.start_in_vain();

    finished.assert_code(1);
    assert_says(&finished, words);
    assert_eq!(fs::read(launch.path(FILE)).unwrap(), before, "the file has changed");
    assert_eq!(names(launch.folder()), names_before, "files were left beside it");
}

#[track_caller]
fn assert_says(finished: &Finished, words: &[&str]) {
    assert_eq!(finished.stdout, "");
    let complaint = finished.complaint();
    for word in words {
        assert!(complaint.contains(word), "{word:?} is not in {complaint:?}");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A folder with a database that a registry wrote and left in good order.
fn launch_with_database() -> Launch {
    let launch = Launch::new();
    let registry = launch.start();
    let client = registry.client();
    for number in 0..200 {
        client.send(&crate::support::registration(&format!("dev-{number}"), ""));
    }
    for _ in 0..200 {
        assert_success(&client.receive());
    }
    registry.stop();
    launch
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let launch = Launch::new().file(FILE, "minutes of the meeting\n".repeat(500));

    assert_refused(&launch, &[FILE, "is not a SQLite database", "another path"]);
}

#[test]
fn a_damaged_database_is_refused_and_left_alone() {
    let launch = launch_with_database();
    let path = launch.path(FILE);
    let mut bytes = fs::read(&path).unwrap();
    // The first page, with the schema, stays: it is still a database.
    bytes[4_096..].fill(0xff);
    fs::write(&path, bytes).unwrap();

    assert_refused(&launch, &[FILE, "damaged", "restore"]);
}

#[test]
fn a_database_that_was_cut_short_is_refused_and_left_alone() {
    let launch = launch_with_database();
    let path = launch.path(FILE);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();

    assert_refused(&launch, &[FILE, "damaged", "restore"]);
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let launch = launch_with_database();
    let connection = Connection::open(launch.path(FILE)).unwrap();
    connection.pragma_update(None, "user_version", 1_000_000).unwrap();
    connection.close().unwrap();

    assert_refused(&launch, &[FILE, "newer version", "1000000"]);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    let launch = Launch::new();
    let connection = Connection::open(launch.path(FILE)).unwrap();
    connection.execute_batch("CREATE TABLE services (title TEXT); CREATE TABLE x (y)").unwrap();
    connection.close().unwrap();

    assert_refused(&launch, &[FILE, "another path"]);
}

#[test]
fn a_second_registry_on_the_same_file_is_refused_and_the_first_goes_on() {
    let launch = Launch::new();
    let first = launch.start();
    first.client().register("dev", "DEV");

    let second = launch.start_in_vain();

    second.assert_code(1);
    assert_says(&second, &[FILE, "in use", "another path"]);
    assert_success(&first.client().get("dev"));
    first.client().register("other", "OTHER");
    first.stop();
    assert_success(&launch.start().client().get("other"));
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let launch = Launch::new().flag("--db-path", "missing/registry.db");

    let finished = launch.start_in_vain();

    finished.assert_code(1);
    assert_says(&finished, &["missing", "registry.db", "no folder"]);
    assert!(!launch.path("missing").exists());
}

#[test]
fn a_folder_that_nobody_can_write_to_is_named() {
    // Nobody, not even the superuser, creates files there.
    let launch = Launch::new().flag("--db-path", "/proc/registry.db");

    let finished = launch.start_in_vain();

    finished.assert_code(1);
    assert_says(&finished, &["/proc/registry.db"]);
}

#[test]
fn a_folder_in_the_place_of_the_file_is_refused() {
    let launch = Launch::new();
    fs::create_dir(launch.path(FILE)).unwrap();

    let finished = launch.start_in_vain();

    finished.assert_code(1);
    assert_says(&finished, &[FILE, "not a regular file"]);
}
