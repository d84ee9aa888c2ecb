//! A registry that is killed under many heartbeating clients, which have another.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use service_registry::client::{
    Health, HeartbeatState, ReRegistration, Registration, RegistryClient, RegistryEndpoints,
};

use super::super::counting_proxy::CountingProxy;
use super::start_registry;

const CLIENTS: u16 = 50;
const TTL_SECONDS: u32 = 6;

/// How long any step may take.
const STEP: Duration = Duration::from_secs(30);

/// How much a client may say to the second registry before it is registered there: a heartbeat
/// and a registration; once more each on a machine that is too busy to answer them in time.
const MESSAGES_MAX: usize = 4;

struct Device {
    client_id: String,
    _client: RegistryClient,
    service_id: String,
    changes: Receiver<HeartbeatState>,
}

impl Device {
    #[track_caller]
    fn start(first: &RegistryEndpoints, second: &RegistryEndpoints, number: u16) -> Self {
        let client_id = format!("device-{number:02}");
        let builder = RegistryClient::builder().endpoints(first.clone()).fallback(second.clone());
        let client = builder.client_id(&client_id).build();
        let registration = Registration::new("Device", "localhost", number)
            .service_type("DEVICE")
            .ttl(TTL_SECONDS)
            .allow_duplicate_service_type();
        let service_id = client.register(&registration).unwrap();
        let changes = client.heartbeat_changes();
        client.start_heartbeat().unwrap();
        Self { client_id, _client: client, service_id, changes }
    }

    /// All that is told until `last` is.
    #[track_caller]
    fn changes_until(&self, last: &HeartbeatState) -> Vec<HeartbeatState> {
        let deadline = Instant::now() + STEP;
        let mut told = Vec::new();
        while told.last() != Some(last) {
            let change = self.changes.recv_deadline(deadline);
            told.push(change.unwrap_or_else(|_| panic!("{last:?} is told after {told:?}")));
        }
        told
    }
}

#[test]
fn fifty_services_go_on_at_the_next_registry_when_theirs_is_killed() {
    let ((first, registry), (second, _other)) = (start_registry(), start_registry());
    let proxy = CountingProxy::open(second.endpoints());
    let devices: Vec<Device> = (0..CLIENTS)
        .map(|number| Device::start(&first.client_endpoints(), &proxy.endpoints(), number))
        .collect();
    for device in &devices {
        device.changes_until(&HeartbeatState::Healthy);
    }
    assert!(devices.iter().all(|device| proxy.count(&device.client_id) == 0));

    registry.kill();
    let again = HeartbeatState::ReRegistered(ReRegistration::Forgotten);
    let told: Vec<_> = devices.iter().map(|device| device.changes_until(&again)).collect();
    let counts: Vec<usize> = devices.iter().map(|device| proxy.count(&device.client_id)).collect();

    // No ttl passes meanwhile.
    let is_lost = |state: &HeartbeatState| matches!(state, HeartbeatState::Unreachable { .. });
    assert!(!told.iter().flatten().any(is_lost), "{told:?}");
    assert!(counts.iter().all(|count| (2..=MESSAGES_MAX).contains(count)), "{counts:?}");
    let services = second.client().list_services(None).unwrap();
    assert!(services.iter().all(|service| service.health == Health::Passing), "{services:?}");
    assert_eq!(services.len(), devices.len());
    let ids: BTreeSet<&str> = services.iter().map(|service| service.id.as_str()).collect();
    let old_ids: BTreeSet<&str> = devices.iter().map(|device| device.service_id.as_str()).collect();
    assert_eq!(ids, old_ids);
}
