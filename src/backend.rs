//! Where the registry's facts are kept: the trait that every backend fulfils.
//!
//! A backend is owned by one thread. It is told facts, never asked for decisions, and it is the
//! only part that may wait for a disk or a network. It takes the feature `server`.

use std::path::Path;

use thiserror::Error;

use crate::clock::WallTime;
use crate::registry::Change;
use crate::service::{Service, ServiceId, TypePolicy};

mod contents;
pub mod etcd;
mod memory;
pub mod shared;
mod sqlite;

pub use contents::{Contents, ImportError};
pub use etcd::EtcdSettings;
pub use memory::MemoryBackend;
pub use sqlite::{Durability, Examination, SqliteBackend, SqliteError, UnusableRow};

/// A service as a backend keeps it, with the heartbeat it last heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredService {
    /// The service.
    pub service: Service,
    /// When its last heartbeat came.
    pub last_heartbeat: WallTime,
}

/// A fact to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// This service is registered. Where its id was known, this takes the place of the old
    /// entry, which keeps its place in the order of registration.
    Stored {
        /// The service.
        service: &'a Service,
        /// When it registered.
        last_heartbeat: WallTime,
    },
    /// This service was heard at that time. Nothing, where the id is not known.
    Renewed {
        /// Which service.
        id: &'a ServiceId,
        /// When its heartbeat came.
        last_heartbeat: WallTime,
    },
    /// No service of this id is registered any more. Nothing, where the id is not known.
    Removed {
        /// Which service.
        id: &'a ServiceId,
    },
    /// This id said whether it shares its type. In place of what it said before.
    PolicyStored {
        /// Who said so.
        id: &'a ServiceId,
        /// What it said.
        policy: TypePolicy,
    },
    /// What this id said about sharing its type no longer matters. Nothing, where it is not
    /// known.
    PolicyRemoved {
        /// Whose policy.
        id: &'a ServiceId,
    },
}

/// What a backup does with a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// The file stays, and there is no backup.
    Keep,
    /// The backup takes its place.
    Replace,
}

impl<'a> From<&'a Change> for Record<'a> {
    fn from(change: &'a Change) -> Self {
        match change {
            Change::Registered { entry, .. } => Self::Stored {
                service: &entry.service,
                last_heartbeat: entry.lease.last_heartbeat(),
            },
            Change::Deregistered { entry } | Change::Expired { entry, .. } => {
                Self::Removed { id: &entry.service.id }
            }
            Change::PolicyRemembered { id, policy } => Self::PolicyStored { id, policy: *policy },
            Change::PolicyForgotten { id } => Self::PolicyRemoved { id },
            Change::Heard { entry } => Self::Renewed {
                id: &entry.service.id,
                last_heartbeat: entry.lease.last_heartbeat(),
            },
        }
    }
}

/// Keeps the registry's facts.
pub trait Backend: Send {
    /// Everything that was kept, in the order of registration. Called once, before any commit.
    ///
    /// # Errors
    /// [`BackendError`], where what was kept cannot be read.
    fn load(&mut self) -> Result<Vec<StoredService>, BackendError>;

    /// What ids said about sharing their type, in the order in which they said it. Called once,
    /// before any commit. Nothing, from a backend that keeps no services either.
    ///
    /// # Errors
    /// [`BackendError`], where what was kept cannot be read.
    fn load_policies(&mut self) -> Result<Vec<(ServiceId, TypePolicy)>, BackendError> {
        Ok(Vec::new())
    }

    /// Keeps all `records`, in their order, or none of them. When this returns `Ok`, they are
    /// kept as durably as this backend can.
    ///
    /// # Errors
    /// [`BackendError`], after which none of `records` is kept; the next commit is tried as
    /// usual, whatever happened to this one.
    fn commit(&mut self, records: &[Record<'_>]) -> Result<(), BackendError>;

    /// Writes a copy of everything that is kept to the file `destination`, an absolute path.
    /// Whatever happens, there is a whole copy under that name afterwards, or what was there.
    ///
    /// # Errors
    /// [`BackendError`], where no copy could be made, or where this backend has no file.
    fn back_up(&mut self, _destination: &Path, _existing: Existing) -> Result<(), BackendError> {
        Err(BackendError::new("this registry's backend keeps no file that could be copied"))
    }

    /// Lets go of everything. Called once, after the last commit.
    ///
    /// # Errors
    /// [`BackendError`], where closing failed; what was committed stays committed.
    fn close(self: Box<Self>) -> Result<(), BackendError>;
}

/// Why a backend could not do what it was asked, in words for the person who runs it.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct BackendError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    is_too_large: bool,
}

impl BackendError {
    /// An error that is told by its message alone.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None, is_too_large: false }
    }

    /// That it was asked for more than it takes at once.
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self { is_too_large: true, ..Self::new(message) }
    }

    /// Whether it may do what it was asked when it is asked for it piece by piece.
    #[must_use]
    pub const fn is_too_large(&self) -> bool {
        self.is_too_large
    }

    /// An error with its cause.
    #[must_use]
    pub fn with_source(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::new(message) }
    }
}
