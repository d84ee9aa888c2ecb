//! Looking into a database without changing it.

use std::fs;

use super::*;
use crate::backend::sqlite::{Examination, UnusableRow};

/// What is found, after checking that nothing in the folder changed.
#[track_caller]
fn examined(lab: &Lab) -> Result<Examination, SqliteError> {
    let before = lab.files();

    let outcome = SqliteBackend::examine(&lab.path());

    assert!(lab.files() == before, "looking changed {:?}", lab.files().keys());
    outcome
}

#[test]
fn an_examination_tells_what_a_registry_would_find() {
    let lab = Lab::new();
    let mut backend = lab.open();
    for name in ["b", "a"] {
        register(&mut backend, &service(name), 7).unwrap();
    }
    let policy = Record::PolicyStored { id: &id("z"), policy: TypePolicy::AllowDuplicates };
    backend.commit(&[policy]).unwrap();
    let left = lab.copy();
    close(backend);

    for lab in [lab, left] {
        let found = examined(&lab).unwrap();

        assert_eq!(found.path, lab.path().canonicalize().unwrap());
        assert_eq!(found.version, Examination::LATEST_VERSION);
        assert_eq!(ids(&found.services), ["b", "a"]);
        assert_eq!(found.services[0].last_heartbeat, at(7));
        assert_eq!(found.policies, [(id("z"), TypePolicy::AllowDuplicates)]);
        assert_eq!(found.unusable_rows, []);
    }
}

#[test]
fn a_file_of_the_python_registry_stays_one() {
    let lab = Lab::new().with_sql(python::PYTHON_TABLE).with_sql(python::PYTHON_ROWS);

    let found = examined(&lab).unwrap();

    assert_eq!(found.version, 0);
    assert_eq!(found.services, python::python_services());
}

#[test]
fn rows_that_are_left_out_are_named_with_what_is_wrong() {
    let lab = Lab::new();
    let mut backend = lab.open();
    for name in ["a", "b"] {
        register(&mut backend, &service(name), 1).unwrap();
    }
    close(backend);
    lab.run("UPDATE services SET port = 70000 WHERE id = 'b'");
    lab.run("INSERT INTO policies VALUES ('c', 'sometimes')");

    let found = examined(&lab).unwrap();

    let row = |table, label: &str, reason: &str| UnusableRow {
        table,
        label: label.to_owned(),
        reason: reason.to_owned(),
    };
    assert_eq!(ids(&found.services), ["a"]);
    assert_eq!(
        found.unusable_rows,
        [
            row("services", "\"b\"", "port must be a whole number from 0 to 65535"),
            row("policies", "\"c\"", "policy must be singleton or allow_duplicates"),
        ]
    );
}

#[test]
fn a_file_that_is_not_there_is_not_made() {
    let lab = Lab::new();

    let refusal = examined(&lab).unwrap_err();

    assert!(matches!(refusal, SqliteError::NotFound { .. }), "{refusal:?}");
}

#[test]
fn a_file_that_cannot_be_looked_for_is_not_told_as_missing() {
    let lab = Lab::new();
    fs::write(lab.path(), "").unwrap();

    let refusal = SqliteBackend::examine(&lab.path().join("below_a_file.db")).unwrap_err();

    assert!(matches!(refusal, SqliteError::NotReadable { .. }), "{refusal:?}");
}

#[test]
fn an_empty_file_is_told_and_stays_empty() {
    let lab = Lab::new();
    fs::write(lab.path(), "").unwrap();

    let refusal = examined(&lab).unwrap_err();

    assert!(matches!(refusal, SqliteError::Empty { .. }), "{refusal:?}");
}

#[test]
fn what_a_registry_refuses_is_refused_alike() {
    let not_a_database = Lab::new();
    fs::write(not_a_database.path(), "minutes of the meeting".repeat(100)).unwrap();
    let foreign = Lab::new().with_sql("CREATE TABLE notes (text)");
    let newer = Lab::new();
    close(newer.open());
    newer.run("PRAGMA user_version = 3");

    for lab in [not_a_database, foreign, newer] {
        let refusal = examined(&lab).unwrap_err();

        assert_eq!(refusal.to_string(), lab.refusal().to_string());
    }
}

#[test]
fn a_database_in_use_is_refused_and_its_registry_goes_on() {
    let lab = Lab::new();
    let mut backend = lab.open();

    let refusal = SqliteBackend::examine(&lab.path()).unwrap_err();

    assert!(matches!(refusal, SqliteError::Locked { .. }), "{refusal:?}");
    register(&mut backend, &service("a"), 1).unwrap();
    close(backend);
    assert_eq!(ids(&lab.kept()), ["a"]);
}

#[test]
fn a_read_only_file_whose_contents_are_all_in_it_can_be_looked_into() {
    let lab = Lab::new();
    let mut backend = lab.open();
    register(&mut backend, &service("a"), 1).unwrap();
    close(backend);
    // What a URI would take for something else.
    let path = lab.folder.path().join("50% of #1?.db");
    fs::rename(lab.path(), &path).unwrap();
    let mut permissions = path.metadata().unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let before = lab.files();

    let found = SqliteBackend::examine(&path).unwrap();

    assert_eq!(ids(&found.services), ["a"]);
    assert!(lab.files() == before, "looking changed {:?}", lab.files().keys());
}
