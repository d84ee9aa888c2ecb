//! Clients of a registry that has gone, hangs, or never was: they say so in time, and they go
//! without waiting for it.

use std::time::{Duration, Instant};

use service_registry::client::{
    HeartbeatState, Host, Registration, RegistryClient, RegistryEndpoints,
};

use crate::support::{DEADLINE, Place};

/// What "at once" may take on a busy machine. A linger or a name server would take longer.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How long a registry that is there may take to answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(2);

fn camera() -> Registration {
    Registration::new("Camera", "localhost", 6_110).ttl(1)
}

#[track_caller]
fn assert_dropped_at_once(client: RegistryClient) {
    let started = Instant::now();

    drop(client);

    assert!(started.elapsed() < AT_ONCE, "it took {:?}", started.elapsed());
}

/// Asks a registry that does not answer, and drops the client.
#[track_caller]
fn assert_asks_in_vain_and_is_dropped_at_once(host: &str) {
    let host: Host = host.parse().unwrap();
    let client = RegistryClient::with_endpoints(RegistryEndpoints::on_host(&host));

    let started = Instant::now();
    let error = client.list_services(None).unwrap_err();

    assert!(error.is_unreachable(), "{error}");
    assert!(started.elapsed() < AT_ONCE, "it took {:?}", started.elapsed());
    assert_dropped_at_once(client);
}

/// A client whose heartbeats have just not been answered for the first time.
#[track_caller]
fn late_client(place: &Place, lose: impl FnOnce()) -> RegistryClient {
    let endpoints = place.client_endpoints();
    let client = RegistryClient::builder().endpoints(endpoints).request_timeout(PATIENCE).build();
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
    assert!(client.list_services(None).unwrap_err().is_unreachable());

    assert_dropped_at_once(client);
}

#[test]
fn a_client_is_dropped_at_once_while_the_registry_hangs() {
    let (place, registry) = Place::start();

    let client = late_client(&place, || registry.signal("STOP"));
    assert!(client.list_services(None).unwrap_err().is_unreachable());

    assert_dropped_at_once(client);
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
