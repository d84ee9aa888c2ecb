//! Heartbeats are answered from memory and kept together, many in one commit.

use std::collections::BTreeSet;

use serde_json::json;
use service_registry::backend::{BackendError, StoredService};
use service_registry::clock::WallTime;
use service_registry::service::{Parts, Service, ServiceId, Ttl};

use crate::support::{
    Commit, Embedded, ScriptedBackend, assert_success, unix_seconds, whole_number,
};

/// How long ago the services of these tests were heard, so that every heartbeat is news.
const AGE: u64 = 60;

fn found(id: &str) -> StoredService {
    let parts =
        Parts { ttl: Ttl::from_seconds(3_600).unwrap(), ..Parts::new(id, "127.0.0.1", 6110) };
    let id = ServiceId::new(id).unwrap();
    let service = Service { id, description: parts.into(), owner: None };
    StoredService { service, last_heartbeat: WallTime::from_unix_seconds(unix_seconds() - AGE) }
}

fn renewed(commits: &[Commit]) -> Vec<&str> {
    commits.iter().flat_map(|commit| &commit.renewed).map(String::as_str).collect()
}

#[test]
fn the_heartbeats_of_a_tick_share_a_commit() {
    let names: Vec<String> = (0..100).map(|number| format!("dev-{number}")).collect();
    let backend =
        ScriptedBackend::new(|_| Ok(())).with_found(names.iter().map(|id| found(id)).collect());
    let journal = backend.journal();
    let server = Embedded::start_cleaning_up_every_second(backend);
    let client = server.client();
    let heart = server.heartbeat_client();

    for (number, id) in names.iter().enumerate() {
        let reply = if number % 2 == 0 { heart.renew(id) } else { client.renew(id) };
        assert_success(&reply);
    }
    journal.wait_until(|commits| renewed(commits).len() >= names.len());

    let commits = journal.commits();
    let stored: BTreeSet<&str> = renewed(&commits).into_iter().collect();
    assert_eq!(stored, names.iter().map(String::as_str).collect());
    // A tick may come in the middle of the hundred, on a busy machine more than one; one commit for
    // each would be a hundred.
    assert!(commits.len() <= names.len() / 4, "{} commits", commits.len());
}

#[test]
fn a_heartbeat_is_seen_at_once() {
    let backend = ScriptedBackend::new(|_| Ok(())).with_found(vec![found("dev")]);
    let server = Embedded::start(backend);
    let client = server.client();
    let before = whole_number(&client.get("dev")["service"]["last_heartbeat"]);

    assert_success(&server.heartbeat_client().renew("dev"));

    let after = whole_number(&client.get("dev")["service"]["last_heartbeat"]);
    assert!(before + AGE <= after, "{before} is followed by {after}");
}

#[test]
fn heartbeats_that_no_tick_has_stored_are_stored_before_the_backend_is_closed() {
    let backend = ScriptedBackend::new(|_| Ok(())).with_found(vec![found("a"), found("b")]);
    let journal = backend.journal();
    let server = Embedded::start(backend);
    assert_success(&server.heartbeat_client().renew("b"));
    assert!(journal.commits().is_empty());

    server.stop().unwrap();

    assert_eq!(renewed(&journal.commits()), ["b"]);
    assert!(journal.is_closed());
}

#[test]
fn heartbeats_whose_commit_fails_are_stored_by_a_later_one() {
    let mut failures = 2;
    let backend = ScriptedBackend::new(move |_| {
        failures -= 1;
        if failures >= 0 { Err(BackendError::new("the disk is full")) } else { Ok(()) }
    });
    let backend = backend.with_found(vec![found("a"), found("b")]);
    let journal = backend.journal();
    let server = Embedded::start_cleaning_up_every_second(backend);
    let heart = server.heartbeat_client();

    assert_success(&heart.renew("a"));
    assert_success(&heart.renew("b"));
    journal.wait_until(|commits| renewed(commits).len() >= 2);

    let commits = journal.commits();
    let mut stored = renewed(&commits);
    stored.sort_unstable();
    assert_eq!(stored, ["a", "b"]);
}

#[test]
fn a_deregistered_service_has_no_heartbeat_to_store() {
    let backend = ScriptedBackend::new(|_| Ok(())).with_found(vec![found("dev")]);
    let journal = backend.journal();
    let server = Embedded::start(backend);
    let client = server.client();
    assert_success(&client.renew("dev"));

    assert_success(&client.deregister("dev"));
    assert_eq!(client.renew("dev")["success"], json!(false));
    server.stop().unwrap();

    let commits = journal.commits();
    assert_eq!(commits.last().unwrap().removed, ["dev"]);
}
