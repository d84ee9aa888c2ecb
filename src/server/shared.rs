//! The registry, shared by the threads: many read and renew, one changes.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::registry::Registry;

/// See the module's page. Clones share the same registry.
#[derive(Debug, Clone)]
pub(super) struct SharedRegistry(Arc<RwLock<Registry>>);

impl SharedRegistry {
    pub(super) fn new(registry: Registry) -> Self {
        Self(Arc::new(RwLock::new(registry)))
    }

    /// To look at the registry, or to renew. Never to be held while waiting for anything.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, Registry> {
        // Poisoned means that the storage thread panicked; the server is stopping because of it.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// To change the registry: for the storage thread only, and never held while waiting.
    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
