//! What is committed comes back.

use std::fs;

use rusqlite::types::Value;

use super::*;

#[test]
fn a_new_file_holds_no_services() {
    let lab = Lab::new();

    assert_eq!(lab.open().load().unwrap(), []);
}

#[test]
fn an_empty_file_becomes_a_database() {
    let lab = Lab::new();
    fs::write(lab.path(), "").unwrap();

    let mut backend = lab.open();
    register(&mut backend, &service("a"), 1).unwrap();
    close(backend);

    assert_eq!(ids(&lab.kept()), ["a"]);
}

#[test]
fn a_service_comes_back_as_it_was() {
    let lab = Lab::new();
    let parts = Parts {
        ttl: Ttl::from_seconds(u64::from(u32::MAX)).unwrap(),
        metadata: Metadata::from_json(r#"{"type":"PSU"}"#).unwrap(),
        tags: Tags::from_texts(["", "a,b", "\u{1f600}\0"]),
        ..Parts::new("Gerät \"1\"\n✓", "", u16::MAX)
    };
    let service = Service {
        id: id("id with 'quotes' and \0"),
        description: parts.into(),
        owner: "192.0.2.1".parse().ok(),
    };

    let mut backend = lab.open();
    register(&mut backend, &service, 1_700_000_000).unwrap();
    close(backend);

    assert_eq!(lab.kept(), [StoredService { service, last_heartbeat: at(1_700_000_000) }]);
}

#[test]
fn every_json_value_comes_back_in_its_order_and_with_all_its_digits() {
    let lab = Lab::new();
    let json = concat!(
        r#"{"z":null,"a":[true,false,[],{}],"0":-0,"big":123456789012345678901234567890,"#,
        r#""fraction":0.10000000000000000555,"power":1e400,"text":"\"\\\n\u0000 ä \ud83d\ude00","#,
        r#""":"","nested":{"type":[1,{"b":2,"a":1}]}}"#
    );
    let service = with_metadata(json, "any");

    let mut backend = lab.open();
    register(&mut backend, &service, 1).unwrap();
    close(backend);

    let kept = lab.kept();
    let kept = kept[0].service.description.metadata();
    assert_eq!(kept, service.description.metadata());
    assert!(kept.contains("123456789012345678901234567890"));
    assert!(kept.contains("0.10000000000000000555"));
}

#[test]
fn the_order_of_registration_outlasts_replacing_removing_and_reopening() {
    let lab = Lab::new();
    let mut backend = lab.open();
    for name in ["c", "a", "d", "b"] {
        register(&mut backend, &service(name), 1).unwrap();
    }

    register(&mut backend, &on_port(1, "a"), 2).unwrap();
    backend.commit(&[Record::Removed { id: &id("d") }]).unwrap();
    close(backend);
    let mut backend = lab.open();
    register(&mut backend, &on_port(2, "c"), 3).unwrap();
    register(&mut backend, &service("d"), 3).unwrap();
    close(backend);

    let kept = lab.kept();
    assert_eq!(ids(&kept), ["c", "a", "b", "d"]);
    assert_eq!([0, 1].map(|index: usize| kept[index].service.description.port()), [2, 1]);
    assert_eq!([kept[0].last_heartbeat, kept[1].last_heartbeat], [at(3), at(2)]);
}

#[test]
fn the_records_of_a_commit_are_kept_in_their_order() {
    let lab = Lab::new();
    let (first, again) = (service("a"), on_port(1, "a"));

    let mut backend = lab.open();
    backend
        .commit(&[
            Record::Stored { service: &first, last_heartbeat: at(1) },
            Record::Removed { id: &first.id },
            Record::Stored { service: &again, last_heartbeat: at(2) },
            Record::Renewed { id: &first.id, last_heartbeat: at(3) },
        ])
        .unwrap();
    close(backend);

    assert_eq!(lab.kept(), [StoredService { service: again, last_heartbeat: at(3) }]);
}

#[test]
fn a_heartbeat_changes_the_time_and_nothing_else() {
    let lab = Lab::new();
    let mut backend = lab.open();
    register(&mut backend, &service("a"), 1).unwrap();
    register(&mut backend, &service("b"), 1).unwrap();

    backend.commit(&[Record::Renewed { id: &id("a"), last_heartbeat: at(9) }]).unwrap();
    close(backend);

    let expected = |name, time| StoredService { service: service(name), last_heartbeat: at(time) };
    assert_eq!(lab.kept(), [expected("a", 9), expected("b", 1)]);
}

#[test]
fn records_of_unknown_services_change_nothing() {
    let lab = Lab::new();
    let mut backend = lab.open();
    register(&mut backend, &service("a"), 1).unwrap();

    let unknown = id("unknown");
    let heartbeat = Record::Renewed { id: &unknown, last_heartbeat: at(9) };
    backend.commit(&[heartbeat, Record::Removed { id: &unknown }]).unwrap();
    close(backend);

    assert_eq!(lab.kept(), [StoredService { service: service("a"), last_heartbeat: at(1) }]);
}

#[test]
fn what_was_committed_survives_a_registry_that_is_killed() {
    let lab = Lab::new();
    let mut backend = lab.open();
    register(&mut backend, &service("a"), 1).unwrap();
    register(&mut backend, &service("b"), 2).unwrap();

    let after_kill = lab.copy();

    assert!(is_there(&after_kill.log()));
    assert_eq!(ids(&after_kill.kept()), ["a", "b"]);
}

#[track_caller]
fn setting(backend: &SqliteBackend, name: &str) -> Value {
    backend.connection.pragma_query_value(None, name, |row| row.get(0)).unwrap()
}

#[test]
fn commits_are_logged_and_synced_under_a_lock_of_our_own() {
    let lab = Lab::new();
    let backend = lab.open();

    let full = 2;
    assert_eq!(setting(&backend, "journal_mode"), Value::from("wal".to_owned()));
    assert_eq!(setting(&backend, "synchronous"), Value::from(full));
    assert_eq!(setting(&backend, "locking_mode"), Value::from("exclusive".to_owned()));
}

#[test]
fn durability_is_what_sqlite_is_told_to_wait_for() {
    let lab = Lab::new();
    let (normal, full) = (1, 2);

    for (durability, expected) in [(Durability::Relaxed, normal), (Durability::Full, full)] {
        let mut backend = lab.open().with_durability(durability).unwrap();
        register(&mut backend, &service("a"), 1).unwrap();

        assert_eq!(setting(&backend, "synchronous"), Value::from(expected));
        assert_eq!(ids(&backend.load().unwrap()), ["a"]);
        close(backend);
    }
}

#[test]
fn policies_outlast_reopening_in_the_order_in_which_they_were_said() {
    let lab = Lab::new();
    let policy = |name| (id(name), TypePolicy::Singleton);
    let mut backend = lab.open();
    for name in ["c", "a", "d", "b"] {
        let id = id(name);
        let record = Record::PolicyStored { id: &id, policy: TypePolicy::Singleton };
        backend.commit(&[record]).unwrap();
    }

    let (again, gone) = (id("c"), id("d"));
    backend
        .commit(&[
            Record::PolicyStored { id: &again, policy: TypePolicy::AllowDuplicates },
            Record::PolicyRemoved { id: &gone },
            Record::PolicyRemoved { id: &id("never said a word") },
        ])
        .unwrap();
    close(backend);

    let expected = [policy("a"), policy("b"), (again, TypePolicy::AllowDuplicates)];
    assert_eq!(lab.open().load_policies().unwrap(), expected);
}

#[test]
fn a_policy_that_is_none_is_left_out_and_stays_in_the_file() {
    let lab = Lab::new();
    close(lab.open());
    lab.run(
        "INSERT INTO policies VALUES
        ('a', 'singleton'), ('b', 'sometimes'), ('', 'singleton'), ('c', x'41'), ('d', '')",
    );

    let mut backend = lab.open();
    let policies = backend.load_policies().unwrap();
    let rows: u32 = backend
        .connection
        .query_row("SELECT count(*) FROM policies", [], |row| row.get(0))
        .unwrap();

    assert_eq!(policies, [(id("a"), TypePolicy::Singleton)]);
    assert_eq!(rows, 5);
}

#[test]
fn closing_leaves_a_single_file() {
    let lab = Lab::new();
    let backend = lab.open();
    let lab = lab.copy();
    drop(backend);
    fs::write(lab.folder.path().join("registry.db-shm"), "left by a registry that was killed")
        .unwrap();

    let mut backend = lab.open();
    register(&mut backend, &service("a"), 1).unwrap();
    close(backend);

    assert_eq!(lab.files().into_keys().collect::<Vec<_>>(), [lab.path()]);
    assert_eq!(ids(&lab.kept()), ["a"]);
}

#[test]
fn a_row_that_is_no_service_is_left_out_and_stays_until_its_service_registers() {
    let lab = Lab::new();
    let mut backend = lab.open();
    for name in ["a", "b", "c"] {
        register(&mut backend, &service(name), 1).unwrap();
    }
    close(backend);

    for damage in ["port = 70000", "port = 'ssh'", "ttl = 2.5", "name = x'41'", "tags = '{}'"] {
        lab.run(&format!("UPDATE services SET {damage} WHERE id = 'b'"));

        assert_eq!(ids(&lab.kept()), ["a", "c"], "{damage}");
    }
    let mut backend = lab.open();
    register(&mut backend, &service("b"), 2).unwrap();
    close(backend);
    assert_eq!(ids(&lab.kept()), ["a", "b", "c"]);
}

#[test]
fn an_owner_is_replaced_and_forgotten_with_its_service() {
    let lab = Lab::new();
    let owned = |owner: &str| Service { owner: owner.parse().ok(), ..service("a") };
    let owner = || lab.kept().pop().and_then(|stored| stored.service.owner);

    register(&mut lab.open(), &owned("192.0.2.1"), 1).unwrap();
    register(&mut lab.open(), &owned("fd00::1"), 2).unwrap();
    assert_eq!(owner(), "fd00::1".parse().ok());

    register(&mut lab.open(), &service("a"), 3).unwrap();
    assert_eq!(owner(), None);

    register(&mut lab.open(), &owned("192.0.2.1"), 4).unwrap();
    lab.open().commit(&[Record::Removed { id: &id("a") }]).unwrap();
    let left: u32 = Connection::open(lab.path())
        .unwrap()
        .query_row("SELECT count(*) FROM owners", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn an_owner_that_is_no_address_is_left_out_and_its_service_is_not() {
    let lab = Lab::new();
    register(&mut lab.open(), &service("a"), 1).unwrap();
    lab.run("INSERT INTO owners VALUES ('a', 'lab-1')");

    assert_eq!(lab.kept(), [StoredService { service: service("a"), last_heartbeat: at(1) }]);
    let unusable = SqliteBackend::examine(&lab.path()).unwrap().unusable_rows;
    assert_eq!(unusable[0].table, "owners");
    assert_eq!(unusable[0].reason, "address must be an IP address");
}
