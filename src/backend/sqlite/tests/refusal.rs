//! Files that are refused, each for its own reason, and left as they are.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::*;

const NOTES: &str = "CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')";

/// The message, after checking that it names the file, and that nothing in the folder changed.
#[track_caller]
fn refused_and_untouched(lab: &Lab, expected: fn(&SqliteError) -> bool) -> String {
    let before = lab.files();

    let refusal = lab.refusal();

    assert!(expected(&refusal), "{refusal:?}");
    assert!(lab.files() == before, "the refusal changed {:?}", lab.files().keys());
    let message = refusal.to_string();
    assert!(message.contains("registry.db"), "{message}");
    assert!(message.contains("; "), "no advice: {message}");
    message
}

fn lab_with(content: &[u8]) -> Lab {
    let lab = Lab::new();
    fs::write(lab.path(), content).unwrap();
    lab
}

/// A registry's file of many pages.
fn lab_with_services() -> Lab {
    let lab = Lab::new();
    let mut backend = lab.open();
    for number in 0..20 {
        register(&mut backend, &large_service(&number.to_string(), 3_000), 1).unwrap();
    }
    close(backend);
    lab
}

fn overwrite(path: &Path, position: u64, content: &[u8]) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(position)).unwrap();
    file.write_all(content).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    for content in [&b"x"[..], b"notes about a power supply", &[0; 5_000], &[0xff; 20_000]] {
        let lab = lab_with(content);
        fs::write(lab.log(), "another file").unwrap();

        refused_and_untouched(&lab, |error| matches!(error, SqliteError::NotADatabase { .. }));
    }
}

#[test]
fn a_file_with_a_damaged_page_is_refused() {
    let lab = lab_with_services();
    overwrite(&lab.path(), 3 * 4_096, &[0xff; 100]);

    refused_and_untouched(&lab, |error| matches!(error, SqliteError::Damaged { .. }));
}

#[test]
fn a_file_with_a_damaged_page_and_a_log_is_refused() {
    let lab = lab_with_services();
    let mut backend = lab.open();
    register(&mut backend, &service("in the log"), 1).unwrap();
    let lab = lab.copy();
    overwrite(&lab.path(), 3 * 4_096, &[0xff; 100]);

    assert!(is_there(&lab.log()));
    refused_and_untouched(&lab, |error| matches!(error, SqliteError::Damaged { .. }));
}

#[test]
fn a_file_whose_description_of_its_tables_is_damaged_is_refused() {
    let lab = lab_with_services();
    overwrite(&lab.path(), 100, &[0xff; 100]);

    refused_and_untouched(&lab, |error| matches!(error, SqliteError::Damaged { .. }));
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let lab = lab_with_services();
    let length = lab.path().metadata().unwrap().len();
    fs::OpenOptions::new().write(true).open(lab.path()).unwrap().set_len(length / 2).unwrap();

    refused_and_untouched(&lab, |error| matches!(error, SqliteError::Damaged { .. }));
}

#[test]
fn a_file_whose_index_knows_other_services_is_refused() {
    let lab = lab_with_services().with_sql(
        "CREATE TABLE other (id TEXT PRIMARY KEY);
         INSERT INTO other SELECT 'another ' || id FROM services;
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema
            SET rootpage = (SELECT sum(rootpage) FROM sqlite_schema WHERE type = 'index') - rootpage
            WHERE type = 'index'",
    );

    refused_and_untouched(&lab, |error| matches!(error, SqliteError::Damaged { .. }));
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let newer =
        |error: &SqliteError| matches!(error, SqliteError::NewerVersion { found: 3, known: 2, .. });
    let closed = lab_with_services().with_sql("PRAGMA user_version = 3");
    let left = killed("CREATE TABLE services (of_the_future); PRAGMA user_version = 3");

    refused_and_untouched(&closed, newer);
    refused_and_untouched(&left, newer);
}

#[test]
fn a_database_of_something_else_is_refused() {
    let foreign = |error: &SqliteError| matches!(error, SqliteError::Foreign { .. });

    for lab in [
        Lab::new().with_sql(NOTES),
        Lab::new().with_sql("PRAGMA journal_mode = WAL").with_sql(NOTES),
        killed(NOTES),
        killed(&format!("{NOTES}; PRAGMA user_version = 7")),
    ] {
        let message = refused_and_untouched(&lab, foreign);

        assert!(message.contains("it has no table services"), "{message}");
    }
}

#[test]
fn a_file_behind_a_link_is_left_untouched_too() {
    let lab = killed(NOTES);
    let links = TempDir::new().unwrap();
    let link = links.path().join("registry.db");
    symlink(lab.path(), &link).unwrap();
    let before = lab.files();

    let refusal = SqliteBackend::open(&link).unwrap_err();

    assert!(matches!(refusal, SqliteError::Foreign { .. }), "{refusal:?}");
    assert!(lab.files() == before, "the refusal changed {:?}", lab.files().keys());
}

#[test]
fn a_table_of_services_that_is_not_a_registrys_is_refused() {
    let foreign = |error: &SqliteError| matches!(error, SqliteError::Foreign { .. });

    for (sql, reason) in [
        ("TABLE services (id PRIMARY KEY, price)", "no such column: name"),
        (
            "TABLE services (id, name, host, port, metadata, ttl, last_heartbeat, tags)",
            "ON CONFLICT",
        ),
        (
            "TABLE services (id PRIMARY KEY, name, host, port, metadata, ttl, last_heartbeat, tags)
             WITHOUT ROWID",
            "no such column: rowid",
        ),
        ("VIEW services AS SELECT 1 AS id", "it has no table services"),
    ] {
        let lab = Lab::new().with_sql(&format!("CREATE {sql}"));

        let message = refused_and_untouched(&lab, foreign);

        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_table_of_policies_that_is_not_a_registrys_is_refused() {
    let foreign = |error: &SqliteError| matches!(error, SqliteError::Foreign { .. });

    for (version, sql, reason) in [
        (0, "TABLE policies (id PRIMARY KEY, premium)", "no such column: policy"),
        (1, "TABLE policies (number)", "no such column: id"),
        (1, "TABLE Policies (id PRIMARY KEY, policy) WITHOUT ROWID", "no such column: rowid"),
        (0, "VIEW policies AS SELECT 1 AS id, 2 AS policy, 3 AS rowid", "view"),
        (1, "INDEX policies ON services (name)", "no such table: policies"),
    ] {
        let lab = lab_with_services();
        lab.run(&format!("DROP TABLE policies; PRAGMA user_version = {version}; CREATE {sql}"));

        let message = refused_and_untouched(&lab, foreign);

        assert!(message.contains("its table policies does not fit"), "{message}");
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_folder_and_a_device_are_refused() {
    let folder = Lab::new();
    fs::create_dir(folder.path()).unwrap();

    for path in [folder.path().as_path(), Path::new("/dev/null")] {
        let refusal = SqliteBackend::open(path).unwrap_err();

        assert!(matches!(refusal, SqliteError::NotAFile { .. }), "{refusal:?}");
    }
}

#[test]
fn a_missing_folder_is_refused_and_not_created() {
    let lab = Lab::new();
    let folder = lab.folder.path().join("missing");

    let refusal = SqliteBackend::open(&folder.join("registry.db")).unwrap_err();

    assert!(matches!(refusal, SqliteError::MissingFolder { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("create the folder"), "{refusal}");
    assert!(!is_there(&folder));
}

/// In this folder of Linux nobody can create a file, not even the superuser.
#[cfg(target_os = "linux")]
#[test]
fn a_folder_where_no_file_can_be_created_is_refused() {
    let refusal = SqliteBackend::open(Path::new("/sys/registry.db")).unwrap_err();

    let SqliteError::NoAccess { reason, .. } = &refusal else { panic!("{refusal:?}") };
    assert!(refusal.to_string().contains(&reason.to_string()), "{refusal}");
}

#[test]
fn a_read_only_file_is_refused_and_so_is_one_with_a_read_only_log() {
    let read_only = |path: &Path| {
        let mut permissions = path.metadata().unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions).unwrap();
    };
    let with_file = lab_with_services();
    read_only(&with_file.path());
    let with_log = killed("CREATE TABLE services (id)");
    read_only(&with_log.log());

    for lab in [with_file, with_log] {
        refused_and_untouched(&lab, |error| matches!(error, SqliteError::ReadOnly { .. }));
    }
}

#[test]
fn a_log_whose_database_is_gone_is_refused() {
    let gone = killed(NOTES);
    fs::remove_file(gone.path()).unwrap();
    let emptied = killed(NOTES);
    fs::write(emptied.path(), "").unwrap();

    for lab in [gone, emptied] {
        refused_and_untouched(&lab, |error| {
            matches!(error, SqliteError::LogWithoutDatabase { .. })
        });
    }
}

#[test]
fn a_second_registry_on_a_file_is_refused_until_the_first_is_gone() {
    let lab = Lab::new();
    let mut first = lab.open();

    let refusal = lab.refusal();
    register(&mut first, &service("a"), 1).unwrap();
    close(first);

    assert!(matches!(refusal, SqliteError::Locked { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("stop that one"), "{refusal}");
    assert_eq!(ids(&lab.kept()), ["a"]);
}

#[test]
fn of_many_registries_that_start_at_once_one_gets_the_file() {
    let lab = Lab::new();
    let start = Barrier::new(4);
    let open = || {
        start.wait();
        SqliteBackend::open(&lab.path())
    };

    let outcomes = thread::scope(|scope| {
        let starting = [(); 4].map(|()| scope.spawn(open));
        starting.map(|registry| registry.join().unwrap())
    });

    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[test]
fn a_program_that_has_the_file_for_a_moment_is_waited_for() {
    for journal_mode in ["WAL", "DELETE"] {
        let lab = lab_with_services().with_sql(&format!("PRAGMA journal_mode = {journal_mode}"));
        let backup = Connection::open(lab.path()).unwrap();
        backup.execute_batch("BEGIN; SELECT count(*) FROM services").unwrap();

        let opened = thread::scope(|scope| {
            let opening = scope.spawn(|| SqliteBackend::open(&lab.path()));
            // Nobody can see that it has tried in vain; this is time for a few attempts.
            thread::sleep(Duration::from_millis(100));
            drop(backup);
            opening.join().unwrap()
        });

        assert_eq!(opened.unwrap().load().unwrap().len(), 20);
    }
}
