//! A registry that is killed under many heartbeating clients, which have another.

use std::time::Duration;

use service_registry::client::{HeartbeatState, ReRegistration};

use super::super::counting_proxy::CountingProxy;
use super::super::device::{Device, assert_all_alive};
use super::{builder_for, start_registry};

const CLIENTS: u16 = 50;

/// So long that a machine that stands still for some seconds makes nobody expire.
const TTL_SECONDS: u32 = 15;

/// How long two registries together may take to answer, so that the first is not given up for being
/// slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much a client may say to the second registry before it is registered there: a heartbeat
/// and a registration; once more each on a machine that is too busy to answer them in time.
const MESSAGES_MAX: usize = 4;

#[test]
fn fifty_services_go_on_at_the_next_registry_when_theirs_is_killed() {
    let ((first, registry), (second, _other)) = (start_registry(), start_registry());
    let proxy = CountingProxy::open(second.endpoints());
    let builder = builder_for(first.client_endpoints(), proxy.endpoints())
        .request_timeout(PATIENCE)
        .heartbeat_timeout(PATIENCE / 2);
    let devices: Vec<Device> =
        (0..CLIENTS).map(|number| Device::start(builder.clone(), number, TTL_SECONDS)).collect();
    for device in &devices {
        device.changes_until(|state| *state == HeartbeatState::Healthy);
    }
    assert!(devices.iter().all(|device| proxy.count(&device.client_id) == 0));

    registry.kill();
    let again = HeartbeatState::ReRegistered(ReRegistration::Forgotten);
    let told: Vec<_> =
        devices.iter().map(|device| device.changes_until(|state| *state == again)).collect();
    let counts: Vec<usize> = devices.iter().map(|device| proxy.count(&device.client_id)).collect();

    // No ttl passes meanwhile.
    let is_lost = |state: &HeartbeatState| matches!(state, HeartbeatState::Unreachable { .. });
    assert!(!told.iter().flatten().any(is_lost), "{told:?}");
    assert!(counts.iter().all(|count| (2..=MESSAGES_MAX).contains(count)), "{counts:?}");
    assert_all_alive(&devices, &second.client());
}
