//! Whether an event follows the one before, by their numbers. Pure.

use std::time::Instant;

use crate::client::service::Sequence;
use crate::client::settings::BEHIND_MAX;

use super::event::{Missed, MissedReason};

/// Watches the numbers of the events that come.
#[derive(Debug, Default)]
pub(super) struct Continuity {
    last: Option<Sequence>,
    /// Since when only such events come that were seen before.
    behind_since: Option<Instant>,
}

/// Where an event stands, seen from the one before.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is the next, or nobody can tell: a registry that numbers nothing hides what it loses, and
    /// the first event hides what was before it.
    Next,
    /// Something is missing in between.
    After(Missed),
    /// It was seen already: the registry that tells it is behind the one that was listened to
    /// before.
    Before,
}

impl Continuity {
    /// The connection was interrupted, and is up again, maybe to another registry.
    pub(super) fn on_connected(&mut self) {
        self.behind_since = None;
    }

    /// Sees the event that has the number `sequence`, and comes `now`.
    pub(super) fn see(&mut self, sequence: Option<&Sequence>, now: Instant) -> Seen {
        let Some(next) = sequence else { return Seen::Next };
        if let Some(last) = self.last.as_ref().filter(|last| last.epoch == next.epoch)
            && next.seq <= last.seq
        {
            let since = *self.behind_since.get_or_insert(now);
            if now - since < BEHIND_MAX {
                return Seen::Before;
            }
        }
        self.behind_since = None;
        let Some(last) = self.last.replace(next.clone()) else { return Seen::Next };
        // Too long behind is as good as another epoch: what the registries share was put back.
        if last.epoch != next.epoch || next.seq <= last.seq {
            // How far the epoch before went is not known.
            return Seen::After(Missed { reason: MissedReason::Restarted, events: None });
        }
        match next.seq - last.seq - 1 {
            0 => Seen::Next,
            missing => Seen::After(Missed { reason: MissedReason::Lost, events: Some(missing) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(continuity: &mut Continuity, epoch: &str, seq: u64) -> Seen {
        see_at(continuity, epoch, seq, Instant::now())
    }

    fn see_at(continuity: &mut Continuity, epoch: &str, seq: u64, now: Instant) -> Seen {
        continuity.see(Some(&Sequence { epoch: epoch.to_owned(), seq }), now)
    }

    #[test]
    fn consecutive_numbers_are_no_gap_wherever_they_begin() {
        let mut continuity = Continuity::default();

        for seq in 41..50 {
            assert_eq!(see(&mut continuity, "e", seq), Seen::Next);
        }
    }

    #[test]
    fn a_hole_tells_how_many_events_are_missing_and_is_told_once() {
        let mut continuity = Continuity::default();
        see(&mut continuity, "e", 1);

        let missed = see(&mut continuity, "e", 5);

        let lost = Missed { reason: MissedReason::Lost, events: Some(3) };
        assert_eq!(missed, Seen::After(lost));
        assert_eq!(see(&mut continuity, "e", 6), Seen::Next);
    }

    #[test]
    fn another_epoch_is_a_restart_after_which_any_number_of_events_may_be_missing() {
        let mut continuity = Continuity::default();
        see(&mut continuity, "e", 1);

        let missed = see(&mut continuity, "f", 2);

        let restarted = Missed { reason: MissedReason::Restarted, events: None };
        assert_eq!(missed, Seen::After(restarted));
        assert_eq!(see(&mut continuity, "f", 3), Seen::Next);
    }

    #[test]
    fn what_a_registry_tells_again_that_is_behind_was_seen_before() {
        let mut continuity = Continuity::default();
        see(&mut continuity, "e", 5);

        for seq in [4, 5] {
            assert_eq!(see(&mut continuity, "e", seq), Seen::Before);
        }
        assert_eq!(see(&mut continuity, "e", 6), Seen::Next);
    }

    #[test]
    fn events_without_numbers_hide_their_gaps() {
        let mut continuity = Continuity::default();

        assert_eq!(continuity.see(None, Instant::now()), Seen::Next);
        assert_eq!(continuity.see(None, Instant::now()), Seen::Next);
    }

    #[test]
    fn numbers_that_stay_behind_are_a_restart_unless_the_connection_was_lost_in_between() {
        let mut continuity = Continuity::default();
        let now = Instant::now();
        see_at(&mut continuity, "e", 100, now);

        assert_eq!(see_at(&mut continuity, "e", 51, now), Seen::Before);
        continuity.on_connected();
        let later = now + BEHIND_MAX;
        assert_eq!(see_at(&mut continuity, "e", 52, later), Seen::Before);
        let restarted = Missed { reason: MissedReason::Restarted, events: None };
        let latest = later + BEHIND_MAX;
        assert_eq!(see_at(&mut continuity, "e", 53, latest), Seen::After(restarted));
        assert_eq!(see_at(&mut continuity, "e", 54, latest), Seen::Next);
    }
}
