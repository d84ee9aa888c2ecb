//! What a plan cleans up that nobody asks for: services that fell silent, and heartbeats that are
//! not stored yet.

use std::sync::Arc;

use super::super::entry::Entry;
use super::super::event::Change;
use super::super::{Registry, lock};
use super::Plan;

impl Plan {
    /// Expires services whose lease is over, after looking at no more than `limit`. True with
    /// it where the look stopped at the limit.
    pub fn expire(&mut self, registry: &Registry, limit: usize) -> (Vec<Change>, bool) {
        let known = self.known();
        let due = lock(&registry.expiry).due(known.listening, limit);
        let mut changes = Vec::new();
        for entry in due.over {
            if self.is_current(registry, &entry)
                && let Some(closed) = entry.lease.close_if_over(known)
            {
                changes.push(self.expired(entry, closed));
            }
        }
        (changes, due.more)
    }

    /// Stores no more than `limit` of the heartbeats that were heard since they were last
    /// stored. True with them where there are more.
    pub fn save_heartbeats(&mut self, registry: &Registry, limit: usize) -> (Vec<Change>, bool) {
        let (heard, more) = {
            let mut unsaved = lock(&registry.unsaved);
            let count = unsaved.len().min(limit);
            let heard: Vec<Arc<Entry>> = unsaved.drain(..count).collect();
            (heard, !unsaved.is_empty())
        };
        let mut changes = Vec::new();
        for entry in heard {
            entry.lease.mark_saved();
            if self.is_current(registry, &entry) {
                self.heard.push(Arc::clone(&entry));
                changes.push(Change::Heard { entry });
            }
        }
        (changes, more)
    }
}
