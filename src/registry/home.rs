//! Which registry hears a service, where several share one list of services.
//!
//! The one that heard it last watches over it: it alone expires it. Every registry learns of the
//! others' heartbeats in the same order, so all of them agree on who that is. A registry that is
//! cut off from the others cannot hear what they hear, so to the services that they watch over
//! time stands still, at the *horizon*, until it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::ListeningTime;

/// Which registry heard a service last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home(u32);

impl Home {
    /// This registry.
    pub const HERE: Self = Self(0);

    /// Another registry, by a number that stands for it alone, from 0.
    #[must_use]
    pub const fn elsewhere(number: u32) -> Self {
        Self(number.saturating_add(1))
    }

    pub(super) const fn number(self) -> u32 {
        self.0
    }

    pub(super) const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// Until when this registry knows what the others heard. Clones are the same horizon.
#[derive(Debug, Clone, Default)]
pub(super) struct Horizon {
    /// None, where there are no others.
    until: Option<Arc<AtomicU64>>,
}

impl Horizon {
    /// One that can be set. Nothing is beyond it yet.
    pub(super) fn movable() -> Self {
        Self { until: Some(Arc::new(AtomicU64::new(u64::MAX))) }
    }

    pub(super) fn set(&self, time: ListeningTime) {
        if let Some(until) = &self.until {
            until.store(time.milliseconds(), Ordering::Release);
        }
    }

    /// How late it is, at `now`, for a service that another registry watches over.
    pub(super) fn time(&self, now: ListeningTime) -> ListeningTime {
        match &self.until {
            Some(until) => now.min(ListeningTime::from_milliseconds(until.load(Ordering::Acquire))),
            None => now,
        }
    }
}
