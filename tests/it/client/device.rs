//! A service with heartbeats, of which there are many, and what all of them must be at the end.

use std::collections::BTreeSet;
use std::time::Instant;

use crossbeam_channel::Receiver;
use service_registry::client::{
    Health, HeartbeatState, Registration, RegistryClient, RegistryClientBuilder,
};

use crate::support::{DEADLINE, wait_until};

/// A client with one service, which is told what becomes of its heartbeats.
pub(crate) struct Device {
    /// By which a proxy tells them apart.
    pub(crate) client_id: String,
    client: RegistryClient,
    service_id: String,
    changes: Receiver<HeartbeatState>,
}

impl Device {
    /// Registers number `number` of them by a client that `builder` makes.
    #[track_caller]
    pub(crate) fn start(builder: RegistryClientBuilder, number: u16, ttl: u32) -> Self {
        let client_id = format!("device-{number:02}");
        let client = builder.client_id(&client_id).build();
        let registration = Registration::new("Device", "localhost", number)
            .service_type("DEVICE")
            .ttl(ttl)
            .allow_duplicate_service_type();
        let service_id = registered(&client, &registration);
        let changes = client.heartbeat_changes();
        client.start_heartbeat().unwrap();
        Self { client_id, client, service_id, changes }
    }

    /// Waits for a change to a state that `is_it`, and returns all that is told until then.
    #[track_caller]
    pub(crate) fn changes_until(
        &self,
        is_it: impl Fn(&HeartbeatState) -> bool,
    ) -> Vec<HeartbeatState> {
        let deadline = Instant::now() + DEADLINE;
        let mut told = Vec::new();
        while !told.last().is_some_and(&is_it) {
            let change = self.changes.recv_deadline(deadline);
            let state = || self.client.heartbeat_state();
            told.push(change.unwrap_or_else(|_| panic!("it stays {:?} after {told:?}", state())));
        }
        told
    }
}

/// The id under which it is registered, which can take more than one request on a busy machine.
#[track_caller]
fn registered(client: &RegistryClient, registration: &Registration) -> String {
    let started = Instant::now();
    loop {
        match client.register(registration) {
            Err(error) if error.is_unreachable() && started.elapsed() < DEADLINE => {}
            answer => return answer.unwrap(),
        }
    }
}

/// Asks the registry of `client` whether all `devices` are alive under their ids, and nobody else.
#[track_caller]
pub(crate) fn assert_all_alive(devices: &[Device], client: &RegistryClient) {
    let mut services = Vec::new();
    // On a busy machine a heartbeat can be late.
    wait_until("all are alive", || {
        services = client.list_services(None).unwrap();
        services.iter().all(|service| service.health == Health::Passing)
    });
    assert_eq!(services.len(), devices.len());
    let ids: BTreeSet<&str> = services.iter().map(|service| service.id.as_str()).collect();
    let old_ids: BTreeSet<&str> = devices.iter().map(|device| device.service_id.as_str()).collect();
    assert_eq!(ids, old_ids);
}
