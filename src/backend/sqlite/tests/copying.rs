//! Backups of a database that is open.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use super::*;
use crate::backend::sqlite::copy::CopyError;

/// A folder for backups, and an open database with some services.
fn lab_in_use() -> (Lab, SqliteBackend) {
    let lab = Lab::new();
    let mut backend = lab.open();
    for number in 0..50 {
        register(&mut backend, &large_service(&number.to_string(), 2_000), 1).unwrap();
    }
    let policy = Record::PolicyStored { id: &id("0"), policy: TypePolicy::Singleton };
    backend.commit(&[policy]).unwrap();
    (lab, backend)
}

#[track_caller]
fn refusal(backend: &mut SqliteBackend, destination: &Path, existing: Existing) -> String {
    let refusal = backend.back_up(destination, existing).unwrap_err().to_string();
    assert!(refusal.starts_with("cannot back up "), "{refusal}");
    refusal
}

/// The names of all files in the folder, without reading them.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_backup_holds_what_is_committed_and_a_registry_can_be_started_on_it() {
    let (_lab, mut backend) = lab_in_use();
    let backups = Lab::new();

    backend.back_up(&backups.path(), Existing::Keep).unwrap();
    register(&mut backend, &service("later"), 1).unwrap();

    let kept = backups.kept();
    let later = backend.load().unwrap();
    assert_eq!(kept.len(), 50);
    assert_eq!(kept, later[..50]);
    assert_eq!(backups.open().load_policies().unwrap(), [(id("0"), TypePolicy::Singleton)]);
}

#[test]
fn a_backup_is_a_single_file_and_complete_before_it_has_its_name() {
    let (_lab, mut backend) = lab_in_use();
    let backups = Lab::new();

    backend.back_up(&backups.path(), Existing::Keep).unwrap();

    assert_eq!(names(backups.folder.path()), ["registry.db"]);
}

#[test]
fn a_backup_that_is_there_is_overwritten_only_if_that_is_wanted() {
    let (_lab, mut backend) = lab_in_use();
    let backups = Lab::new().with_sql(python::PYTHON_TABLE);
    let before = fs::read(backups.path()).unwrap();

    let refusal = refusal(&mut backend, &backups.path(), Existing::Keep);
    let afterwards = fs::read(backups.path()).unwrap();
    backend.back_up(&backups.path(), Existing::Replace).unwrap();

    assert!(refusal.contains("exists already"), "{refusal}");
    assert!(refusal.contains("--force"), "{refusal}");
    assert!(afterwards == before, "the refusal changed the file");
    assert_eq!(backups.kept().len(), 50);
}

#[test]
fn what_is_no_registrys_database_is_not_overwritten() {
    let text: fn(&Lab) = |lab| fs::write(lab.path(), "minutes of the meeting").unwrap();
    let letter: fn(&Lab) = |lab| fs::write(lab.path(), "m").unwrap();
    let notes: fn(&Lab) = |lab| lab.run("CREATE TABLE notes (text)");
    let newer: fn(&Lab) = |lab| {
        close(lab.open());
        lab.run("PRAGMA user_version = 1000000");
    };
    let linked: fn(&Lab) = |lab| {
        let target = lab.folder.path().join("minutes");
        fs::write(&target, "minutes of the meeting").unwrap();
        symlink(target, lab.path()).unwrap();
    };

    for (make, word) in [
        (text, "not a SQLite database"),
        (letter, "not a SQLite database"),
        (notes, "another database (it has no table services)"),
        (newer, "newer version 1000000"),
        (linked, "not a SQLite database"),
    ] {
        let (_lab, mut backend) = lab_in_use();
        let backups = Lab::new();
        make(&backups);
        let before = backups.files();

        let refusal = refusal(&mut backend, &backups.path(), Existing::Replace);

        assert!(refusal.contains("is not overwritten"), "{refusal}");
        assert!(refusal.contains(word), "{refusal}");
        assert!(refusal.contains("another path"), "{refusal}");
        assert!(backups.files() == before, "the refusal changed {:?}", backups.files().keys());
    }
}

#[test]
fn what_holds_nothing_is_overwritten() {
    let nothing: fn(&Lab) = |lab| fs::write(lab.path(), "").unwrap();
    let no_tables: fn(&Lab) = |lab| lab.run("CREATE TABLE x (y); DROP TABLE x");

    for make in [nothing, no_tables] {
        let (_lab, mut backend) = lab_in_use();
        let backups = Lab::new();
        make(&backups);

        backend.back_up(&backups.path(), Existing::Replace).unwrap();

        assert_eq!(backups.kept().len(), 50);
    }
}

#[test]
fn what_a_killed_program_left_of_a_copy_is_removed_by_the_next_one_and_nothing_else_is() {
    let (_lab, mut backend) = lab_in_use();
    let backups = Lab::new();
    let file = |name: &str| backups.folder.path().join(name);
    let left = ["registry.db.partial-1", "registry.db.partial-2", "registry.db.partial-3"];
    fs::write(file(left[0]), "").unwrap();
    fs::write(file(left[1]), b"SQLite format 3\0 and so on").unwrap();
    fs::write(file(left[2]), [0; 8_192]).unwrap();
    let mut others = [
        "other.db.partial-1",
        "registry.db.partial-",
        "registry.db.partial-01",
        "registry.db.partial-x",
        "registry.db.partial-4",
        "registry.db.partial-5",
        "registry.db.partial-6",
    ];
    for name in &others[..4] {
        fs::write(file(name), "").unwrap();
    }
    fs::write(file(others[4]), "minutes of the meeting").unwrap();
    symlink(file(others[0]), file(others[5])).unwrap();
    let in_the_making = fs::File::create(file(others[6])).unwrap();
    in_the_making.lock().unwrap();

    backend.back_up(&backups.path(), Existing::Keep).unwrap();

    let mut names = names(backups.folder.path());
    names.retain(|name| name != "registry.db");
    others.sort_unstable();
    assert_eq!(names, others);
}

#[test]
fn the_database_itself_is_no_place_for_its_backup() {
    let (lab, mut backend) = lab_in_use();
    let link = lab.folder.path().join("link.db");
    symlink(lab.path(), &link).unwrap();
    let roundabout = lab
        .folder
        .path()
        .join("../")
        .join(Path::new(lab.folder.path().file_name().unwrap()).join("registry.db"));
    let before = names(lab.folder.path());

    for destination in [
        lab.path(),
        lab.log(),
        lab.folder.path().join("registry.db-shm"),
        lab.folder.path().join("registry.db-journal"),
        link,
        roundabout,
    ] {
        for existing in [Existing::Keep, Existing::Replace] {
            let refusal = refusal(&mut backend, &destination, existing);
            assert!(refusal.contains("belongs to the database"), "{refusal}");
        }
    }

    assert_eq!(names(lab.folder.path()), before);
    register(&mut backend, &service("later"), 1).unwrap();
    close(backend);
    assert_eq!(lab.kept().len(), 51);
}

#[test]
fn what_is_no_regular_file_is_no_place_for_a_backup() {
    let (_lab, mut backend) = lab_in_use();
    let backups = Lab::new();
    fs::create_dir(backups.path()).unwrap();

    for destination in [backups.path().as_path(), Path::new("/dev/null"), Path::new("/")] {
        for existing in [Existing::Keep, Existing::Replace] {
            let refusal = refusal(&mut backend, destination, existing);
            assert!(refusal.contains("not a regular file"), "{refusal}");
        }
    }
    assert_eq!(fs::read_dir(backups.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_is_missing_or_takes_no_file_is_named() {
    let (_lab, mut backend) = lab_in_use();
    let missing = Lab::new().folder.path().join("missing").join("backup.db");

    for destination in [missing.as_path(), Path::new("/sys/backup.db")] {
        let refusal = refusal(&mut backend, destination, Existing::Keep);

        assert!(refusal.contains(destination.to_str().unwrap()), "{refusal}");
        assert!(refusal.contains("cannot be written"), "{refusal}");
        assert!(refusal.contains("another path"), "{refusal}");
    }
}

/// A log would be taken for the backup's own, and spoil it.
#[test]
fn a_backup_is_not_put_beside_the_log_of_another_database() {
    let (_lab, mut backend) = lab_in_use();
    let backups = killed("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')");
    let before = backups.files();

    let refusal = refusal(&mut backend, &backups.path(), Existing::Replace);

    assert!(refusal.contains("registry.db-wal is the log of a database"), "{refusal}");
    assert!(backups.files() == before, "the refusal changed {:?}", backups.files().keys());
}

#[test]
fn a_backup_of_another_registrys_database_over_it_is_refused_while_that_one_runs() {
    let (_lab, mut backend) = lab_in_use();
    let (other, mut others_backend) = lab_in_use();

    let refusal = refusal(&mut backend, &other.path(), Existing::Replace);

    assert!(refusal.contains("in use"), "{refusal}");
    register(&mut others_backend, &service("later"), 1).unwrap();
}

#[test]
fn a_backup_that_fails_leaves_nothing_behind() {
    let (_lab, mut backend) = lab_in_use();
    let backups = Lab::new();
    // No other program is asked for a lock, but this connection itself stands in the way.
    backend.connection.execute_batch("BEGIN IMMEDIATE; DELETE FROM services").unwrap();

    let refusal = backend.back_up(&backups.path(), Existing::Keep);

    assert!(refusal.is_err());
    assert_eq!(names(backups.folder.path()), [] as [&str; 0]);
    backend.connection.execute_batch("ROLLBACK").unwrap();
    backend.back_up(&backups.path(), Existing::Keep).unwrap();
    assert_eq!(backups.kept().len(), 50);
}

#[test]
fn what_is_read_only_is_told_from_what_belongs_to_somebody_else() {
    let complaint = |kind: io::ErrorKind| {
        let destination = "/var/backups/a.db".into();
        CopyError::NoAccess { destination, reason: kind.into() }.to_string()
    };

    let read_only = complaint(io::ErrorKind::ReadOnlyFilesystem);
    let foreign = complaint(io::ErrorKind::PermissionDenied);

    assert!(read_only.contains("ReadWritePaths="), "{read_only}");
    assert!(!read_only.contains("write access"), "{read_only}");
    assert!(foreign.contains("give the registry's user write access"), "{foreign}");
}
