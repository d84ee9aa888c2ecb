//! What changes in a registry: decided here, or stored by another registry.

use std::sync::Arc;
use std::time::Duration;

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
