//! What a backend keeps, in memory, and what a registry that starts on it is.

use service_registry::access::Ownership;
use service_registry::backend::{Record, StoredService};
use service_registry::clock::Now;
use service_registry::registry::{Epoch, Registry};
use service_registry::service::{ServiceId, TypePolicy};

/// Everything that was committed.
#[derive(Default)]
pub(crate) struct Kept {
    services: Vec<StoredService>,
    policies: Vec<(ServiceId, TypePolicy)>,
}

impl Kept {
    pub(crate) fn commit(&mut self, record: &Record<'_>) {
        match *record {
            Record::Stored { service, last_heartbeat } => {
                let new = StoredService { service: service.clone(), last_heartbeat };
                match self.services.iter_mut().find(|known| known.service.id == service.id) {
                    Some(known) => *known = new,
                    None => self.services.push(new),
                }
            }
            Record::Renewed { id, last_heartbeat } => {
                let known = self.services.iter_mut().filter(|known| known.service.id == *id);
                known.for_each(|known| known.last_heartbeat = last_heartbeat);
            }
            Record::Removed { id } => self.services.retain(|known| known.service.id != *id),
            Record::PolicyStored { id, policy } => {
                self.policies.retain(|(known, _)| known != id);
                self.policies.push((id.clone(), policy));
            }
            Record::PolicyRemoved { id } => self.policies.retain(|(known, _)| known != id),
        }
    }

    /// A registry that starts now on all that is kept.
    pub(crate) fn load(&self, unique: bool, ownership: Ownership, now: Now) -> Registry {
        let mut registry = Registry::new(Epoch::new("epoch"), unique).with_ownership(ownership);
        for StoredService { service, last_heartbeat } in &self.services {
            registry.restore(service.clone(), *last_heartbeat, now);
        }
        for (id, policy) in &self.policies {
            registry.restore_policy(id.clone(), *policy);
        }
        registry
    }
}
