//! A backend that cannot commit: the writes of that batch are refused with its reason, and
//! nothing else happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use service_registry::backend::BackendError;

use crate::support::{
    Embedded, Gate, ScriptedBackend, assert_refused, assert_success, ids, registration,
    short_lived, whole_number,
};

const REASON: &str = "the disk is full";

/// How many of the next commits fail.
#[derive(Clone, Default)]
struct Trouble(Arc<AtomicU32>);

impl Trouble {
    fn of_the_next(&self, commits: u32) {
        self.0.store(commits, Ordering::SeqCst);
    }

    fn left(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }

    /// A backend that has this trouble with registrations and removals.
    fn backend(&self) -> ScriptedBackend {
        let left = Arc::clone(&self.0);
        ScriptedBackend::new(move |commit| {
            let fails = |count: u32| count.checked_sub(1);
            let in_trouble = commit.is_of_writes()
                && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails).is_ok();
            if in_trouble { Err(BackendError::new(REASON)) } else { Ok(()) }
        })
    }
}

#[track_caller]
fn assert_storage_failed(reply: &Value, error: &str) {
    assert_refused(reply, "storage_failed", &[error]);
    let message = reply["message"].as_str().unwrap_or_default();
    assert!(message.contains(REASON), "{message:?} does not give the reason");
}

#[test]
fn a_registration_whose_commit_fails_is_refused_with_the_reason_and_leaves_no_trace() {
    let trouble = Trouble::default();
    let server = Embedded::start(trouble.backend());
    let client = server.client();
    let mut subscriber = server.subscriber();
    client.register("old", "OLD");
    subscriber.all_until_now();
    let before = client.list();

    trouble.of_the_next(1);
    let reply = client.request(&registration("new", "NEW"));

    assert_storage_failed(&reply, "Failed to register service");
    assert_eq!(client.list(), before, "neither a service nor a number is taken");
    assert_eq!(client.get("new")["success"], false);
    assert_eq!(client.discover("NEW")["success"], false);
    let events = subscriber.all_until_now();
    assert!(events.is_empty(), "{events:?}");
}

#[test]
fn the_registry_recovers_when_its_backend_does() {
    let trouble = Trouble::default();
    let server = Embedded::start(trouble.backend());
    let client = server.client();
    let heart = server.heartbeat_client();
    let mut subscriber = server.subscriber();
    client.register("old", "OLD");
    let before = whole_number(&client.list()["seq"]);
    subscriber.all_until_now();

    trouble.of_the_next(3);
    for _ in 0..3 {
        let reply = client.request(&registration("new", "NEW"));
        assert_storage_failed(&reply, "Failed to register service");
        assert_success(&client.get("old"));
        assert_success(&client.discover("OLD"));
        assert_success(&client.renew("old"));
        assert_success(&heart.renew("old"));
    }
    client.register("new", "NEW");

    let events = subscriber.all_until_now();
    let abouts: Vec<_> = events.iter().map(|event| event.about()).collect();
    assert_eq!(abouts, [("register", "new")]);
    // The two numbers between are those of the subscriber's probe.
    assert_eq!(whole_number(&events[0].body["seq"]), before + 3);
    assert_eq!(ids(&client.list()), ["old", "new"]);
}

#[test]
fn a_deregistration_whose_commit_fails_leaves_the_service() {
    let trouble = Trouble::default();
    let server = Embedded::start(trouble.backend());
    let client = server.client();
    let mut subscriber = server.subscriber();
    client.register("old", "OLD");
    subscriber.all_until_now();
    let before = client.list();

    trouble.of_the_next(1);
    let reply = client.deregister("old");

    assert_storage_failed(&reply, "Service not found or could not be deregistered");
    assert_eq!(client.list(), before);
    assert_success(&client.discover("OLD"));
    assert!(subscriber.all_until_now().is_empty());
    assert_success(&client.deregister("old"));
}

#[test]
fn a_replacement_whose_commit_fails_leaves_the_old_entry() {
    let trouble = Trouble::default();
    let server = Embedded::start(trouble.backend());
    let client = server.client();
    client.register("dev", "OLD");
    let before = client.list();

    trouble.of_the_next(1);
    let reply = client.request(&registration("dev", "NEW"));

    assert_storage_failed(&reply, "Failed to register service");
    assert_eq!(client.list(), before);
    assert_success(&client.discover("OLD"));
    assert_eq!(client.discover("NEW")["success"], false);
}

#[test]
fn an_expired_service_that_could_not_be_removed_can_still_be_heard() {
    let trouble = Trouble::default();
    let server = Embedded::start(trouble.backend());
    let client = server.client();
    let mut subscriber = server.subscriber();
    assert_success(&client.request(&short_lived("old", "T", 1)));
    client.wait_until_critical("old");
    subscriber.all_until_now();

    trouble.of_the_next(1);
    let reply = client.request(&registration("new", "T"));

    assert_storage_failed(&reply, "Failed to register service");
    assert!(subscriber.all_until_now().is_empty());
    assert_success(&client.renew("old"));
    assert_eq!(client.discover("T")["service"]["id"], "old");
    assert_eq!(client.request(&registration("new", "T"))["existing_service_id"], "old");
}

#[test]
fn an_expiry_whose_commit_fails_is_tried_again_and_published_once() {
    let trouble = Trouble::default();
    let server = Embedded::start_cleaning_up_every_second(trouble.backend());
    let client = server.client();
    let mut subscriber = server.subscriber();
    assert_success(&client.request(&short_lived("old", "T", 1)));
    assert_eq!(subscriber.next().about(), ("register", "old"));

    trouble.of_the_next(1);
    let event = subscriber.next();

    assert_eq!(event.about(), ("expire", "old"));
    assert_eq!(trouble.left(), 0, "the first attempt failed");
    assert!(subscriber.all_until_now().is_empty());
    assert_eq!(client.get("old")["success"], false);
}

#[test]
fn all_writes_of_a_failed_batch_are_refused_and_the_rest_of_it_is_answered() {
    let gate = Gate::default();
    let at_gate = gate.clone();
    let backend = ScriptedBackend::new(move |commit| {
        at_gate.pass();
        let is_of_the_batch = commit.stored.iter().any(|id| id == "a");
        if is_of_the_batch { Err(BackendError::new(REASON)) } else { Ok(()) }
    });
    let server = Embedded::start(backend);
    let other = server.client();
    other.register("old", "OLD");

    // The first commit waits and succeeds; the batch that gathers behind it fails.
    gate.close();
    let first = server.client();
    first.send(&registration("first", "FIRST"));
    gate.wait_for_arrival();
    let batch = server.client();
    batch.send(&registration("a", "A"));
    batch.send(&registration("c", "C"));
    batch.send(&json!({"action": "get", "service_id": "a"}));
    batch.send(&json!({"action": "get", "service_id": "old"}));
    other.wait_for_jobs(5);
    gate.open();

    assert_success(&first.receive());
    assert_storage_failed(&batch.receive(), "Failed to register service");
    assert_storage_failed(&batch.receive(), "Failed to register service");
    assert_eq!(batch.receive()["error"], "Service not found");
    assert_success(&batch.receive());
    assert_eq!(ids(&other.list()), ["old", "first"]);
}
