//! The words in which the model and the real thing are held against each other, and the clocks
//! by which both live.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use service_registry::clock::{ListeningTime, Now, WallTime};
use service_registry::service::TypePolicy;

use super::action::Id;

/// Both clocks, moved by hand, in milliseconds. The wall clock starts in 2023.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    wall: u64,
    pub(super) listening: u64,
    /// How often the process stood still.
    pub(super) pauses: u64,
}

/// A service as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) id: Id,
    pub(super) port: u16,
    pub(super) ttl: u64,
    pub(super) owner: Option<IpAddr>,
    pub(super) last_heartbeat: u64,
    pub(super) passing: bool,
    pub(super) over: bool,
}

/// All that can be asked of a registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) services: Vec<Shown>,
    pub(super) policies: BTreeMap<Id, TypePolicy>,
    pub(super) seq: u64,
}

/// What subscribers hear.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    Registered(Id),
    Deregistered(Id),
    Expired { id: Id, milliseconds: u64, restarted: bool, paused: bool },
}

/// What a client is told of its write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answered {
    Done,
    NotRegistered,
    /// The service belongs to this host.
    OwnedBy(IpAddr),
    TakenBy(Id),
}

/// Whom the real thing cleaned up.
#[derive(Debug, Default)]
pub(super) struct CleanedUp {
    pub(super) saved: Picked,
    pub(super) expired: Picked,
}

/// Some of those whose turn it is; all of them, unless there are more.
#[derive(Debug)]
pub(super) struct Picked {
    pub(super) ids: Vec<Id>,
    pub(super) more: bool,
}

impl Picked {
    /// Whether it must have been picked, if it is its turn.
    pub(super) fn includes(&self, id: Id) -> bool {
        !self.more || self.ids.contains(&id)
    }
}

impl Default for Picked {
    /// Nobody: it is not the time to clean up.
    fn default() -> Self {
        Self { ids: Vec::new(), more: true }
    }
}

impl Told {
    pub(super) fn expires(&self, id: Id) -> bool {
        matches!(self, Self::Expired { id: expired, .. } if *expired == id)
    }
}

impl Times {
    pub(super) const START: Self = Self { wall: 1_700_000_000_000, listening: 0, pauses: 0 };

    pub(super) fn elapse(&mut self, milliseconds: u64) {
        self.wall += milliseconds;
        self.listening += milliseconds;
    }

    pub(super) fn step_clock(&mut self, seconds: i64) {
        self.wall = self.wall.saturating_add_signed(seconds * 1_000);
    }

    /// Nothing could be heard meanwhile, so it does not count.
    pub(super) fn pause(&mut self, seconds: u64) {
        self.wall += seconds * 1_000;
        self.pauses += 1;
    }

    /// A new process has a new listening clock.
    pub(super) fn be_off(&mut self, seconds: u64) {
        self.wall += seconds * 1_000;
        *self = self.restarted();
    }

    /// As they would be in a process that starts now.
    pub(super) const fn restarted(self) -> Self {
        Self { listening: 0, pauses: 0, ..self }
    }

    pub(super) fn now(self) -> Now {
        Now {
            wall: WallTime::from_unix_seconds(self.wall_seconds()),
            listening: ListeningTime::START.plus(Duration::from_millis(self.listening)),
            pauses: self.pauses,
        }
    }

    pub(super) const fn wall_seconds(self) -> u64 {
        self.wall / 1_000
    }
}

/// Puts what expires in one sweep, which may be in any order, in one order.
pub(super) fn sort_sweeps(events: &mut [Told]) {
    let is_expiry = |told: &Told| matches!(told, Told::Expired { .. });
    events.chunk_by_mut(|one, other| is_expiry(one) && is_expiry(other)).for_each(<[_]>::sort);
}
