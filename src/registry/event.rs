//! How the world is told of what changed in a registry: events, and their numbers.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::Now;
use crate::json::Json;

use super::entry::Entry;
use super::lease::Silence;

/// One life of a registry, from start to stop, or of a list that several share. Event numbers
/// count within it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// An epoch by this name, which must never have been used before.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The place of an event among all events, by which a subscriber can tell that it missed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sequence {
    /// Which life of the registry.
    pub epoch: Epoch,
    /// 1 for the first event of the epoch, then one more for each; 0 before the first.
    pub seq: u64,
}

/// A change that is true now.
#[derive(Debug)]
pub struct Event {
    /// Its place among all events.
    pub sequence: Sequence,
    /// When it came true.
    pub at: Now,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to which service.
#[derive(Debug)]
pub enum EventKind {
    /// A service registered, or registered again.
    Register {
        /// The service.
        entry: Arc<Entry>,
        /// What its client sent, with the id.
        service_info: Json,
    },
    /// A service was taken out by its client.
    Deregister {
        /// The service as it was.
        entry: Arc<Entry>,
    },
    /// A service was silent for too long.
    Expire {
        /// The service as it was.
        entry: Arc<Entry>,
        /// For how long.
        silence: Silence,
    },
}
