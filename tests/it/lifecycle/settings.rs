//! Flags win over the file, the file over the defaults; a mistake is named by its place.

use std::fs;

use crate::support::{Finished, Launch, Registry};

/// What tells the three places of the file apart: a database of another name in each.
fn settings(db_path: &str) -> String {
    format!("req_port: 0\npub_port: 0\nhb_port: 0\ndb_path: {db_path}\n")
}

#[track_caller]
fn assert_keeps(registry: &Registry, file: &str) {
    registry.client().register("dev", "DEV");
    let names: Vec<String> = fs::read_dir(registry.launch().folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".db"))
        .collect();
    assert_eq!(names, [file]);
}

#[track_caller]
fn assert_wrong_usage(finished: &Finished, words: &[&str]) {
    finished.assert_code(2);
    assert_eq!(finished.stdout, "");
    for word in words {
        assert!(finished.stderr.contains(word), "{word:?} is not in {:?}", finished.stderr);
    }
}

#[test]
fn the_file_beside_the_registry_wins_over_the_defaults() {
    let registry = Launch::without_flags().file("registry.yaml", settings("beside.db")).start();

    assert_keeps(&registry, "beside.db");
}

#[test]
fn the_environment_wins_over_the_file_beside_the_registry() {
    let registry = Launch::without_flags()
        .file("registry.yaml", settings("beside.db"))
        .file("other.yaml", settings("environment.db"))
        .config_variable("other.yaml")
        .start();

    assert_keeps(&registry, "environment.db");
}

#[test]
fn the_config_flag_wins_over_the_environment() {
    let registry = Launch::without_flags()
        .file("registry.yaml", settings("beside.db"))
        .file("other.yaml", settings("environment.db"))
        .file("third.yaml", settings("flag.db"))
        .config_variable("other.yaml")
        .flag("--config", "third.yaml")
        .start();

    assert_keeps(&registry, "flag.db");
}

#[test]
fn a_flag_wins_over_the_file() {
    let registry = Launch::without_flags()
        .file("registry.yaml", settings("beside.db"))
        .flag("--db-path", "given.db")
        .start();

    assert_keeps(&registry, "given.db");
}

#[test]
fn what_nobody_sets_has_its_default() {
    let registry = Launch::new().without("--log-level").without("--cleanup-interval").start();

    assert_eq!(registry.client().info()["enforce_unique_service_types"], true);
    assert_keeps(&registry, "service_registry.db");
}

#[test]
fn unique_types_are_switched_off_by_the_file_and_by_every_spelling_of_the_flag() {
    let yaml = "enforce_unique_service_types: false\n";
    let by_file = Launch::new().file("registry.yaml", yaml);
    let launches = [
        (by_file.clone(), false),
        (Launch::new().switch("--allow-duplicate-service-types"), false),
        (Launch::new().switch("--no-enforce-unique-service-types"), false),
        (by_file.switch("--enforce-unique-service-types"), true),
    ];

    for (launch, unique) in launches {
        let info = launch.start().client().info();
        assert_eq!(info["enforce_unique_service_types"], unique, "{launch:?}");
    }
}

#[test]
fn an_unknown_key_is_named_with_file_and_line() {
    let finished = Launch::new()
        .file("registry.yaml", "# ports\nreq_port: 0\nrequest_port: 7000\n")
        .start_in_vain();

    assert_wrong_usage(&finished, &["registry.yaml:3", "request_port", "req_port"]);
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_file_line_key_and_what_is_allowed() {
    let finished =
        Launch::new().file("registry.yaml", "req_port: 0\n\nhb_port: many\n").start_in_vain();

    assert_wrong_usage(&finished, &["registry.yaml:3", "hb_port", "from 0 to 65535", "many"]);
}

#[test]
fn a_flag_with_an_impossible_value_is_named_with_what_is_allowed() {
    for (flag, value, allowed) in [
        ("--req-port", "65536", "from 0 to 65535"),
        ("--pub-port", "abc", "from 0 to 65535"),
        ("--hb-port", "-1", "--hb-port"),
        ("--cleanup-interval", "0", "from 0.1 to 86400"),
        ("--backend", "redis", "sqlite, memory or etcd"),
        ("--log-level", "loud", "off, error, warn"),
        ("--http", "6103", "off, or an address with a port"),
        ("--bind", "not an address", "--bind"),
    ] {
        let finished = Launch::new().flag(flag, value).start_in_vain();

        assert_wrong_usage(&finished, &[flag, allowed]);
    }
}

#[test]
fn a_file_that_is_named_and_not_there_is_an_error() {
    let by_flag = Launch::new().flag("--config", "nowhere.yaml").start_in_vain();
    let by_environment = Launch::new().config_variable("nowhere.yaml").start_in_vain();

    assert_wrong_usage(&by_flag, &["nowhere.yaml"]);
    assert_wrong_usage(&by_environment, &["nowhere.yaml"]);
}

#[test]
fn a_start_that_fails_over_its_settings_leaves_nothing_behind() {
    let launch = Launch::new().file("registry.yaml", "bind: [1]\n");

    launch.start_in_vain().assert_code(2);

    assert_eq!(fs::read_dir(launch.folder()).unwrap().count(), 1);
}
