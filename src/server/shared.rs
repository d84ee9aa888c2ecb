//! The registry, shared by the threads: many read and renew, one changes.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::clock::ListeningTime;
use crate::protocol::reply::InContact;
use crate::registry::Registry;

use super::contact::Contact;

/// See the module's page. Clones share the same registry.
#[derive(Debug, Clone)]
pub(super) struct SharedRegistry {
    registry: Arc<RwLock<Registry>>,
    /// None, where the list is this registry's own.
    contact: Option<Contact>,
}

impl SharedRegistry {
    pub(super) fn new(registry: Registry, contact: Option<Contact>) -> Self {
        Self { registry: Arc::new(RwLock::new(registry)), contact }
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

    /// To change the registry: for the storage thread only, and never held while waiting.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }
}
