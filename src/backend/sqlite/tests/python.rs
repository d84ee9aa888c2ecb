//! The file is the Python registry's: these are its statements, and the text that it writes.

use super::*;

pub(super) const PYTHON_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS services (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        host TEXT NOT NULL,
        port INTEGER NOT NULL,
        metadata TEXT,
        ttl INTEGER NOT NULL,
        last_heartbeat INTEGER NOT NULL,
        tags TEXT
    )";

pub(super) const PYTHON_ROWS: &str = r#"
    INSERT INTO services (id, name, host, port, metadata, ttl, last_heartbeat, tags) VALUES
    ('z', 'Ger' || char(228) || 't', 'lab-1', 6110,
     '{"z": 1.5, "a": [null, true, {"\u00e4": "\ud83d\ude00"}], "type": "PSU"}',
     30, 1700000000, '["x", "PSU"]'),
    ('a', 'plain', '127.0.0.1', 0, '{}', 5, 1700000001, '[]'),
    ('null', 'by hand', 'lab-2', 6111, NULL, 60, 1700000002, NULL),
    ('empty', 'by hand', 'lab-2', 6112, '', 60, 1700000003, '')"#;

pub(super) fn python_services() -> Vec<StoredService> {
    let stored = |name: &str, parts: Parts<'_>, ttl, time| {
        let parts = Parts { ttl: Ttl::from_seconds(ttl).unwrap(), ..parts };
        let service = Service { id: id(name), description: parts.into(), owner: None };
        StoredService { service, last_heartbeat: at(time) }
    };
    let json = r#"{"z":1.5,"a":[null,true,{"ä":"😀"}],"type":"PSU"}"#;
    let device = Parts {
        metadata: Metadata::from_json(json).unwrap(),
        tags: Tags::from_texts(["x", "PSU"]),
        ..Parts::new("Gerät", "lab-1", 6110)
    };
    vec![
        stored("z", device, 30, 1_700_000_000),
        stored("a", Parts::new("plain", "127.0.0.1", 0), 5, 1_700_000_001),
        stored("null", Parts::new("by hand", "lab-2", 6111), 60, 1_700_000_002),
        stored("empty", Parts::new("by hand", "lab-2", 6112), 60, 1_700_000_003),
    ]
}

#[test]
fn a_file_that_the_python_registry_closed_is_served_as_it_is() {
    let lab = Lab::new()
        .with_sql("PRAGMA journal_mode = WAL")
        .with_sql(PYTHON_TABLE)
        .with_sql(PYTHON_ROWS);

    assert_eq!(lab.kept(), python_services());
}

#[test]
fn a_file_that_the_python_registry_left_when_it_was_killed_is_served_as_it_is() {
    let lab = killed(&format!("{PYTHON_TABLE}; {PYTHON_ROWS}"));

    assert_eq!(lab.kept(), python_services());
}

#[test]
fn our_table_is_the_python_registrys_column_for_column() {
    let columns = |lab: &Lab| -> Vec<(String, String, bool, bool)> {
        let connection = Connection::open(lab.path()).unwrap();
        let mut statement = connection.prepare("PRAGMA table_info(services)").unwrap();
        let columns = statement
            .query_map([], |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?, row.get(5)?)))
            .unwrap();
        columns.map(Result::unwrap).collect()
    };
    let (ours, pythons) = (Lab::new(), Lab::new().with_sql(PYTHON_TABLE));

    close(ours.open());

    assert_eq!(columns(&ours), columns(&pythons));
    assert_eq!(columns(&ours).len(), 8);
}

#[test]
fn metadata_and_tags_are_json_text_in_the_file() {
    let lab = Lab::new();
    let mut backend = lab.open();
    let metadata = Metadata::from_json(r#"{"type": "PSU"}"#).unwrap();
    let tags = Tags::from_texts(["a\"b", "ä"]);
    let description = Parts { service_type: None, metadata, tags, ..parts() }.into();
    register(&mut backend, &Service { description, ..service("a") }, 1).unwrap();
    close(backend);

    let connection = Connection::open(lab.path()).unwrap();
    let columns: (String, String) = connection
        .query_row("SELECT metadata, tags FROM services", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();

    assert_eq!(columns, (r#"{"type":"PSU"}"#.to_owned(), r#"["a\"b","ä"]"#.to_owned()));
}

#[test]
fn a_file_that_a_python_registry_uses_is_refused_and_that_one_works_on() {
    let lab = Lab::new();
    let python = Connection::open(lab.path()).unwrap();
    python.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    python.execute_batch(PYTHON_TABLE).unwrap();
    // Reading the files would drop the locks that this test is about.
    let times = || [lab.path(), lab.log()].map(|path| path.metadata().unwrap().modified().unwrap());
    let before = times();

    let refusal = lab.refusal();

    assert!(matches!(refusal, SqliteError::Locked { .. }), "{refusal}");
    assert_eq!(times(), before);
    python.execute_batch(PYTHON_ROWS).unwrap();
    drop(python);
    assert_eq!(lab.kept(), python_services());
}
