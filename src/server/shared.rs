//! The registry, shared by the threads: many read and renew, one changes.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::clock::ListeningTime;
use crate::protocol::reply::InContact;
use crate::registry::{Entry, Registry, Sequence};

use super::contact::Contact;
use super::storage_health::StorageHealth;

/// A registry behind its lock, with what is known of its store. Clones share the same registry.
#[derive(Debug, Clone)]
pub(super) struct SharedRegistry {
    registry: Arc<RwLock<Registry>>,
    /// None, where the list is this registry's own.
    contact: Option<Contact>,
    /// How it is with the storage of what changes.
    storage: StorageHealth,
}

impl SharedRegistry {
    pub(super) fn new(registry: Registry, contact: Option<Contact>) -> Self {
        let storage = StorageHealth::default();
        Self { registry: Arc::new(RwLock::new(registry)), contact, storage }
    }

    /// Where the storage thread notes how it gets on.
    pub(super) const fn storage(&self) -> &StorageHealth {
        &self.storage
    }

    /// Why nothing that changes is stored now, if so.
    pub(super) fn trouble(&self, now: ListeningTime) -> Option<String> {
        let lost = self.contact.as_ref().and_then(|contact| contact.check(now).err());
        let storage = || self.storage.trouble(now).map(|trouble| trouble.to_string());
        lost.map(|lost| lost.to_string()).or_else(storage)
    }

    /// Whether what it holds is what other registries hold; none, where there are no others.
    pub(super) fn contact(&self) -> Option<&Contact> {
        self.contact.as_ref()
    }

    /// The same, as clients are told it.
    pub(super) fn in_contact(&self, now: ListeningTime) -> InContact {
        self.contact.as_ref().is_none_or(|contact| contact.check(now).is_ok()).into()
    }

    /// To look at the registry, or to renew. Never to be held while waiting for anything.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Registry> {
        // Poisoned means that the storage thread panicked; the server is stopping because of it.
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// All services, or those that match a type, in the order of their registration, and where the
    /// events stood at that moment. No lock is held while they are written out, which can take
    /// long: the storage thread would wait for the lock, and heartbeats would queue up behind it.
    pub(super) fn list(&self, service_type: Option<&str>) -> (Vec<Arc<Entry>>, Sequence) {
        let registry = self.read();
        (registry.list(service_type).cloned().collect(), registry.sequence().clone())
    }

    /// To change the registry: for the storage thread only, and never held while waiting.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Now, WallTime};
    use crate::json::Json;
    use crate::registry::{Epoch, Fact, Home};
    use crate::service::{Parts, samples};

    const NOW: Now =
        Now { wall: WallTime::from_unix_seconds(1), listening: ListeningTime::START, pauses: 0 };

    fn registered(id: &str) -> Fact {
        let service = samples::service(id, Parts::new("name", "host", 1));
        Fact::Registered { service, service_info: Json::empty_object() }
    }

    #[test]
    fn a_list_stays_as_it_was_taken_and_holds_up_no_change() {
        let shared = SharedRegistry::new(Registry::new(Epoch::new("epoch"), true), None);
        shared.write().accept(registered("a"), Home::HERE, NOW);

        let (entries, sequence) = shared.list(None);
        let now = shared.registry.try_write().map(|mut registry| {
            registry.accept(registered("b"), Home::HERE, NOW);
            registry.len()
        });

        assert_eq!(now.ok(), Some(2));
        assert_eq!((entries.len(), sequence.seq), (1, 1));
    }
}
