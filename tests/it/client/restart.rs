//! A registry that is killed and started again under many heartbeating clients, which wait for its
//! answers as long as clients do by default.

use std::time::{Duration, Instant};

use service_registry::client::{HeartbeatState, RegistryClient};

use super::counting_proxy::CountingProxy;
use super::device::{Device, assert_all_alive};
use crate::support::{Launch, Place};

const CLIENTS: u16 = 50;

const TTL_SECONDS: u32 = 6;

/// A third of their ttl.
const INTERVAL: Duration = Duration::from_secs(2);

/// How much a client may say until all are back: a heartbeat, a registration, and two more
/// heartbeats, which are due by then where the registry came back early in the first interval.
const MESSAGES_MAX: usize = 4;

/// How much more in each second by which that takes longer than an interval, because the machine is
/// too busy to answer in time.
const MESSAGES_PER_SECOND: usize = 2;

fn is_answered(state: &HeartbeatState) -> bool {
    matches!(state, HeartbeatState::Healthy | HeartbeatState::ReRegistered(_))
}

/// The pauses between heartbeats are as long as they get by then.
fn is_unreachable(state: &HeartbeatState) -> bool {
    matches!(state, HeartbeatState::Unreachable { .. })
}

#[track_caller]
fn wait_until(devices: &[Device], is_it: impl Fn(&HeartbeatState) -> bool) {
    for device in devices {
        device.changes_until(&is_it);
    }
}

#[track_caller]
fn assert_all_come_back(launch: Launch) {
    let (place, registry) = Place::start_with(launch);
    let proxy = CountingProxy::open(place.endpoints());
    let builder = RegistryClient::builder().endpoints(proxy.endpoints());
    let devices: Vec<Device> =
        (0..CLIENTS).map(|number| Device::start(builder.clone(), number, TTL_SECONDS)).collect();
    wait_until(&devices, is_answered);

    registry.kill();
    let (proxy, _registry) = proxy.close_while(place.endpoints(), || {
        wait_until(&devices, is_unreachable);
        place.start_again()
    });
    let back = Instant::now();
    wait_until(&devices, is_answered);
    let late = back.elapsed().saturating_sub(INTERVAL).as_secs() as usize;
    let counts: Vec<usize> = devices.iter().map(|device| proxy.count(&device.client_id)).collect();

    let most = MESSAGES_MAX + MESSAGES_PER_SECOND * late;
    assert!(counts.iter().all(|count| (1..=most).contains(count)), "{counts:?}, {late} s late");
    assert_all_alive(&devices, &place.client());
}

#[test]
fn fifty_services_come_back_to_a_registry_that_lost_everything() {
    assert_all_come_back(Launch::new().flag("--backend", "memory"));
}

#[test]
fn fifty_services_come_back_to_a_registry_that_lost_nothing() {
    assert_all_come_back(Launch::new());
}
