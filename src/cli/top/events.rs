//! What happened since `top` was started: the latest events, and how many of each kind. Pure.

use std::collections::VecDeque;
use std::time::Instant;

use service_registry::client::{Change, Removal};

use crate::cli::watch;

/// How many are kept: more than a screen has lines.
const KEPT_MAX: usize = 200;

/// The events, the newest first.
#[derive(Debug, Default)]
pub(super) struct Events {
    latest: VecDeque<Event>,
    counters: Counters,
}

/// One event, as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: Instant,
    /// Harmless to a terminal.
    pub(super) text: String,
}

/// How many there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) registered: u64,
    pub(super) changed: u64,
    pub(super) deregistered: u64,
    pub(super) expired: u64,
    /// Gone, and nobody heard how.
    pub(super) missing: u64,
}

impl Events {
    /// Counts and keeps a change.
    pub(super) fn add(&mut self, change: &Change, at: Instant) {
        let Counters { registered, changed, deregistered, expired, missing } = &mut self.counters;
        *match change {
            Change::Registered(_) => registered,
            Change::Changed { .. } => changed,
            Change::Removed { how: Removal::Deregistered, .. } => deregistered,
            Change::Removed { how: Removal::Expired, .. } => expired,
            _ => missing,
        } += 1;
        self.note(watch::line(change), at);
    }

    /// Keeps a line that is about no service.
    pub(super) fn note(&mut self, text: String, at: Instant) {
        self.latest.truncate(KEPT_MAX - 1);
        self.latest.push_front(Event { at, text });
    }

    pub(super) fn latest(&self) -> impl Iterator<Item = &Event> {
        self.latest.iter()
    }

    pub(super) const fn counters(&self) -> Counters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_come_first_and_the_oldest_are_forgotten() {
        let mut events = Events::default();
        let at = Instant::now();

        for number in 0..KEPT_MAX + 5 {
            events.note(number.to_string(), at);
        }

        assert_eq!(events.latest().count(), KEPT_MAX);
        assert_eq!(events.latest().next().unwrap().text, (KEPT_MAX + 4).to_string());
    }
}
