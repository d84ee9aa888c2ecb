//! Clients of a registry that has gone, hangs, or never was: they say so in time, they go without
//! waiting for it, and they find it when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use service_registry::client::{
    HeartbeatState, Host, RefusalCode, Registration, RegistryClient, RegistryEndpoints,
};

use super::stub::{Stub, out_of_contact};
use crate::support::{DEADLINE, Place};

/// Whoever waits for an answer that does not come waits for so long: much longer than anything
/// takes that is done at once.
const LONG: Duration = Duration::from_secs(600);

/// How long a registry that is there may take to answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(2);

fn camera() -> Registration {
    Registration::new("Camera", "localhost", 6_110).ttl(6)
}

#[track_caller]
fn assert_dropped_at_once(client: RegistryClient) {
    let started = Instant::now();

    drop(client);

    assert!(started.elapsed() < DEADLINE, "it took {:?}", started.elapsed());
}

/// Asks a registry that does not answer, and drops the client.
#[track_caller]
fn assert_asks_in_vain_and_is_dropped_at_once(host: &str) {
    let host: Host = host.parse().unwrap();
    let client = RegistryClient::with_endpoints(RegistryEndpoints::on_host(&host));

    let started = Instant::now();
    let error = client.list_services(None).unwrap_err();

    assert!(error.is_unreachable(), "{error}");
    assert!(started.elapsed() < DEADLINE, "it took {:?}", started.elapsed());
    assert_dropped_at_once(client);
}

/// A client whose heartbeats have just not been answered for the first time.
#[track_caller]
fn late_client(place: &Place, lose: impl FnOnce()) -> RegistryClient {
    let client = place.builder().request_timeout(LONG).health_timeout(PATIENCE).build();
    client.register(&camera()).unwrap();
    let changes = client.heartbeat_changes();
    client.start_heartbeat().unwrap();
    assert_eq!(changes.recv_timeout(DEADLINE), Ok(HeartbeatState::Starting));
    assert_eq!(changes.recv_timeout(DEADLINE), Ok(HeartbeatState::Healthy));
    lose();
    let late = changes.recv_timeout(DEADLINE);
    assert!(matches!(late, Ok(HeartbeatState::Late { .. })), "{late:?}");
    client
}

#[test]
fn a_client_is_dropped_at_once_while_the_registry_is_gone() {
    let (place, registry) = Place::start();

    let client = late_client(&place, || registry.kill());
    assert!(client.health_check().unwrap_err().is_unreachable());

    assert_dropped_at_once(client);
}

#[test]
fn a_client_is_dropped_at_once_while_the_registry_hangs() {
    let (place, registry) = Place::start();

    let client = late_client(&place, || registry.signal("STOP"));
    assert!(client.health_check().unwrap_err().is_unreachable());

    assert_dropped_at_once(client);
}

#[test]
fn a_client_is_dropped_at_once_while_it_waits_to_be_registered_again() {
    let registry = Stub::bind();
    let client = registry.builder().request_timeout(LONG).build();
    let registering = thread::spawn(move || {
        client.register(&camera()).unwrap();
        client.start_heartbeat().unwrap();
        client
    });
    let registered = json!({"success": true, "service_id": "camera-1"});
    registry.answer(&registry.question(), &registered);
    let client = registering.join().unwrap();
    let forgotten = json!({"success": false, "code": "service_not_found"});
    registry.answer_heartbeat(&registry.heartbeat(), &forgotten);

    let unanswered = registry.question();

    assert_eq!(unanswered.body["service_info"]["id"], "camera-1");
    assert_dropped_at_once(client);
}

#[test]
fn the_first_request_to_a_registry_that_came_back_is_answered() {
    let (place, registry) = Place::start();
    // Of two kinds of requests that go over one connection, one is waited for as long as the tests
    // wait for anything.
    let client = place.builder().health_timeout(Duration::from_secs(1)).build();
    client.list_services(None).unwrap();

    registry.kill();
    // By then, pauses that grow from one attempt to reach it to the next outgrow the timeout.
    thread::sleep(Duration::from_millis(3_500));
    let _registry = place.start_again();
    place.client().list_services(None).unwrap();

    assert_eq!(client.health_check().unwrap().status, "ok");
}

#[test]
fn a_host_that_nobody_has_is_unreachable_and_holds_up_nobody() {
    assert_asks_in_vain_and_is_dropped_at_once("192.0.2.1");
}

#[test]
fn a_name_that_nobody_knows_is_unreachable_and_holds_up_nobody() {
    assert_asks_in_vain_and_is_dropped_at_once("registry.invalid");
}

#[test]
fn a_client_that_was_never_used_is_dropped_at_once() {
    assert_dropped_at_once(RegistryClient::new());
}

#[test]
fn a_watch_that_is_refused_tells_why_until_it_is_not() {
    let refuses = Arc::new(AtomicBool::new(false));
    let is_refused = Arc::clone(&refuses);
    let registry = Stub::bind().play(move |request| {
        if is_refused.load(Ordering::SeqCst) {
            json!({"success": false, "error": "not for you", "code": "not_allowed"})
        } else {
            out_of_contact(request, "a")
        }
    });
    let client = RegistryClient::builder().endpoints(registry.endpoints());
    let watch = client.request_timeout(PATIENCE).build().watch().unwrap();
    let wait_until = |is_refused: bool| {
        let started = Instant::now();
        loop {
            let status = watch.status();
            if status.trouble.is_some() == is_refused && status.silent_since.is_some() == is_refused
            {
                return status.trouble;
            }
            assert!(started.elapsed() < DEADLINE, "{status:?}");
            let _ = watch.next_change(Duration::from_millis(20));
        }
    };

    refuses.store(true, Ordering::SeqCst);
    let trouble = wait_until(true).expect("it is told");
    assert_eq!(trouble.code, Some(RefusalCode::NotAllowed));
    assert!(trouble.to_string().contains("not for you"), "{trouble}");
    assert_eq!(watch.services().len(), 1, "the picture stays");

    refuses.store(false, Ordering::SeqCst);
    wait_until(false);
}
