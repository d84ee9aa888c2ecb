//! A disk that takes no more: the registry refuses what it cannot keep, and nothing else.
//!
//! The disk is filled by a limit on the size of files, which every user may set on a process.

use serde_json::Value;

use crate::support::{Client, Launch, assert_refused, assert_success, ids, registration_of_size};

/// In blocks of 512 bytes: room for the empty database and its log, and some services.
const LIMIT_BLOCKS: u32 = 380;

/// A limit in whose room the log is begun anew again and again: as much as is written while a
/// subscription becomes active does not fill it, however long that takes.
const AMPLE_LIMIT_BLOCKS: u32 = 10_240;

/// A registration that is larger than that.
const LARGE: usize = 6 << 20;

/// A registration of which a dozen or so are larger than the limit.
const MEDIUM: usize = 10 * 1_024;

#[track_caller]
fn assert_storage_failed(reply: &Value) {
    assert_refused(reply, "storage_failed", &["Failed to register service"]);
    let message = reply["message"].as_str().unwrap_or_default();
    assert!(message.contains("service_registry.db"), "{message:?} does not name the file");
}

/// Registers until the disk is full; returns the ids that were accepted.
#[track_caller]
fn fill(client: &Client) -> Vec<String> {
    let mut accepted = Vec::new();
    for number in 0..100 {
        let id = format!("dev-{number}");
        let reply = client.request(&registration_of_size(&id, MEDIUM));
        if reply["success"] == false {
            assert_storage_failed(&reply);
            return accepted;
        }
        accepted.push(id);
    }
    panic!("the disk does not get full");
}

#[test]
fn a_registration_that_does_not_fit_is_refused_and_the_next_that_fits_is_kept() {
    let limits = "message_bytes=8388608,service_bytes=8388608";
    let launch = Launch::new().flag("--limits", limits).file_size_limit(AMPLE_LIMIT_BLOCKS);
    let registry = launch.start();
    let client = registry.client();
    let mut subscriber = registry.subscriber();
    client.register("before", "BEFORE");
    subscriber.all_until_now();
    let list = client.list();

    assert_storage_failed(&client.request(&registration_of_size("large", LARGE)));

    assert_eq!(client.list(), list);
    assert_eq!(client.get("large")["success"], false);
    assert!(subscriber.all_until_now().is_empty());
    client.register("after", "AFTER");
    assert_eq!(ids(&client.list()), ["before", "after"]);

    registry.stop();
    let registry = launch.without_file_size_limit().start();
    assert_eq!(ids(&registry.client().list()), ["before", "after"]);
}

#[test]
fn on_a_full_disk_reads_and_heartbeats_go_on() {
    let registry =
        Launch::new().file_size_limit(LIMIT_BLOCKS).flag("--cleanup-interval", "0.1").start();
    let client = registry.client();
    let heart = registry.heartbeat_client();
    client.register("first", "FIRST");

    let accepted = fill(&client);

    assert!(!accepted.is_empty());
    for _ in 0..20 {
        assert_success(&client.get("first"));
        assert_success(&client.discover("FIRST"));
        assert_success(&client.renew("first"));
        assert_success(&heart.renew("first"));
        assert_success(&client.health());
        assert_eq!(ids(&client.list()).len(), accepted.len() + 1);
        let reply = client.request(&registration_of_size("one-more", MEDIUM));
        assert_storage_failed(&reply);
    }
    registry.wait_for_line("could not store changes");
}

#[test]
fn after_a_full_disk_a_restart_finds_all_that_was_accepted_and_nothing_that_was_refused() {
    let launch = Launch::new().file_size_limit(LIMIT_BLOCKS);
    let registry = launch.start();
    let accepted = fill(&registry.client());

    registry.kill();
    let registry = launch.without_file_size_limit().start();

    let client = registry.client();
    assert_eq!(ids(&client.list()), accepted);
    client.register("more", "MORE");
    assert_success(&client.get("more"));
}
