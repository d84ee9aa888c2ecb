//! While a commit waits for the disk: what is not committed is not answered, not seen and not
//! published, and whoever asks or sends a heartbeat does not notice.
//!
//! No test here measures a time. An answer that is received while the gate is closed did not
//! wait for the gate.

use serde_json::json;

use crate::support::{
    Client, Embedded, Gate, Journal, ScriptedBackend, assert_success, ids, registration,
    whole_number,
};

/// A server with one service, `old`, of the type `OLD`, and a gate before its backend.
struct Behind {
    server: Embedded,
    gate: Gate,
    journal: Journal,
}

impl Behind {
    fn start() -> Self {
        let gate = Gate::default();
        let backend = ScriptedBackend::behind(&gate);
        let journal = backend.journal();
        let server = Embedded::start(backend);
        server.client().register("old", "OLD");
        Self { server, gate, journal }
    }

    /// Closes the gate and sends a registration of `new` that stands before it.
    #[track_caller]
    fn registering(&self) -> Client {
        self.gate.close();
        let client = self.server.client();
        client.send(&registration("new", "NEW"));
        self.gate.wait_for_arrival();
        client
    }
}

#[test]
fn a_registration_is_answered_and_seen_and_published_only_after_its_commit() {
    let behind = Behind::start();
    let subscriber = behind.server.subscriber();
    let other = behind.server.client();
    let before = other.list();

    let registering = behind.registering();

    for _ in 0..20 {
        assert_eq!(other.get("new")["error"], "Service not found");
        assert_eq!(other.discover("NEW")["success"], false);
        assert_eq!(other.list(), before);
        assert_eq!(other.renew("new")["success"], false);
    }
    assert!(subscriber.received().is_none(), "it is published before it is committed");
    assert_eq!(registering.received(), None, "it is answered before it is committed");

    behind.gate.open();

    assert_eq!(registering.receive()["service_id"], "new");
    assert_eq!(subscriber.next().about(), ("register", "new"));
    assert_eq!(ids(&other.list()), ["old", "new"]);
}

#[test]
fn a_backup_holds_up_no_answer_to_what_was_stored_before_it() {
    let (gate, backups) = (Gate::default(), Gate::default());
    let backend = ScriptedBackend::behind(&gate).backing_up_behind(&backups);
    let server = Embedded::start(backend);
    let (first, client) = (server.client(), server.client());
    gate.close();
    first.send(&registration("first", "FIRST"));
    gate.wait_for_arrival();
    client.send(&registration("new", "NEW"));
    client.send(&json!({"action": "backup", "destination": "/backup.db"}));
    // With `first`, they are three, and the two behind it will be of one turn.
    server.client().wait_for_jobs(3);

    backups.close();
    gate.open();

    assert_eq!(client.receive()["service_id"], "new");
    assert_eq!(client.received(), None, "the backup is not made yet");
    backups.open();
    assert_success(&client.receive());
}

#[test]
fn a_deregistration_takes_effect_only_after_its_commit() {
    let behind = Behind::start();
    let subscriber = behind.server.subscriber();
    let other = behind.server.client();

    behind.gate.close();
    let leaving = behind.server.client();
    leaving.send(&json!({"action": "deregister", "service_id": "old"}));
    behind.gate.wait_for_arrival();

    assert_success(&other.get("old"));
    assert_success(&other.discover("OLD"));
    assert!(subscriber.received().is_none());
    assert_eq!(leaving.received(), None);

    behind.gate.open();

    assert_success(&leaving.receive());
    assert_eq!(subscriber.next().about(), ("deregister", "old"));
    assert_eq!(other.get("old")["success"], false);
}

#[test]
fn reads_and_renewals_of_other_clients_are_answered_while_a_commit_blocks() {
    let behind = Behind::start();
    let other = behind.server.client();

    let registering = behind.registering();

    for _ in 0..50 {
        assert_eq!(other.discover("OLD")["service"]["id"], "old");
        assert_eq!(other.get("old")["service"]["id"], "old");
        assert_eq!(ids(&other.list()), ["old"]);
        assert_eq!(ids(&other.info()), ["old"]);
        assert_eq!(other.health()["status"], "ok");
        assert_success(&other.renew("old"));
        assert_eq!(other.request(&json!({"action": "nothing"}))["code"], "unknown_action");
    }
    assert_eq!(registering.received(), None, "the gate is still closed");

    behind.gate.open();
    assert_success(&registering.receive());
}

#[test]
fn heartbeats_are_answered_while_a_commit_blocks() {
    let behind = Behind::start();
    let heart = behind.server.heartbeat_client();

    let registering = behind.registering();

    for _ in 0..50 {
        assert_success(&heart.renew("old"));
        assert_eq!(heart.renew("nobody")["success"], false);
    }
    assert_eq!(registering.received(), None, "the gate is still closed");

    behind.gate.open();
    assert_success(&registering.receive());
}

#[test]
fn a_read_behind_a_write_of_its_own_client_waits_with_it() {
    let behind = Behind::start();
    let other = behind.server.client();

    let client = behind.registering();
    client.send(&json!({"action": "get", "service_id": "new"}));
    client.send(&json!({"action": "health"}));
    other.wait_for_jobs(3);
    assert_success(&other.health());

    assert_eq!(client.received(), None, "an answer overtakes the one before it");

    behind.gate.open();

    assert_eq!(client.receive()["service_id"], "new");
    assert_eq!(client.receive()["service"]["id"], "new");
    assert_eq!(client.receive()["status"], "ok");
}

#[test]
fn registrations_that_come_while_a_commit_blocks_share_the_next_one() {
    let behind = Behind::start();
    let other = behind.server.client();
    let before = behind.journal.writes().len();

    let registering = behind.registering();
    let clients: Vec<Client> = (0..40).map(|_| behind.server.client()).collect();
    for (number, client) in clients.iter().enumerate() {
        client.send(&registration(&format!("dev-{number}"), ""));
    }
    other.wait_for_jobs(41);
    behind.gate.open();

    assert_success(&registering.receive());
    for (number, client) in clients.iter().enumerate() {
        assert_eq!(client.receive()["service_id"], format!("dev-{number}"));
    }
    let commits = behind.journal.writes();
    let sizes: Vec<usize> = commits[before..].iter().map(|commit| commit.stored.len()).collect();
    assert_eq!(sizes, [1, 40]);
}

#[test]
fn two_registrations_of_one_type_in_one_batch_do_not_both_get_it() {
    let behind = Behind::start();
    let subscriber = behind.server.subscriber();
    let other = behind.server.client();

    let registering = behind.registering();
    let client = behind.server.client();
    client.send(&registration("first", "RARE"));
    client.send(&registration("second", "RARE"));
    client.send(&json!({"action": "deregister", "service_id": "first"}));
    client.send(&registration("third", "RARE"));
    other.wait_for_jobs(5);
    behind.gate.open();

    assert_success(&registering.receive());
    assert_success(&client.receive());
    assert_eq!(client.receive()["existing_service_id"], "first");
    assert_success(&client.receive());
    assert_success(&client.receive());
    assert_eq!(ids(&other.list()), ["old", "new", "third"]);
    let events: Vec<_> = (0..4).map(|_| subscriber.next()).collect();
    let abouts: Vec<_> = events.iter().map(|event| event.about()).collect();
    assert_eq!(
        abouts,
        [
            ("register", "new"),
            ("register", "first"),
            ("deregister", "first"),
            ("register", "third")
        ]
    );
    let numbers: Vec<u64> = events.iter().map(|event| whole_number(&event.body["seq"])).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}
