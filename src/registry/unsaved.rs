//! Which services were heard since their heartbeats were stored last.
//!
//! They stand here by their positions, each once, in the order in which they were heard. So what
//! was replaced or removed meanwhile takes no memory for as long as nothing is stored.

use std::mem;
use std::sync::{Arc, Mutex};

use super::entry::Entry;
use super::index::Index;
use super::lock;
use super::roster::Position;

/// The positions of the services whose last heartbeat is not stored yet.
#[derive(Debug, Default)]
pub(super) struct Unsaved(Mutex<Vec<Position>>);

impl Unsaved {
    /// Notes that the last heartbeat of `entry` is not stored yet.
    pub(super) fn note(&self, entry: &Entry) {
        if entry.lease.mark_unsaved() {
            lock(&self.0).push(entry.position);
        }
    }

    /// Takes those that were heard first: one, and those after it while `fits` says so, which is
    /// asked for each of them. True with them where there are more.
    pub(super) fn take(
        &self,
        index: &Index,
        mut fits: impl FnMut(&Entry) -> bool,
    ) -> (Vec<Arc<Entry>>, bool) {
        // Heartbeats are not to wait until all are found.
        let mut positions = mem::take(&mut *lock(&self.0));
        let mut heard: Vec<Arc<Entry>> = Vec::new();
        let mut taken = 0;
        for position in &positions {
            // None is there any more where it was removed.
            if let Some(entry) = index.at(*position) {
                if entry.lease.is_unsaved() && !fits(entry) && !heard.is_empty() {
                    break;
                }
                if entry.lease.mark_saved() {
                    heard.push(Arc::clone(entry));
                }
            }
            taken += 1;
        }
        positions.drain(..taken);
        let more = !positions.is_empty();
        self.put_before(positions);
        (heard, more)
    }

    /// Forgets those that are not there any more, when they have come to outnumber those that are.
    pub(super) fn forget_removed(&self, index: &Index) {
        let mut positions = lock(&self.0);
        if positions.len() > 2 * index.all().len() {
            positions.retain(|position| index.at(*position).is_some());
        }
    }

    fn put_before(&self, mut positions: Vec<Position>) {
        let mut heard_meanwhile = lock(&self.0);
        positions.append(&mut heard_meanwhile);
        *heard_meanwhile = positions;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use crate::access::Origin;
    use crate::clock::{ListeningTime, Now, WallTime};
    use crate::registry::{Change, Epoch, Plan, Registry};
    use crate::service::{Parts, ServiceId, samples};

    const NOW: Now = Now {
        wall: WallTime::from_unix_seconds(1_000),
        listening: ListeningTime::START,
        pauses: 0,
    };

    fn apply(registry: &mut Registry, changes: Vec<Change>) {
        changes.into_iter().for_each(|change| drop(registry.apply(change, NOW)));
    }

    fn register(registry: &mut Registry, id: &ServiceId) {
        let registration = samples::registration(id.as_str(), Parts::new("name", "host", 1));
        let planned = Plan::new(registry, NOW).register(registry, registration, Uuid::nil());
        apply(registry, planned.changes);
    }

    #[test]
    fn there_are_never_many_more_notes_than_services_however_many_come_and_go() {
        let mut registry = Registry::new(Epoch::new("epoch"), true);
        let ids = ["a", "b", "c"].map(|id| ServiceId::new(id).unwrap());

        for _ in 0..100 {
            for id in &ids {
                register(&mut registry, id);
                registry.renew(id.as_str(), NOW);
                register(&mut registry, id);
                registry.renew(id.as_str(), NOW);
                assert!(super::lock(&registry.unsaved.0).len() <= 2 * ids.len() + 1);
            }
            let gone = &ids[0];
            let planned = Plan::new(&registry, NOW).deregister(&registry, gone, Origin::default());
            apply(&mut registry, planned.changes);
        }

        assert_eq!(registry.take_heard(|_| true).0.len(), 2);
        assert!(super::lock(&registry.unsaved.0).is_empty());
    }
}
