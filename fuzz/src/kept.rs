//! What a backend keeps, in memory, and what a registry that starts on it is.

use service_registry::access::Ownership;
use service_registry::backend::{Contents, Record, StoredService};
use service_registry::clock::Now;
use service_registry::registry::{Epoch, Registry};

#[path = "../../tests/it/model/committed.rs"]
mod committed;

/// Everything that was committed.
#[derive(Default)]
pub(crate) struct Kept(Contents);

impl Kept {
    pub(crate) fn commit(&mut self, record: &Record<'_>) {
        committed::commit(&mut self.0, record);
    }

    /// A registry that starts now on all that is kept.
    pub(crate) fn load(&self, unique: bool, ownership: Ownership, now: Now) -> Registry {
        let mut registry = Registry::new(Epoch::new("epoch"), unique).with_ownership(ownership);
        for StoredService { service, last_heartbeat } in &self.0.services {
            registry.restore(service.clone(), *last_heartbeat, now);
        }
        for (id, policy) in &self.0.policies {
            registry.restore_policy(id.clone(), *policy);
        }
        registry
    }
}
