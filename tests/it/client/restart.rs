//! A registry that is killed and started again under many heartbeating clients, which wait for its
//! answers as long as clients do by default.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use service_registry::client::{Health, HeartbeatState, Registration, RegistryClient};

use super::counting_proxy::CountingProxy;
use crate::support::{Launch, Place};

const CLIENTS: u16 = 50;
const TTL_SECONDS: u32 = 6;
const INTERVAL: Duration = Duration::from_secs(2);

/// How long any step may take that is not measured.
const STEP: Duration = Duration::from_secs(30);

/// How much a client may say within two intervals: a heartbeat, a registration, and two more
/// heartbeats, which are due by then where the registry came back early in the first.
const MESSAGES_MAX: usize = 4;

struct Device {
    client_id: String,
    client: RegistryClient,
    service_id: String,
    changes: Receiver<HeartbeatState>,
}

impl Device {
    #[track_caller]
    fn start(proxy: &CountingProxy, number: u16) -> Self {
        let client_id = format!("device-{number:02}");
        let client =
            RegistryClient::builder().endpoints(proxy.endpoints()).client_id(&client_id).build();
        let registration = Registration::new("Device", "localhost", number)
            .service_type("DEVICE")
            .ttl(TTL_SECONDS)
            .allow_duplicate_service_type();
        let service_id = client.register(&registration).unwrap();
        let changes = client.heartbeat_changes();
        client.start_heartbeat().unwrap();
        Self { client_id, client, service_id, changes }
    }

    /// Waits for a change to a state that `is_it`.
    #[track_caller]
    fn wait_until(&self, is_it: impl Fn(&HeartbeatState) -> bool) {
        let deadline = Instant::now() + STEP;
        while !self.changes.recv_deadline(deadline).is_ok_and(|state| is_it(&state)) {
            assert!(Instant::now() < deadline, "it stays {:?}", self.client.heartbeat_state());
        }
    }
}

fn is_answered(state: &HeartbeatState) -> bool {
    matches!(state, HeartbeatState::Healthy | HeartbeatState::ReRegistered(_))
}

/// The pauses between heartbeats are as long as they get by then.
fn is_unreachable(state: &HeartbeatState) -> bool {
    matches!(state, HeartbeatState::Unreachable { .. })
}

#[track_caller]
fn assert_all_come_back(launch: Launch) {
    let (place, registry) = Place::start_with(launch);
    let proxy = CountingProxy::open(place.endpoints());
    let devices: Vec<Device> = (0..CLIENTS).map(|number| Device::start(&proxy, number)).collect();
    devices.iter().for_each(|device| device.wait_until(is_answered));

    registry.kill();
    let (proxy, _registry) = proxy.close_while(place.endpoints(), || {
        devices.iter().for_each(|device| device.wait_until(is_unreachable));
        place.start_again()
    });
    let back = Instant::now();
    devices.iter().for_each(|device| device.wait_until(is_answered));
    let took = back.elapsed();
    let counts: Vec<usize> = devices.iter().map(|device| proxy.count(&device.client_id)).collect();

    assert!(took <= 2 * INTERVAL, "all are back within two intervals, not {took:?}");
    assert!(counts.iter().all(|count| (1..=MESSAGES_MAX).contains(count)), "{counts:?}");
    let services = place.client().list_services(None).unwrap();
    assert!(services.iter().all(|service| service.health == Health::Passing), "{services:?}");
    assert_eq!(services.len(), devices.len());
    let ids: BTreeSet<&str> = services.iter().map(|service| service.id.as_str()).collect();
    let old_ids: BTreeSet<&str> = devices.iter().map(|device| device.service_id.as_str()).collect();
    assert_eq!(ids, old_ids);
}

#[test]
fn fifty_services_come_back_to_a_registry_that_lost_everything() {
    assert_all_come_back(Launch::new().flag("--backend", "memory"));
}

#[test]
fn fifty_services_come_back_to_a_registry_that_lost_nothing() {
    assert_all_come_back(Launch::new());
}
