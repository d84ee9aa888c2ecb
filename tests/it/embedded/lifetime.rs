//! How an embedded server starts and ends: in good order, or by a fault that is told.

use serde_json::json;
use service_registry::backend::{Backend, BackendError, Record, StoredService};
use service_registry::config::{BackendKind, Config};
use service_registry::server::Server;

use crate::support::{
    Embedded, Gate, ReservedPort, ScriptedBackend, Transcript, assert_success, embedded_config,
    registration, registration_of_size,
};

/// So large that the events of hundreds of them do not fit into the buffers of a connection.
const LARGE: usize = 20_000;

#[test]
fn what_was_accepted_before_a_stop_is_committed_answered_and_published() {
    let gate = Gate::default();
    let backend = ScriptedBackend::behind(&gate);
    let journal = backend.journal();
    let server = Embedded::start(backend);
    let subscriber = server.subscriber();
    let client = server.client();

    gate.close();
    client.send(&registration("late", "LATE"));
    client.send(&json!({"action": "get", "service_id": "late"}));
    gate.wait_for_arrival();
    server.client().wait_for_jobs(2);
    let stopping = server.stop_in_background();
    assert_eq!(client.received(), None, "it is answered before it is committed");
    gate.open();

    stopping.wait().unwrap();
    assert_eq!(client.receive()["service_id"], "late");
    assert_eq!(client.receive()["service"]["id"], "late");
    assert_eq!(subscriber.next().about(), ("register", "late"));
    assert_eq!(journal.writes().last().unwrap().stored, ["late"]);
    assert!(journal.is_closed());
}

#[test]
fn a_long_queue_is_answered_and_published_to_its_end_before_the_server_is_gone() {
    let gate = Gate::default();
    let server = Embedded::start(ScriptedBackend::behind(&gate));
    let subscriber = server.subscriber();
    let other = server.client();
    let clients: Vec<_> = (0..10).map(|_| server.client()).collect();
    // Not so many that a busy machine needs the half second in which all must leave.
    let per_client = 20;

    gate.close();
    for (number, client) in clients.iter().enumerate() {
        for turn in 0..per_client {
            client.send(&registration_of_size(&format!("dev-{number}-{turn}"), LARGE));
        }
    }
    gate.wait_for_arrival();
    other.wait_for_jobs(10 * per_client);
    let stopping = server.stop_in_background();
    gate.open();
    stopping.wait().unwrap();

    for (number, client) in clients.iter().enumerate() {
        for turn in 0..per_client {
            assert_eq!(client.receive()["service_id"], format!("dev-{number}-{turn}"));
        }
    }
    for _ in 0..10 * per_client {
        assert_eq!(subscriber.next().topic, "register");
    }
}

#[test]
fn terminate_is_answered_behind_what_its_client_asked_before() {
    let gate = Gate::default();
    let backend = ScriptedBackend::behind(&gate);
    let journal = backend.journal();
    let server = Embedded::start(backend);
    let client = server.client();

    gate.close();
    client.send(&registration("last", "LAST"));
    client.send(&json!({"action": "terminate"}));
    gate.wait_for_arrival();
    gate.open();

    server.wait().unwrap();
    assert_eq!(client.receive()["service_id"], "last");
    assert_eq!(client.receive()["status"], "terminating");
    assert!(journal.is_closed());
}

/// Panics at a registration, and expects that the server ends with this as its reason.
#[track_caller]
fn assert_ends_by_panic() {
    let gate = Gate::default();
    let at_gate = gate.clone();
    let backend = ScriptedBackend::new(move |_| {
        at_gate.pass();
        panic!("the backend is broken")
    });
    let journal = backend.journal();
    let server = Embedded::start(backend);
    gate.close();
    let clients: Vec<_> = (0..5).map(|_| server.client()).collect();
    for (number, client) in clients.iter().enumerate() {
        client.send(&registration(&format!("dev-{number}"), ""));
        client.send(&json!({"action": "list"}));
    }
    gate.wait_for_arrival();
    gate.open();

    let error = server.wait().unwrap_err().to_string();

    assert!(error.contains("the storage thread"), "{error}");
    assert!(error.contains("the backend is broken"), "{error}");
    assert!(clients.iter().all(|client| client.received().is_none()));
    assert!(journal.commits().is_empty());
}

#[test]
fn a_thread_that_panics_ends_the_server_with_its_name_and_reason() {
    // When a thread is gone the others end as well, and must not be taken for the reason. Which
    // of them is heard first differs, so this is tried some times.
    for _ in 0..20 {
        assert_ends_by_panic();
    }
}

/// Cannot do the one thing that `fails` names.
struct Broken {
    fails: &'static str,
}

impl Broken {
    fn attempt(&self, what: &str) -> Result<(), BackendError> {
        if self.fails == what { Err(BackendError::new("the cellar is flooded")) } else { Ok(()) }
    }
}

impl Backend for Broken {
    fn load(&mut self) -> Result<Vec<StoredService>, BackendError> {
        self.attempt("load").map(|()| Vec::new())
    }

    fn commit(&mut self, _records: &[Record<'_>]) -> Result<(), BackendError> {
        self.attempt("commit")
    }

    fn close(self: Box<Self>) -> Result<(), BackendError> {
        self.attempt("close")
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn a_backend_that_cannot_load_keeps_the_server_from_starting() {
    let started = Server::start_with_backend(embedded_config(), Box::new(Broken { fails: "load" }));

    let error = chain(&started.unwrap_err());
    assert!(error.contains("the cellar is flooded"), "{error}");
}

#[test]
fn a_backend_that_cannot_close_is_told_at_the_end() {
    let backend = Box::new(Broken { fails: "close" });
    let server = Server::start_with_backend(embedded_config(), backend).unwrap();

    let error = chain(&server.stop().unwrap_err());

    assert!(error.contains("the cellar is flooded"), "{error}");
}

#[test]
fn a_server_in_memory_needs_no_file_and_two_do_not_meet() {
    let config = Config { backend: BackendKind::Memory, ..embedded_config() };
    let first = Server::start(config.clone()).unwrap();
    let second = Server::start(config).unwrap();
    let transcript = Transcript::default();
    let client = |server: &Server| {
        crate::support::Client::connect(&server.endpoints().requests, &transcript)
    };

    client(&first).register("dev", "DEV");

    assert_success(&client(&first).get("dev"));
    assert_eq!(client(&second).get("dev")["success"], false);
    first.stop().unwrap();
    second.stop().unwrap();
}

#[test]
fn a_server_whose_port_is_taken_does_not_start_and_leaves_nothing_behind() {
    let port = ReservedPort::new();
    let taken = port.number();
    let config = Config { hb_port: taken, ..embedded_config() };
    let start =
        || Server::start_with_backend(config.clone(), Box::new(ScriptedBackend::new(|_| Ok(()))));
    let first = start().unwrap();

    let second = start();

    let error = second.unwrap_err().to_string();
    assert!(error.contains(&format!("tcp://127.0.0.1:{taken}")), "{error}");
    first.stop().unwrap();
    start().unwrap().stop().unwrap();
}

#[test]
fn stopping_twice_is_stopping_once() {
    let server = Embedded::start(ScriptedBackend::new(|_| Ok(())));
    let handle = server.stop_handle();

    handle.stop();
    handle.stop();

    server.wait().unwrap();
    handle.stop();
}
