//! All that a registry keeps, away from where it keeps it: on its way from one backend to another.

use thiserror::Error;

use crate::service::{ServiceId, TypePolicy};

use super::{BackendError, Record, SqliteError, StoredService};

/// The services and policies of a registry, as one value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// The services, in the order of registration.
    pub services: Vec<StoredService>,
    /// What ids said about sharing their type, in the order in which they said it.
    pub policies: Vec<(ServiceId, TypePolicy)>,
}

/// Why nothing, or not all, was imported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// There is something already, which stays as it is.
    #[error(
        "something is there already (services: {services}, policies: {policies}); with --force, \
         what is imported takes the place of all of it"
    )]
    NotEmpty {
        /// How many services.
        services: usize,
        /// How many policies.
        policies: usize,
    },
    /// Registries run on it, which nobody may write past. Nothing has changed.
    #[error(
        "these registries use it: {}; stop them first (one that was killed counts for 10 s more)",
        .0.join(", ")
    )]
    InUse(Vec<Box<str>>),
    /// Etcd takes much in several pieces, and did not take all of them.
    #[error(
        "{reason}; {done} of {all} changes are made: run the same again with --force, which begins \
         anew"
    )]
    Interrupted {
        /// How many changes are made.
        done: usize,
        /// How many it takes.
        all: usize,
        /// Why it did not go on.
        reason: BackendError,
    },
    /// The database cannot be used, and nothing has changed.
    #[error(transparent)]
    Database(#[from] SqliteError),
    /// It could not be done, and nothing has changed.
    #[error(transparent)]
    Failed(#[from] BackendError),
}

impl Contents {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.policies.is_empty()
    }

    /// What makes this all that is kept, where `before` was.
    #[must_use]
    pub fn in_place_of<'a>(&'a self, before: &'a Self) -> Vec<Record<'a>> {
        let removed = before.services.iter().map(|it| Record::Removed { id: &it.service.id });
        let forgotten = before.policies.iter().map(|(id, _)| Record::PolicyRemoved { id });
        let stored = self
            .services
            .iter()
            .map(|it| Record::Stored { service: &it.service, last_heartbeat: it.last_heartbeat });
        let said =
            self.policies.iter().map(|(id, policy)| Record::PolicyStored { id, policy: *policy });
        removed.chain(forgotten).chain(stored).chain(said).collect()
    }
}
