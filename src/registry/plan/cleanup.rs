//! What a plan cleans up that nobody asks for: services that fell silent, and heartbeats that are
//! not stored yet.

use std::sync::Arc;

use crate::registry::change::Change;
use crate::registry::{Registry, lock};

use super::Plan;

impl Plan {
    /// Expires services whose lease is over, after looking at no more than `limit`. True with
    /// it where the look stopped at the limit.
    pub fn expire(&mut self, registry: &Registry, limit: usize) -> (Vec<Change>, bool) {
        let time = self.time_of_expiry();
        let due = lock(&registry.expiry).due(time.listening, limit);
        let mut changes = Vec::new();
        for entry in due.over {
            if self.is_current(registry, &entry)
                && let Some(closed) = entry.lease.close_if_over(time)
            {
                changes.push(self.expired(entry, closed));
            }
        }
        (changes, due.more)
    }

    /// Stores no more than `limit` of the heartbeats that were heard since they were last
    /// stored. True with them where there are more.
    pub fn save_heartbeats(&mut self, registry: &Registry, limit: usize) -> (Vec<Change>, bool) {
        let mut room = limit;
        let (heard, more) = registry.unsaved.take(&registry.index, |_| {
            let fits = room > 0;
            room = room.saturating_sub(1);
            fits
        });
        let mut changes = Vec::new();
        for entry in heard {
            if self.is_current(registry, &entry) {
                self.heard.push(Arc::clone(&entry));
                changes.push(Change::Heard { entry });
            }
        }
        (changes, more)
    }
}
