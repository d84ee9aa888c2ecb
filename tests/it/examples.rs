//! The examples, run as a reader would: against the real registry, and with each other.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Instant;

use crate::support::{
    DEADLINE, Embedded, Endpoints, Finished, Gate, Launch, Place, Process, Registry,
    ScriptedBackend,
};

/// Where the built examples are. Cargo builds them here, because it need not have done so for
/// this test, and finds out at once where it has.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    // target/debug/deps/it-…
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--examples", "--locked", "--quiet", "--target-dir"]);
    cargo.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "the examples can be built");
    profile.join("examples")
});

fn start(example: &str, registry: &Endpoints) -> Process {
    let arguments = [&registry.requests, &registry.events, &registry.heartbeats];
    Process::spawn(Command::new(FOLDER.join(example)).args(arguments))
}

/// A registry that answers at once, since the examples wait no longer for it than clients do by
/// default.
#[track_caller]
fn quick_registry() -> Registry {
    Launch::new().flag("--backend", "memory").start()
}

/// Whether a process found the registry too slow, as a busy machine makes it.
fn found_nobody(finished: &Finished) -> bool {
    finished.code() == Some(1) && finished.stderr.starts_with("no answer from ")
}

/// A device that is registered, and what it says.
#[track_caller]
fn start_device(registry: &Endpoints) -> (Process, String) {
    let started = Instant::now();
    loop {
        let mut service = start("device_service", registry);
        match service.next_line() {
            Some(line) => return (service, line),
            None => {
                let finished = service.wait();
                let is_in_time = started.elapsed() < DEADLINE;
                assert!(found_nobody(&finished) && is_in_time, "{finished:?}");
            }
        }
    }
}

#[track_caller]
fn next_line(process: &mut Process) -> String {
    match process.next_line() {
        Some(line) => line,
        None => panic!("it ended: {}", process.log()),
    }
}

#[test]
fn a_device_is_found_talked_to_watched_and_gone() {
    let registry = quick_registry();
    let mut watch = start("watch", registry.endpoints());

    let (service, line) = start_device(registry.endpoints());
    let (id, endpoint) = line.split_once(" listens on ").expect("it says where it listens");
    assert_eq!(next_line(&mut watch), format!("+ Power supply ({id}) at {endpoint}"));

    let client = start("device_client", registry.endpoints()).wait();
    client.assert_code(0);
    let said: Vec<&str> = client.stdout.lines().collect();
    let place = format!("Power supply is at {endpoint}");
    assert_eq!(said, [&place, "it can do up to 30.0 V", "VOLTS 12.5: OK", "VOLTS?: 12.5"]);

    service.signal("INT");
    let finished = service.wait();
    finished.assert_code(0);
    assert_eq!(finished.stdout, format!("{line}\n{id} is gone\n"));
    assert_eq!(next_line(&mut watch), format!("- Power supply ({id}): Deregistered"));
    assert_eq!(registry.client().list()["services"], serde_json::json!([]));
}

#[test]
fn a_device_that_is_stopped_while_it_registers_says_goodbye_all_the_same() {
    let gate = Gate::default();
    let registry = Embedded::start(ScriptedBackend::behind(&gate));
    let started = Instant::now();
    let finished = loop {
        gate.close();
        let service = start("device_service", registry.endpoints());
        gate.wait_for_arrival();

        service.signal("INT");
        gate.open();

        let finished = service.wait();
        if !found_nobody(&finished) || started.elapsed() > DEADLINE {
            break finished;
        }
    };
    assert!(finished.assert_code(0).stdout.ends_with(" is gone\n"), "{finished:?}");
    assert_eq!(registry.client().list()["services"], serde_json::json!([]));
}

#[test]
fn a_client_waits_for_a_device_that_is_started_after_it() {
    let registry = quick_registry();

    let client = start("device_client", registry.endpoints());
    let _service = start_device(registry.endpoints());

    client.wait().assert_code(0);
}

#[test]
fn a_device_talks_sense_to_who_does_not() {
    let registry = quick_registry();
    let (_service, line) = start_device(registry.endpoints());
    let (_, endpoint) = line.split_once(" listens on ").expect("it says where it listens");
    let device = zmq::Context::new().socket(zmq::REQ).unwrap();
    device.set_rcvtimeo(i32::try_from(DEADLINE.as_millis()).unwrap()).unwrap();
    device.set_linger(0).unwrap();
    device.connect(endpoint).unwrap();
    let ask = |command: &[u8]| {
        device.send(command, 0).unwrap();
        String::from_utf8(device.recv_bytes(0).unwrap()).unwrap()
    };

    assert_eq!(ask(b"VOLTS?"), "0");
    assert!(ask(b"VOLTS high").starts_with("ERROR"));
    assert!(ask(b"\xff").starts_with("ERROR"));
    assert_eq!(ask(b"VOLTS 5"), "OK");
    assert_eq!(ask(b"VOLTS?"), "5");
}

#[test]
fn an_example_without_its_registry_says_so() {
    let (place, registry) = Place::start();
    let endpoints = place.endpoints();
    registry.kill();

    let finished = start("device_service", endpoints).wait();

    finished.assert_code(1);
    let said = format!("no answer from {}", endpoints.requests);
    assert!(finished.stderr.starts_with(&said), "{}", finished.stderr);
}
