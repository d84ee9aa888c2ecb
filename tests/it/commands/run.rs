//! `run`: any program becomes a registered service for as long as it runs.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use service_registry::client::{Endpoint, RegistryEndpoints};

use super::terminal::Terminal;
use crate::client::stub::Stub;
use crate::support::{
    DEADLINE, Embedded, Gate, Launch, Place, Process, Registry, ScriptedBackend, port_of,
    short_lived, wait_until,
};

const SAID: [&str; 8] = ["--name", "Device", "--type", "DEV", "--port", "40123", "--id", "dev"];

/// Runs a shell script as the service `dev`.
#[track_caller]
fn begin(registry: &Registry, script: &str) -> Process {
    registry.begin("run", &[&SAID[..], &["--", "sh", "-c", script]].concat())
}

#[track_caller]
fn assert_next_line(process: &mut Process, line: &str) {
    assert_eq!(process.next_line().as_deref(), Some(line), "{}", process.log());
}

#[track_caller]
fn is_registered(registry: &Registry) -> bool {
    registry.client().get("dev")["success"] == true
}

#[test]
fn a_command_is_registered_while_it_runs() {
    let registry = Registry::start();
    let arguments = [
        &SAID[..],
        &["--host", "10.0.0.7", "--ttl", "9", "--metadata", "volts=24", "--tag", "lab"],
        &["--", "sh", "-c", "echo started; exec sleep 600"],
    ];

    let mut process = registry.begin("run", &arguments.concat());

    assert_next_line(&mut process, "started");
    let service = registry.client().get("dev")["service"].clone();
    assert_eq!(service["name"], "Device");
    assert_eq!((&service["host"], &service["port"]), (&json!("10.0.0.7"), &json!(40123)));
    assert_eq!(service["metadata"], json!({"volts": 24, "type": "DEV"}));
    assert_eq!((&service["ttl"], &service["tags"]), (&json!(9), &json!(["lab", "DEV"])));
    process.signal("TERM");
    process.wait().assert_code(128 + 15);
    assert!(!is_registered(&registry));
}

#[test]
fn the_exit_code_is_that_of_the_command_and_the_service_is_gone() {
    let registry = Registry::start();
    let subscriber = registry.subscriber();

    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 128 + 9)] {
        begin(&registry, script).wait().assert_code(code);

        assert_eq!(subscriber.next().about(), ("register", "dev"));
        assert_eq!(subscriber.next().about(), ("deregister", "dev"));
    }
}

#[test]
fn signals_are_passed_on_and_the_command_decides() {
    let registry = Registry::start();
    let script = "
        for name in HUP INT QUIT USR1 USR2; do trap \"echo $name\" $name; done
        trap 'echo TERM; exit 3' TERM
        echo ready
        while :; do sleep 0.05; done";
    let mut process = begin(&registry, script);
    assert_next_line(&mut process, "ready");

    for name in ["HUP", "INT", "QUIT", "USR1", "USR2"] {
        process.signal(name);
        assert_next_line(&mut process, name);
        assert!(is_registered(&registry));
    }
    process.signal("TERM");

    assert_next_line(&mut process, "TERM");
    process.wait().assert_code(3);
    assert!(!is_registered(&registry));
}

#[test]
fn a_terminal_that_is_closed_is_told_to_the_command_and_the_service_goes() {
    let registry = Registry::start();
    let terminal = Terminal::open();
    let script = "trap 'echo HUP; exit 3' HUP; echo ready; while :; do sleep 0.05; done";
    let mut process =
        terminal.begin(registry.endpoints(), &[&SAID[..], &["--", "sh", "-c", script]].concat());
    assert_next_line(&mut process, "ready");

    drop(terminal);

    assert_next_line(&mut process, "HUP");
    process.wait().assert_code(3);
    assert!(!is_registered(&registry));
}

#[test]
fn ctrl_c_during_the_registration_takes_it_back_and_starts_nothing() {
    let gate = Gate::default();
    let registry = Embedded::start(ScriptedBackend::behind(&gate));
    let mut terminal = Terminal::open();
    gate.close();
    let arguments = [&SAID[..], &["--timeout", "20", "--", "echo", "started"]].concat();
    let process = terminal.begin(registry.endpoints(), &arguments);
    gate.wait_for_arrival();

    terminal.press_ctrl_c();
    gate.open();

    let finished = process.wait();
    finished.assert_code(128 + 2);
    assert_eq!(finished.stdout, "");
    assert_eq!(registry.client().get("dev")["code"], "service_not_found");
}

#[test]
fn what_is_ignored_stays_ignored() {
    let registry = Registry::start();
    let port = port_of(&registry.endpoints().requests).to_string();
    let binary = env!("CARGO_BIN_EXE_service-registry");
    let script = "trap '' HUP; exec \"$@\"";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", script, "sh", binary, "run", "--req-port", &port]).args(SAID);
    let mut process =
        Process::spawn(shell.args(["--", "sh", "-c", "echo started; exec sleep 600"]));
    assert_next_line(&mut process, "started");

    process.signal("HUP");
    process.signal("TERM");

    process.wait().assert_code(128 + 15);
}

#[test]
fn heartbeats_keep_it_registered_beyond_its_ttl() {
    let registry = Launch::new().flag("--cleanup-interval", "0.1").start();
    let subscriber = registry.subscriber();
    let script = "echo started; exec sleep 600";
    let arguments = [&SAID[..], &["--ttl", "4", "--", "sh", "-c", script]].concat();
    let mut process = registry.begin("run", &arguments);
    assert_next_line(&mut process, "started");

    // The other one shows how long two ttls are on the registry's clock.
    registry.client().request(&short_lived("silent", "", 8));

    let about: Vec<_> = (0..3).map(|_| subscriber.next()).collect();
    let about: Vec<_> = about.iter().map(|event| event.about()).collect();
    assert_eq!(about, [("register", "dev"), ("register", "silent"), ("expire", "silent")]);
    assert_eq!(registry.client().get("dev")["service"]["health"], "passing");
    process.signal("TERM");
    process.wait().assert_code(128 + 15);
}

#[test]
fn a_command_that_cannot_be_run_is_never_registered() {
    let registry = Registry::start();
    let launch = registry.launch().clone().file("no-program", "just text");

    for (command, code, words) in [
        ("no-such-program", 127, ["no-such-program", "not found"]),
        ("./no-program", 126, ["./no-program", "cannot run"]),
    ] {
        let port = port_of(&registry.endpoints().requests).to_string();
        let arguments = [&["run", "--req-port", &port], &SAID[..], &["--", command]].concat();

        let finished = launch.run(&arguments);

        finished.assert_code(code);
        for word in words {
            assert!(finished.complaint().contains(word), "{finished:?}");
        }
    }

    assert_eq!(registry.client().list()["seq"], 0, "nothing was registered");
}

#[test]
fn a_registration_that_is_refused_starts_nothing() {
    let registry = Registry::start();
    registry.client().register("other", "DEV");

    let finished = begin(&registry, "echo started").wait();

    finished.assert_code(1);
    assert_eq!(finished.stdout, "");
    assert!(finished.complaint().contains("other"), "{finished:?}");
}

#[test]
fn without_a_registry_nothing_is_started_unless_there_is_time_to_wait_for_one() {
    let (place, registry) = Place::start();
    let port = port_of(&place.endpoints().requests).to_string();
    let launch = registry.launch().clone();
    registry.stop();
    let run = |more: &[&str]| {
        let command = ["--timeout", "0.3", "--", "echo", "started"];
        launch.begin(&[&["run", "--req-port", &port], &SAID[..], more, &command].concat())
    };

    let finished = run(&[]).wait();
    let mut patient = run(&["--wait", "60"]);
    let _registry = place.start_again();

    finished.assert_code(3);
    assert_eq!(finished.stdout, "");
    assert!(finished.complaint().contains(&port), "{finished:?}");
    assert_next_line(&mut patient, "started");
    patient.wait().assert_code(0);
}

#[test]
fn who_waits_for_a_registry_can_be_told_not_to() {
    let (place, registry) = Place::start();
    let port = port_of(&place.endpoints().requests).to_string();
    let launch = registry.launch().clone();
    registry.stop();
    let started = Instant::now();
    let arguments = ["--wait", "60", "--timeout", "0.2", "--", "echo", "started"];
    let process = launch.begin(&[&["run", "--req-port", &port], &SAID[..], &arguments].concat());
    // Nothing tells that it waits; a signal that comes before ends it as well.
    std::thread::sleep(Duration::from_millis(300));

    process.signal("TERM");

    let finished = process.wait();
    assert!(started.elapsed() < DEADLINE);
    assert!([Some(128 + 15), None].contains(&finished.code()), "{finished:?}");
    assert_eq!(finished.stdout, "");
}

#[test]
fn a_registry_that_goes_does_not_end_the_command() {
    let (place, registry) = Place::start_with(Launch::new().flag("--backend", "memory"));
    let script = "echo started; exec sleep 600";
    let arguments = [&SAID[..], &["--ttl", "2", "--", "sh", "-c", script]].concat();
    let mut process = registry.begin("run", &arguments);
    assert_next_line(&mut process, "started");

    registry.kill();
    let registry = place.start_again();

    wait_until("it is registered again", || is_registered(&registry));
    process.signal("TERM");
    process.wait().assert_code(128 + 15);
    let reply = registry.client().get("dev");
    assert_eq!(reply["code"], Value::from("service_not_found"));
}

#[test]
fn run_takes_a_command() {
    let launch = Launch::new();

    // Not 2, with which many a command ends.
    launch.run(&[&["run"], &SAID[..]].concat()).assert_code(64);
    launch.run(&["run", "--", "true"]).assert_code(64);
}

/// Waits until the process has complained of this.
#[track_caller]
fn assert_complains(process: &Process, words: &str) {
    wait_until(&format!("{words:?} is told"), || process.log().contains(words));
}

#[test]
fn heartbeats_that_nobody_answers_are_complained_of_when_the_service_may_have_expired() {
    let registry = Registry::start();
    let said = [&SAID[..], &["--ttl", "1", "--", "sh", "-c", "echo started; exec sleep 600"]];
    let mut process = registry.begin("run", &said.concat());
    assert_next_line(&mut process, "started");

    registry.kill();

    assert_complains(&process, "dev may have expired");
    process.signal("TERM");
    process.wait().assert_code(128 + 15);
}

#[test]
fn heartbeats_that_are_refused_are_complained_of_once() {
    let stub = Stub::bind();
    let port = |endpoint: &Endpoint| port_of(endpoint.as_str());
    let RegistryEndpoints { requests, events, heartbeats } = stub.endpoints();
    let asked = port(&requests).to_string();
    let script = ["--ttl", "1", "--", "sh", "-c", "exec sleep 600"];
    let way = ["run", "--registry", "127.0.0.1", "--req-port", &asked];
    let process = Launch::new().begin(&[&way[..], &SAID[..], &script[..]].concat());
    let info = json!({"success": true, "req_port": port(&requests), "pub_port": port(&events),
        "hb_port": port(&heartbeats), "services": []});
    stub.answer(&stub.question(), &info);
    stub.answer(&stub.question(), &json!({"success": true, "service_id": "dev"}));

    let refusal = json!({"success": false, "error": "not yours", "code": "not_allowed"});
    for _ in 0..3 {
        stub.answer_heartbeat(&stub.heartbeat(), &refusal);
    }

    let words = "heartbeats of dev are refused: not yours";
    assert_complains(&process, words);
    process.signal("TERM");
    stub.answer(&stub.question(), &json!({"success": true}));
    let finished = process.wait();
    assert_eq!(finished.stderr.matches(words).count(), 1, "{finished:?}");
}
