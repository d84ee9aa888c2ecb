//! Whether the storage thread gets on with its work, and whether what it stores is stored.
//!
//! The storage thread notes it; `health`, `info` and the HTTP thread tell it. That the thread has
//! ended need not be noted: the whole server stops with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::clock::ListeningTime;

/// How long a turn may last. A disk that takes longer for one commit is of no use to anybody: the
/// clients have given up.
const TURN_MAX: Duration = Duration::from_secs(5);

/// What is wrong with the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Trouble {
    /// It has been busy with one turn for too long.
    #[error("the storage thread has been waiting for the disk for {} s", .0.as_secs())]
    Stuck(Duration),
    /// The last commit failed.
    #[error("the last changes could not be stored; the log says why")]
    CannotStore,
}

/// Since when the storage thread is busy, and whether it could store its last changes. Clones tell
/// of the same thread.
#[derive(Debug, Clone, Default)]
pub(super) struct StorageHealth(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// When the turn began, in milliseconds of listening time; 0 between two turns.
    busy_since: AtomicU64,
    last_commit_failed: AtomicBool,
}

impl StorageHealth {
    /// Notes that a turn begins.
    pub(super) fn begin(&self, now: ListeningTime) {
        self.0.busy_since.store(now.milliseconds(), Ordering::Relaxed);
    }

    /// Notes that it has ended.
    pub(super) fn end(&self) {
        self.0.busy_since.store(0, Ordering::Relaxed);
    }

    /// Notes how a commit went.
    pub(super) fn note_commit(&self, failed: bool) {
        self.0.last_commit_failed.store(failed, Ordering::Relaxed);
    }

    /// What is wrong, if anything.
    pub(super) fn trouble(&self, now: ListeningTime) -> Option<Trouble> {
        let since = self.0.busy_since.load(Ordering::Relaxed);
        let busy = now.since(ListeningTime::from_milliseconds(since));
        if since > 0 && busy > TURN_MAX {
            Some(Trouble::Stuck(busy))
        } else {
            self.0.last_commit_failed.load(Ordering::Relaxed).then_some(Trouble::CannotStore)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(milliseconds: u64) -> ListeningTime {
        ListeningTime::START.plus(Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_turn_that_does_not_end_is_trouble() {
        let health = StorageHealth::default();
        assert_eq!(health.trouble(after(60_000)), None);

        health.begin(after(0));
        assert_eq!(health.trouble(after(5_000)), None);
        let stuck = Trouble::Stuck(Duration::from_secs(7));
        assert_eq!(health.trouble(after(7_000)), Some(stuck));

        health.end();
        assert_eq!(health.trouble(after(7_000)), None);
    }

    #[test]
    fn a_failed_commit_is_trouble_until_one_is_stored() {
        let health = StorageHealth::default();

        health.note_commit(true);
        assert_eq!(health.trouble(after(0)), Some(Trouble::CannotStore));

        health.note_commit(false);
        assert_eq!(health.trouble(after(0)), None);
    }
}
