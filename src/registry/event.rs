//! What changes in a registry, and how the world is told of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::Now;
use crate::json::Json;
use crate::service::{Service, ServiceId, TypePolicy};

use super::entry::Entry;
use super::lease::Silence;

/// A fact about one service, decided but not yet true.
#[derive(Debug)]
pub enum Change {
    /// It registered, or registered again.
    Registered {
        /// The new entry.
        entry: Arc<Entry>,
        /// What the client sent, with the id.
        service_info: Json,
    },
    /// Its client took it out.
    Deregistered {
        /// The entry to remove.
        entry: Arc<Entry>,
    },
    /// It was silent for too long.
    Expired {
        /// The entry to remove.
        entry: Arc<Entry>,
        /// For how long.
        silence: Silence,
    },
    /// It was heard. True already, but not stored.
    Heard {
        /// Whose heartbeat it was.
        entry: Arc<Entry>,
    },
    /// It said whether it shares its type.
    PolicyRemembered {
        /// Who said so.
        id: ServiceId,
        /// What it said.
        policy: TypePolicy,
    },
    /// It cannot come back, or has to make room.
    PolicyForgotten {
        /// Whose policy.
        id: ServiceId,
    },
}

/// A change that another registry stored, as far as it must be told: what it did to a service that
/// all of them know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// It registered, or registered again.
    Registered {
        /// The service.
        service: Service,
        /// What the client sent, with the id.
        service_info: Json,
    },
    /// Its client took it out.
    Deregistered {
        /// Which service.
        id: ServiceId,
    },
    /// It was silent for too long.
    Expired {
        /// Which service.
        id: ServiceId,
        /// For how long.
        silent: Duration,
        /// See [`Silence::restarted`].
        restarted: bool,
        /// See [`Silence::paused`].
        paused: bool,
    },
    /// It said whether it shares its type.
    PolicyRemembered {
        /// Who said so.
        id: ServiceId,
        /// What it said.
        policy: TypePolicy,
    },
    /// What it said no longer matters.
    PolicyForgotten {
        /// Whose policy.
        id: ServiceId,
    },
}

impl Fact {
    /// Whether an event tells of it.
    #[must_use]
    pub const fn is_event(&self) -> bool {
        !matches!(self, Self::PolicyRemembered { .. } | Self::PolicyForgotten { .. })
    }
}

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
