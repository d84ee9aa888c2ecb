//! The rules of this server's registry, by which one is made at the start, and anew when too much
//! was missed of what others did.

use crate::access::Ownership;
use crate::backend::StoredService;
use crate::backend::shared::Picture;
use crate::clock::Now;
use crate::config::Config;
use crate::limits::Limits;
use crate::registry::{Epoch, Home, Registry};

/// The rules of a registry, whatever is in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    enforce_unique_service_types: bool,
    ownership: Ownership,
    limits: Limits,
}

impl Rules {
    pub(super) const fn new(config: &Config) -> Self {
        Self {
            enforce_unique_service_types: config.enforce_unique_service_types,
            ownership: config.ownership,
            limits: config.limits,
        }
    }

    /// An empty registry.
    pub(super) fn empty(&self, epoch: Epoch) -> Registry {
        Registry::new(epoch, self.enforce_unique_service_types)
            .with_ownership(self.ownership)
            .with_limits(self.limits)
    }

    /// A registry of what several share, with the registry that `home` says for each name.
    pub(super) fn shared_registry(
        &self,
        picture: Picture,
        mut home: impl FnMut(&str) -> Home,
        now: Now,
    ) -> Registry {
        let sequence = picture.sequence;
        let mut registry = self.empty(sequence.epoch).with_sequence(sequence.seq);
        for (StoredService { service, last_heartbeat }, name) in picture.services {
            registry.restore_watched_by(home(&name), service, last_heartbeat, now);
        }
        for (id, policy) in picture.policies {
            registry.restore_policy(id, policy);
        }
        registry
    }
}
