//! Changes that are not told yet. Pure.
//!
//! Each is told once, in order. Who takes them too slowly is told less often, not less: when too
//! many wait, all that happened to one service becomes one change, from what was told of it to
//! what is true. What nobody was told of and is over already is left out. So the memory that a
//! sleeping watcher takes is bounded by the number of services, and what it is told when it wakes
//! up still adds up.

use std::collections::{HashMap, VecDeque};

use super::change::Change;

/// How many changes may wait before they are merged.
const CHANGES_WAITING_MAX: usize = 4_096;

/// The changes that wait to be told to one watcher.
#[derive(Debug)]
pub(super) struct Backlog {
    waiting: VecDeque<Change>,
    room_min: usize,
    /// How many changes may wait. After a merge at least twice as many as were left, so that
    /// merging costs little on the whole.
    room: usize,
    merged: u64,
}

impl Default for Backlog {
    fn default() -> Self {
        Self::with_room(CHANGES_WAITING_MAX)
    }
}

impl Backlog {
    /// A backlog in which so many changes can wait before they are merged.
    pub(super) fn with_room(room: usize) -> Self {
        Self { waiting: VecDeque::new(), room_min: room, room, merged: 0 }
    }

    /// Adds changes behind those that wait.
    pub(super) fn push(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            if self.waiting.len() == self.room {
                self.merge();
                self.room = self.room_min.max(2 * self.waiting.len());
            }
            self.waiting.push_back(change);
        }
    }

    /// Takes the next change.
    pub(super) fn pop(&mut self) -> Option<Change> {
        self.waiting.pop_front()
    }

    /// How many changes were not told by themselves so far, because they became part of another.
    pub(super) const fn merged(&self) -> u64 {
        self.merged
    }

    /// One change for each service, in the place of its last one.
    fn merge(&mut self) {
        let before = self.waiting.len();
        let mut last: HashMap<String, (usize, Change)> = HashMap::with_capacity(before);
        for (place, change) in self.waiting.drain(..).enumerate() {
            let id = change.service().id.clone();
            let merged = match last.remove(&id) {
                None => Some(change),
                Some((_, earlier)) => earlier.and_then(&change),
            };
            if let Some(change) = merged {
                last.insert(id, (place, change));
            }
        }
        let mut left: Vec<(usize, Change)> = last.into_values().collect();
        left.sort_unstable_by_key(|(place, _)| *place);
        self.waiting.extend(left.into_iter().map(|(_, change)| change));
        self.merged += (before - self.waiting.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::client::service::Service;

    use super::super::change::Removal;
    use super::*;
    use crate::client::watch::tests::samples::service;

    fn at_port(id: &str, port: u16) -> Arc<Service> {
        Arc::new(Service { port, ..service(id, "A") })
    }

    fn moved(id: &str, from: u16, to: u16) -> Change {
        Change::Changed { before: at_port(id, from), now: at_port(id, to) }
    }

    fn removed(id: &str, port: u16) -> Change {
        Change::Removed { service: at_port(id, port), how: Removal::Deregistered }
    }

    fn all(backlog: &mut Backlog) -> Vec<Change> {
        std::iter::from_fn(|| backlog.pop()).collect()
    }

    #[test]
    fn changes_are_told_one_by_one_in_their_order_while_there_is_room() {
        let mut backlog = Backlog::default();
        let changes: Vec<Change> =
            (0..CHANGES_WAITING_MAX as u16).map(|port| moved("a", port, port + 1)).collect();

        backlog.push(changes.clone());

        assert_eq!(all(&mut backlog), changes);
        assert_eq!(backlog.merged(), 0);
    }

    #[test]
    fn what_waits_too_long_becomes_one_change_from_what_was_told_to_what_is_true() {
        let mut backlog = Backlog::default();

        backlog.push([moved("b", 1, 2), Change::Registered(at_port("c", 1))]);
        backlog.push((0..10_000).map(|port| moved("a", port, port + 1)));
        backlog.push([removed("b", 2), removed("c", 1)]);
        backlog.merge();

        assert_eq!(all(&mut backlog), [moved("a", 0, 10_000), removed("b", 1)]);
        assert_eq!(backlog.merged(), 10_004 - 2);
    }

    #[test]
    fn as_many_changes_wait_as_there_are_services_however_many_that_are() {
        let mut backlog = Backlog::default();
        let services = 3 * CHANGES_WAITING_MAX;
        let registered = |number: usize| Change::Registered(at_port(&number.to_string(), 1));

        backlog.push((0..services).map(registered));

        assert_eq!(backlog.waiting.len(), services);
        assert_eq!(backlog.merged(), 0);
    }
}
