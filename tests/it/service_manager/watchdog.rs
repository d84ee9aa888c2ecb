//! The sign of life that systemd waits for: given while every thread gets on with its work, and
//! not when a single one hangs.
//!
//! A thread of the real binary hangs because the test stops it alone, as a debugger does.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use service_registry::config::{BackendKind, Config};
use service_registry::server::{Server, Vitals};

use super::Manager;
use crate::support::{
    Client, DEADLINE, Gate, Launch, Registry, ScriptedBackend, Transcript, assert_success,
    embedded_config, port_of, registration, wait_until,
};

/// After this, systemd takes a registry for dead.
const TIMEOUT: Duration = Duration::from_secs(4);

const THREADS: [&str; 7] =
    ["gatekeeper", "guard", "events", "storage", "heartbeats", "requests", "timer"];

/// A thread of another process that does nothing until this is dropped.
struct Stopped(Pid);

impl Stopped {
    #[track_caller]
    fn thread(registry: &Registry, name: &str) -> Self {
        let threads = format!("/proc/{}/task", registry.process_id());
        let thread = fs::read_dir(threads)
            .unwrap()
            .map(|thread| thread.unwrap().path())
            .find(|thread| name_of(thread).is_some_and(|it| it.trim() == name))
            .unwrap_or_else(|| panic!("there is no thread {name}"));
        let id = thread.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let thread = Pid::from_raw(id);
        ptrace::seize(thread, ptrace::Options::empty()).unwrap();
        ptrace::interrupt(thread).unwrap();
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Self(thread)
    }
}

/// None, where it has ended.
fn name_of(thread: &Path) -> Option<String> {
    fs::read_to_string(thread.join("comm")).ok()
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Fails where the process is gone, and then nothing is left to go on.
        let _ = ptrace::detach(self.0, None);
    }
}

#[test]
fn no_sign_of_life_is_given_while_any_thread_hangs_and_one_is_when_it_goes_on() {
    thread::scope(|scope| {
        for name in THREADS {
            scope.spawn(move || assert_watched(Manager::new(), name));
        }
    });
}

#[track_caller]
pub(crate) fn assert_watched(manager: Manager, name: &str) {
    let manager = manager.with_watchdog(TIMEOUT);
    let registry = manager.launch.start();
    manager.waits_for("WATCHDOG=1");

    let stopped = Stopped::thread(&registry, name);
    // What was told before.
    while manager.hears_within(Duration::ZERO).is_some() {}

    let hangs = format!("no work is done in {name}");
    let mut last = Instant::now();
    let mut signs = 0;
    let mut said: Vec<String> = Vec::new();
    while last.elapsed() < TIMEOUT || !said.iter().any(|line| line.contains(&hangs)) {
        assert!(last.elapsed() < DEADLINE, "{name} hangs, and all that is said is {said:?}");
        for line in manager.hears_within(TIMEOUT / 4).into_iter().flatten() {
            if line == "WATCHDOG=1" {
                last = Instant::now();
                signs += 1;
            }
            said.push(line);
        }
        // For the question that it had answered before it was stopped.
        assert!(signs <= 1, "{name} hangs, and yet: {said:?}");
    }
    registry.wait_for_line(&hangs);

    drop(stopped);
    manager.waits_for("WATCHDOG=1");
    registry.stop();
}

#[test]
fn signs_of_life_are_given_and_signals_heeded_where_no_descriptor_is_left() {
    let launch = Launch::new().flag("--limits", "handshake_seconds=3600");
    let manager = Manager::of(launch.descriptor_limits(100, 100)).with_watchdog(TIMEOUT);
    let registry = manager.launch.start();
    let port = port_of(&registry.endpoints().requests);
    // They connect, and say nothing.
    let silent: Vec<TcpStream> =
        (0..120).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    wait_until("all descriptors are taken", || registry.open_descriptors() >= 100);
    // What was told before.
    while manager.hears_within(Duration::ZERO).is_some() {}

    manager.waits_for("WATCHDOG=1");
    registry.signal("HUP");
    manager.waits_for("RELOADING=1");
    manager.waits_for("READY=1");
    registry.signal("TERM");
    manager.waits_for("STOPPING=1");
    registry.wait().assert_code(0);
    drop(silent);
}

#[test]
fn a_commit_that_hangs_makes_the_storage_thread_silent_and_no_other() {
    let gate = Gate::default();
    let config = Config { backend: BackendKind::Memory, ..embedded_config() };
    let backend = Box::new(ScriptedBackend::behind(&gate));
    let server = Server::start_with_backend(config, backend).unwrap();
    let vitals = server.vitals();
    assert_answers(&vitals, &[]);

    gate.close();
    let client = Client::connect(&server.endpoints().requests, &Transcript::default());
    client.send(&registration("psu-1", "PSU"));
    gate.wait_for_arrival();
    assert_answers(&vitals, &["storage"]);
    gate.open();
    assert_success(&client.receive());

    assert_answers(&vitals, &[]);
    assert_eq!(vitals.services(), 1);
    server.stop().unwrap();
}

/// Asked for a sign of life, all threads but these give one.
#[track_caller]
fn assert_answers(vitals: &Vitals, silent: &[&str]) {
    vitals.ask();
    let started = Instant::now();
    while vitals.silent() != silent {
        assert!(started.elapsed() < DEADLINE, "silent: {:?}", vitals.silent());
        thread::yield_now();
    }
}
