//! Files of an older version are brought up to date, and a copy of them is kept.

use std::fs;

use super::python::{PYTHON_ROWS, PYTHON_TABLE, python_services};
use super::*;
use crate::backend::sqlite::copy;

fn python_lab() -> Lab {
    Lab::new().with_sql("PRAGMA journal_mode = WAL").with_sql(PYTHON_TABLE).with_sql(PYTHON_ROWS)
}

impl Lab {
    /// The copies that were kept, in the order of their names.
    fn copies(&self) -> Vec<PathBuf> {
        let is_copy = |path: &PathBuf| path.to_str().unwrap().contains(".db.before-");
        self.files().into_keys().filter(is_copy).collect()
    }

    fn first_copy(&self) -> PathBuf {
        self.folder.path().join("registry.db.before-version-2")
    }

    fn version(&self) -> i32 {
        version(&self.path())
    }
}

#[track_caller]
fn version(path: &Path) -> i32 {
    let connection = Connection::open(path).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// The ids in the file at `path`, and whether it has our table of policies.
#[track_caller]
fn content(path: &Path) -> (Vec<String>, bool) {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT id FROM services ORDER BY rowid").unwrap();
    let ids = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    (ids, connection.table_exists(None, "policies").unwrap())
}

#[test]
fn a_file_of_the_python_registry_gets_our_table_and_version() {
    let lab = python_lab();

    let mut backend = lab.open();
    let singleton = Record::PolicyStored { id: &id("z"), policy: TypePolicy::Singleton };
    backend.commit(&[singleton]).unwrap();
    close(backend);

    assert_eq!(lab.version(), 2);
    assert_eq!(lab.kept(), python_services());
    assert_eq!(lab.open().load_policies().unwrap(), [(id("z"), TypePolicy::Singleton)]);
}

#[test]
fn a_copy_of_the_file_as_it_was_is_kept_beside_it() {
    for lab in [
        python_lab(),
        Lab::new().with_sql(PYTHON_TABLE).with_sql(PYTHON_ROWS),
        killed(&format!("{PYTHON_TABLE}; {PYTHON_ROWS}")),
    ] {
        let before = ["z", "a", "null", "empty"].map(str::to_owned).to_vec();

        let mut backend = lab.open();
        register(&mut backend, &service("new"), 1).unwrap();
        close(backend);

        assert_eq!(lab.copies(), [lab.first_copy()]);
        assert_eq!(version(&lab.first_copy()), 0);
        assert_eq!(content(&lab.first_copy()), (before, false));
    }
}

#[test]
fn a_new_file_and_one_of_this_version_are_not_copied() {
    let lab = Lab::new();
    close(lab.open());
    close(lab.open());
    fs::write(lab.folder.path().join("registry.db-other"), "").unwrap();

    assert_eq!(lab.copies(), [] as [PathBuf; 0]);
    assert_eq!(lab.version(), 2);
}

#[test]
fn one_copy_is_kept_however_often_a_lab_switches_to_the_python_registry_and_back() {
    let lab = python_lab();
    close(lab.open());
    let copy = fs::read(lab.first_copy()).unwrap();

    for name in ["x", "y"] {
        // What the Python registry does to a file that it opens, and with a service that comes.
        lab.run("PRAGMA journal_mode = WAL");
        lab.run(PYTHON_TABLE);
        lab.run(&format!(
            "INSERT INTO services VALUES ('{name}', 'n', 'h', 1, '{{}}', 30, 1700000000, '[]')"
        ));
        close(lab.open());
    }

    assert_eq!(lab.copies(), [lab.first_copy()]);
    assert_eq!(fs::read(lab.first_copy()).unwrap(), copy);
    assert_eq!(lab.kept().len(), python_services().len() + 2);
}

#[test]
fn a_copy_that_is_there_is_never_overwritten() {
    let lab = python_lab();
    close(lab.open());
    let copy = fs::read(lab.first_copy()).unwrap();
    fs::remove_file(lab.path()).unwrap();
    lab.run(PYTHON_TABLE);

    close(lab.open());

    let second = lab.folder.path().join("registry.db.before-version-2-2");
    assert_eq!(lab.copies(), [lab.first_copy(), second.clone()]);
    assert_eq!(fs::read(lab.first_copy()).unwrap(), copy);
    assert_eq!(content(&second), (Vec::new(), false));
}

#[test]
fn a_crash_between_the_copy_and_the_change_costs_nothing() {
    let lab = killed(&format!("{PYTHON_TABLE}; {PYTHON_ROWS}"));
    for _ in 0..3 {
        let connection = Connection::open(lab.path()).unwrap();
        copy::keep_before(2, &connection, &lab.path()).unwrap();
    }
    assert_eq!(lab.version(), 0);

    let kept = lab.kept();

    assert_eq!(kept, python_services());
    assert_eq!(lab.version(), 2);
    assert_eq!(lab.copies(), [lab.first_copy()]);
}

#[test]
fn a_crash_in_the_middle_of_the_copy_costs_nothing() {
    let lab = python_lab();
    let half = lab.folder.path().join("registry.db.before-version-2.partial-17");
    fs::write(&half, "half a copy").unwrap();

    assert_eq!(lab.kept(), python_services());

    assert_eq!(version(&lab.first_copy()), 0);
    assert_eq!(fs::read(&half).unwrap(), b"half a copy");
}

#[test]
fn a_copy_that_cannot_be_kept_refuses_the_start_and_leaves_the_file_alone() {
    let lab = python_lab();
    // Beyond the longest name that a file can have, with what belongs behind it.
    let path = lab.folder.path().join("r".repeat(240));
    fs::rename(lab.path(), &path).unwrap();
    let before = lab.files();

    let refusal = SqliteBackend::open(&path).unwrap_err();

    assert!(matches!(refusal, SqliteError::NotKept { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("no copy of it could be kept"), "{refusal}");
    assert!(refusal.to_string().contains("write access to the folder"), "{refusal}");
    assert!(lab.files() == before, "the refusal changed {:?}", lab.files().keys());
}

#[test]
fn a_file_whose_table_of_policies_was_taken_out_gets_it_again() {
    let lab = Lab::new();
    close(lab.open());
    lab.run("DROP TABLE policies");

    close(lab.open());

    assert!(content(&lab.path()).1);
    assert_eq!(lab.version(), 2);
}

#[test]
fn a_file_that_lost_its_version_keeps_its_policies() {
    let lab = Lab::new();
    let mut backend = lab.open();
    let policy = Record::PolicyStored { id: &id("a"), policy: TypePolicy::Singleton };
    backend.commit(&[policy]).unwrap();
    close(backend);
    lab.run("PRAGMA user_version = 0");

    let policies = lab.open().load_policies().unwrap();

    assert_eq!(policies, [(id("a"), TypePolicy::Singleton)]);
    assert_eq!(lab.version(), 2);
}

#[test]
fn a_file_that_lost_its_version_or_its_tables_keeps_what_it_knows_of_owners() {
    let owner = "2001:db8::7".parse().ok();
    for loss in ["PRAGMA user_version = 0", "PRAGMA user_version = 1", "DROP TABLE policies"] {
        let lab = Lab::new();
        let mut backend = lab.open();
        register(&mut backend, &Service { owner, ..service("a") }, 1).unwrap();
        close(backend);
        lab.run(loss);

        assert_eq!(lab.kept()[0].service.owner, owner, "{loss}");
        assert_eq!(lab.version(), 2);
    }
}

#[test]
fn a_file_of_version_1_gets_the_table_of_owners() {
    let lab = Lab::new();
    let mut backend = lab.open();
    register(&mut backend, &service("a"), 1).unwrap();
    close(backend);
    lab.run("DROP TABLE owners; PRAGMA user_version = 1");

    assert_eq!(lab.kept()[0].service.owner, None);

    let owner = "127.0.0.2".parse().ok();
    register(&mut lab.open(), &Service { owner, ..service("a") }, 2).unwrap();
    assert_eq!(lab.kept()[0].service.owner, owner);
    assert_eq!(lab.version(), 2);
    assert_eq!(lab.copies(), [lab.first_copy()]);
}

#[test]
fn a_copy_can_be_read_by_nobody_who_may_not_read_the_database() {
    use std::os::unix::fs::PermissionsExt;

    let lab = python_lab();
    fs::set_permissions(lab.path(), fs::Permissions::from_mode(0o600)).unwrap();

    close(lab.open());

    let mode = lab.first_copy().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_registry_can_be_started_on_the_copy_while_another_runs_on_the_file() {
    let lab = python_lab();
    let _backend = lab.open();

    let mut beside_it = SqliteBackend::open(&lab.first_copy()).unwrap();

    assert_eq!(beside_it.load().unwrap(), python_services());
}
