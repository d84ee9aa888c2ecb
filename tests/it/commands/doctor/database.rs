//! What is found of the database: where it is, whose it is, and whether it can be used.

use std::fs;
use std::process::Command;

use super::findings_at;
use crate::support::{Launch, Registry, ReservedPort, port_of};

#[test]
fn a_database_that_nobody_can_write_is_a_problem() {
    let launch = Launch::new().file("settings.yaml", "db_path: a.db\n").file("a.db", "");
    let mut permissions = fs::metadata(launch.path("a.db")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(launch.path("a.db"), permissions).unwrap();

    let found = findings_at(&launch, ReservedPort::new().number(), &["--config", "settings.yaml"]);

    found.assert_code(1).assert("database access", "problem", "cannot write");
}

#[test]
fn a_database_in_a_folder_that_is_missing_is_a_problem() {
    let launch = Launch::new().file("settings.yaml", "db_path: missing/a.db\n");

    let found = findings_at(&launch, ReservedPort::new().number(), &["--config", "settings.yaml"]);

    let folder = format!("there is no folder {}", launch.path("missing").display());
    found.assert_code(1).assert("database access", "problem", &folder);
}

#[test]
fn a_file_that_is_no_database_is_a_problem() {
    let text = "a text of more than one line\n".repeat(100);
    let launch = Launch::new().file("settings.yaml", "db_path: a.db\n").file("a.db", text);

    let found = findings_at(&launch, ReservedPort::new().number(), &["--config", "settings.yaml"]);

    found.assert_code(1).assert("database", "problem", "is not a SQLite database");
}

#[test]
fn a_database_that_another_program_holds_is_a_problem() {
    let registry = Registry::start();

    let found = findings_at(registry.launch(), ReservedPort::new().number(), &[]);

    let holder = format!("held by process {}", registry.process_id());
    found.assert_code(1).assert("database", "problem", &holder);
    // To who asks at another port, a registry runs elsewhere.
    found.assert("process", "problem", "but there is process");
    assert!(found.about("process")[2].contains("network namespace"), "{:#}", found.reply);
}

#[test]
fn settings_of_another_registry_are_told_from_those_of_the_one_that_runs() {
    let registry = Registry::start();
    let launch = registry.launch().clone().file("other.yaml", "db_path: other.db\n");
    let port = port_of(&registry.endpoints().requests);

    let found = findings_at(&launch, port, &["--config", "other.yaml"]);

    found.assert_code(0).assert("database", "warning", "although a registry runs");
}

/// The settings of a registry whose unit starts it in the folder `state`, and a systemd that knows
/// that unit.
fn launch_of_a_unit() -> Launch {
    let launch = Launch::new().file("settings.yaml", "db_path: a.db\n");
    fs::create_dir(launch.path("state")).unwrap();
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).unwrap().unwrap();
    let script = format!(
        "#!/bin/sh\n\
         echo 'LoadState=loaded'\n\
         echo 'WorkingDirectory={}'\n\
         echo 'User={}'\n\
         echo 'ExecStart={{ argv[]=/usr/bin/service-registry start --config {} ; pid=0 }}'\n",
        launch.path("state").display(),
        user.name,
        launch.path("settings.yaml").display()
    );
    let launch = launch.file("script", script);
    // Written by another process: a program that a process has open to write cannot be run, and the
    // tests beside this one start processes that have everything open for a moment.
    let mut install = Command::new("install");
    install.arg(launch.path("script")).arg(launch.path("systemctl"));
    assert!(install.status().unwrap().success());
    let path = format!("{}:/usr/bin:/bin", launch.folder().display());
    launch.variable("PATH", &path)
}

#[test]
fn of_a_registry_that_is_down_the_database_is_looked_for_where_its_unit_starts_it() {
    let launch = launch_of_a_unit();
    let look =
        || findings_at(&launch, ReservedPort::new().number(), &["--config", "settings.yaml"]);

    let before_the_first_start = look();
    fs::write(launch.path("state/a.db"), "no database".repeat(1_000)).unwrap();
    let spoilt = look();

    let path = launch.path("state/a.db").display().to_string();
    before_the_first_start.assert("database", "ok", &format!("{path} is not there yet"));
    before_the_first_start.assert("database access", "ok", "can write");
    spoilt.assert("database", "problem", &format!("{path} is not a SQLite database"));
}

#[test]
fn the_folder_that_systemd_makes_is_not_missed_before_the_first_start() {
    let launch = launch_of_a_unit();
    fs::remove_dir(launch.path("state")).unwrap();

    let found = findings_at(&launch, ReservedPort::new().number(), &["--config", "settings.yaml"]);

    found.assert("database access", "unknown", "is made by systemd");
}

/// It is started by hand, in some folder, by somebody.
#[test]
fn of_a_registry_that_is_down_and_nowhere_to_be_found_nothing_is_well() {
    let launch = Launch::new().file("settings.yaml", "db_path: a.db\n");

    let found = findings_at(&launch, ReservedPort::new().number(), &["--config", "settings.yaml"]);

    for check in ["database", "database access", "disk space"] {
        found.assert(check, "unknown", "if it is started in this folder, by this user");
    }
}

#[test]
fn a_disk_that_cannot_be_written_is_told() {
    let launch = Launch::new().file("settings.yaml", "db_path: /sys/kernel/a.db\n");

    let found = findings_at(&launch, ReservedPort::new().number(), &["--config", "settings.yaml"]);

    let [verdict, said, _] = found.about("disk space");
    assert!(verdict == "problem" && !said.is_empty(), "{:#}", found.reply);
}
