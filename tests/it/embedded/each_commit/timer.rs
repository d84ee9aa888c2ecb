//! The commits that no client asks for, expiries and heartbeats, when they fail or take their time.

use std::path::Path;
use std::time::Duration;

use service_registry::backend::{Backend, Record, SqliteBackend};
use service_registry::config::Config;
use service_registry::service::ServiceId;

use super::{Countdown, FILE, Fate, Fateful, Truth, about, assert_stored, file_with};
use crate::support::{
    Embedded, Gate, assert_success, embedded_config, ids, unix_seconds, wait_until,
};

/// What the timer asks to store of the two services that are found at its start.
fn expires_brief(records: &[Record<'_>]) -> bool {
    records.iter().any(|record| matches!(record, Record::Removed { id } if id.as_str() == "brief"))
}

fn renews_steady(records: &[Record<'_>]) -> bool {
    let is_it = |id: &ServiceId| id.as_str() == "steady";
    records.iter().any(|record| matches!(record, Record::Renewed { id, .. } if is_it(id)))
}

/// In seconds. Long enough to subscribe before it is over.
const BRIEF: u32 = 4;

/// A registry that finds a service of a brief ttl and one of an hour, both unheard.
fn start_with_timer(
    folder: &Path,
    counts: fn(&[Record<'_>]) -> bool,
    fate: Fate,
) -> (Embedded, Countdown) {
    let countdown = Countdown::default();
    let database = file_with(folder, &[("brief", BRIEF), ("steady", 3_600)]);
    let backend = Fateful { database, counts, countdown: countdown.clone(), fate };
    countdown.arm(1);
    let cleanup_interval = Duration::from_secs(1);
    let server = Embedded::start_with(Config { cleanup_interval, ..embedded_config() }, backend);
    (server, countdown)
}

#[test]
fn an_expiry_that_fails_leaves_a_service_that_can_heal_and_expires_it_later_once() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Gate::default();
    disk.close();
    let fate = Fate::FailsWhileClosed(disk.clone());
    let (server, countdown) = start_with_timer(folder.path(), expires_brief, fate);
    let (client, heart) = (server.client(), server.heartbeat_client());
    let mut subscriber = server.subscriber();
    subscriber.all_until_now();

    wait_until("an expiry fails", || countdown.left() == 0);
    wait_until("it heals", || {
        assert_success(&heart.renew("brief"));
        client.discover("BRIEF")["success"] == true
    });
    assert!(subscriber.all_until_now().is_empty(), "nothing has expired");
    disk.open();
    let event = subscriber.next();

    assert_eq!(about(&event), ("expire".to_owned(), "brief".to_owned()));
    assert_eq!(ids(&client.list()), ["steady"]);
    assert!(subscriber.all_until_now().is_empty(), "it expires once");
    server.stop().unwrap();
    let truth = Truth { services: vec!["steady".to_owned()], ..Truth::default() };
    assert_stored(folder.path(), &truth, "an expiry failed");
}

#[test]
fn an_expiry_that_stalls_is_told_to_nobody_before_it_is_stored_and_nobody_else_waits() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    gate.close();
    let (server, _) = start_with_timer(folder.path(), expires_brief, Fate::WaitsAt(gate.clone()));
    let (client, heart) = (server.client(), server.heartbeat_client());
    let mut subscriber = server.subscriber();
    subscriber.all_until_now();

    gate.wait_for_arrival();
    assert_eq!(ids(&client.list()), ["brief", "steady"]);
    assert_success(&heart.renew("steady"));
    assert_success(&client.discover("STEADY"));
    assert!(subscriber.received().is_none());
    gate.open();

    assert_eq!(about(&subscriber.next()), ("expire".to_owned(), "brief".to_owned()));
    assert_eq!(ids(&client.list()), ["steady"]);
    server.stop().unwrap();
}

#[test]
fn heartbeats_whose_commit_fails_are_stored_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (server, countdown) = start_with_timer(folder.path(), renews_steady, Fate::Fails);
    let heart = server.heartbeat_client();
    let before = unix_seconds();

    assert_success(&heart.renew("steady"));
    wait_until("the commit fails", || countdown.left() == 0);
    wait_until("the next one stores it", || countdown.stored() > 0);
    server.stop().unwrap();

    let found = SqliteBackend::open(&folder.path().join(FILE)).unwrap().load().unwrap();
    let steady = found.iter().find(|stored| stored.service.id.as_str() == "steady").unwrap();
    assert!(steady.last_heartbeat.unix_seconds() >= before);
}
