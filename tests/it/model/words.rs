//! The words in which the model and the real thing are held against each other, and the clocks
//! by which both live.

use std::time::Duration;

use service_registry::clock::{ListeningTime, Now, WallTime};

/// Both clocks, moved by hand, in milliseconds. The wall clock starts in 2023.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    wall: u64,
    pub(super) listening: u64,
}

/// A service as a client is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) id: String,
    pub(super) port: u16,
    pub(super) ttl: u64,
    pub(super) last_heartbeat: u64,
    pub(super) passing: bool,
}

/// What subscribers hear.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Told {
    Registered(String),
    Deregistered(String),
    Expired { id: String, silent_milliseconds: u64, restarted: bool },
}

/// What a client is told of its write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answered {
    Done,
    NotRegistered,
    TakenBy(String),
}

/// What the real thing picked where the rules leave a choice: which of too many to clean up.
#[derive(Debug, Default)]
pub(super) struct Selection {
    pub(super) saved: Vec<String>,
    pub(super) expired: Vec<String>,
    pub(super) more_to_save: bool,
    pub(super) more_to_expire: bool,
}

impl Times {
    pub(super) const START: Self = Self { wall: 1_700_000_000_000, listening: 0 };

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
    }

    /// A new process has a new listening clock.
    pub(super) fn be_off(&mut self, seconds: u64) {
        self.wall += seconds * 1_000;
        self.listening = 0;
    }

    pub(super) fn now(self) -> Now {
        Now {
            wall: WallTime::from_unix_seconds(self.wall_seconds()),
            listening: ListeningTime::START.plus(Duration::from_millis(self.listening)),
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
