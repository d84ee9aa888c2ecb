//! What a client asks, as types. `request/reading.rs` makes them of what comes in a message.

use std::path::PathBuf;

use crate::access::Origin;
use crate::limits::{Exceeded, Limits};
use crate::service::{Registration, ServiceId};

use super::action::Action;

mod reading;

pub use reading::{ParsedBody, read_heartbeat, read_request};

/// A request, by what it takes to answer it.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Answered from memory.
    Read(Read),
    /// Answered when it is stored.
    Write(Write),
    /// Answered when the backup is on the disk.
    Backup(Backup),
    /// Answered before the server stops.
    Terminate,
}

/// A request that stores nothing before it is answered. A renewal is one of them: it changes a
/// lease in memory and is stored later, with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// Renew the lease of a service, which was heard.
    Renew(Renewal),
    /// Show the service with this id.
    Get {
        /// The id.
        service_id: String,
    },
    /// Show all services, or those of a type.
    List {
        /// The type.
        service_type: Option<String>,
    },
    /// Show one passing service of a type.
    Discover {
        /// The type.
        service_type: String,
    },
    /// Say that the registry is there, and whether it can store.
    Health,
    /// Tell what the registry is, what it holds and what it counted.
    Info,
}

/// That a service was heard: a request by the name of `renew`, or a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The id of the service.
    pub service_id: String,
}

/// A request that must be stored before it is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Register a service. Boxed: it is ten times larger than any other request.
    Register(Box<Registration>),
    /// Take a service out.
    Deregister {
        /// Its id.
        service_id: ServiceId,
        /// Who asks, once that is known.
        from: Origin,
    },
}

/// Copy all that is stored to a file on the registry's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The file, an absolute path: the directory in which the registry runs is nobody's concern.
    pub destination: PathBuf,
    /// Whether a file that is there already is overwritten.
    pub force: bool,
}

impl Request {
    /// Refuses what is more than `limits` allow.
    ///
    /// # Errors
    /// [`Exceeded`], for the first limit.
    pub fn check(&self, limits: &Limits) -> Result<(), Exceeded> {
        match self {
            Self::Write(Write::Register(registration)) => registration.check(limits),
            _ => Ok(()),
        }
    }
}

impl Read {
    /// What it is called.
    #[must_use]
    pub const fn action(&self) -> Action {
        match self {
            Self::Renew(_) => Action::Renew,
            Self::Get { .. } => Action::Get,
            Self::List { .. } => Action::List,
            Self::Discover { .. } => Action::Discover,
            Self::Health => Action::Health,
            Self::Info => Action::Info,
        }
    }
}

impl Write {
    /// The same, asked by `origin`.
    #[must_use]
    pub fn asked_by(mut self, origin: Origin) -> Self {
        match &mut self {
            Self::Register(registration) => registration.from = origin,
            Self::Deregister { from, .. } => *from = origin,
        }
        self
    }
}
