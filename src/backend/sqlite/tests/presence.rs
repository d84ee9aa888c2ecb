//! Files that are taken away from under a registry.

use std::fs;

use super::*;

#[track_caller]
fn refused(backend: &mut SqliteBackend, name: &str) -> String {
    register(backend, &service(name), 2).unwrap_err().to_string()
}

#[test]
fn a_file_that_is_deleted_moved_or_replaced_takes_no_more_commits() {
    let deleted: fn(&Lab) = |lab| fs::remove_file(lab.path()).unwrap();
    let moved: fn(&Lab) = |lab| fs::rename(lab.path(), lab.folder.path().join("moved")).unwrap();
    let replaced: fn(&Lab) = |lab| {
        let other = lab.folder.path().join("other");
        fs::write(&other, "").unwrap();
        fs::rename(other, lab.path()).unwrap();
    };
    let log_deleted: fn(&Lab) = |lab| fs::remove_file(lab.log()).unwrap();

    for (take_away, name) in [
        (deleted, "registry.db "),
        (moved, "registry.db "),
        (replaced, "registry.db "),
        (log_deleted, "registry.db-wal "),
    ] {
        let lab = Lab::new();
        let mut backend = lab.open();
        register(&mut backend, &service("a"), 1).unwrap();

        take_away(&lab);
        let refusal = refused(&mut backend, "b");

        assert!(refusal.contains(name), "{refusal}");
        assert!(refusal.contains("was moved, deleted or replaced"), "{refusal}");
        assert!(refusal.contains("restart"), "{refusal}");
        assert_eq!(ids(&backend.load().unwrap()), ["a"]);
    }
}

#[test]
fn a_file_that_is_moved_back_is_used_again() {
    let lab = Lab::new();
    let mut backend = lab.open();
    let elsewhere = lab.folder.path().join("elsewhere");

    fs::rename(lab.path(), &elsewhere).unwrap();
    refused(&mut backend, "a");
    fs::rename(&elsewhere, lab.path()).unwrap();
    register(&mut backend, &service("b"), 2).unwrap();
    close(backend);

    assert_eq!(ids(&lab.kept()), ["b"]);
}

#[test]
fn what_was_kept_can_be_saved_when_the_file_is_gone() {
    let (lab, backups) = (Lab::new(), Lab::new());
    let mut backend = lab.open();
    register(&mut backend, &service("a"), 1).unwrap();

    fs::remove_file(lab.path()).unwrap();
    backend.back_up(&backups.path(), Existing::Keep).unwrap();

    assert_eq!(ids(&backups.kept()), ["a"]);
}

/// Closing moves the log, which is still open, into the file.
#[test]
fn a_log_that_was_deleted_costs_nothing_when_the_registry_stops() {
    let lab = Lab::new();
    let mut backend = lab.open();
    register(&mut backend, &service("a"), 1).unwrap();

    fs::remove_file(lab.log()).unwrap();
    refused(&mut backend, "b");
    close(backend);

    assert_eq!(ids(&lab.kept()), ["a"]);
}

/// Closing deletes the log, and knows it by its name.
#[test]
fn what_replaced_the_file_is_left_alone_when_the_registry_stops() {
    let lab = Lab::new();
    let mut backend = lab.open();
    register(&mut backend, &service("a"), 1).unwrap();
    let other = killed("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')");
    for (name, content) in other.files() {
        let name = name.file_name().unwrap();
        let arriving = lab.folder.path().join("arriving");
        fs::write(&arriving, content).unwrap();
        fs::rename(&arriving, lab.folder.path().join(name)).unwrap();
    }

    let failure = Box::new(backend).close().unwrap_err().to_string();

    assert!(failure.contains("was moved, deleted or replaced"), "{failure}");
    let contents = |lab: &Lab| lab.files().into_values().collect::<Vec<_>>();
    assert!(contents(&lab) == contents(&other));
}
