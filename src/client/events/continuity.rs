//! Whether an event follows the one before, by their numbers. Pure.

use crate::client::service::Sequence;

use super::event::{Missed, MissedReason};

/// Watches the numbers of the events that come.
#[derive(Debug, Default)]
pub(super) struct Continuity {
    last: Option<Sequence>,
}

impl Continuity {
    /// What was missed before the event that has the number `sequence`. A registry that numbers
    /// nothing hides what it loses, and the first event hides what was before it.
    pub(super) fn see(&mut self, sequence: Option<&Sequence>) -> Option<Missed> {
        let next = sequence?;
        let last = self.last.replace(next.clone())?;
        if last.epoch != next.epoch {
            // How far the epoch before went is not known.
            return Some(Missed { reason: MissedReason::Restarted, events: None });
        }
        let missing = next.seq.saturating_sub(last.seq).saturating_sub(1);
        (missing > 0).then_some(Missed { reason: MissedReason::Lost, events: Some(missing) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn see(continuity: &mut Continuity, epoch: &str, seq: u64) -> Option<Missed> {
        continuity.see(Some(&Sequence { epoch: epoch.to_owned(), seq }))
    }

    #[test]
    fn consecutive_numbers_are_no_gap_wherever_they_begin() {
        let mut continuity = Continuity::default();

        for seq in 41..50 {
            assert_eq!(see(&mut continuity, "e", seq), None);
        }
    }

    #[test]
    fn a_hole_tells_how_many_events_are_missing_and_is_told_once() {
        let mut continuity = Continuity::default();
        see(&mut continuity, "e", 1);

        let missed = see(&mut continuity, "e", 5);

        assert_eq!(missed, Some(Missed { reason: MissedReason::Lost, events: Some(3) }));
        assert_eq!(see(&mut continuity, "e", 6), None);
    }

    #[test]
    fn another_epoch_is_a_restart_after_which_any_number_of_events_may_be_missing() {
        let mut continuity = Continuity::default();
        see(&mut continuity, "e", 1);

        let missed = see(&mut continuity, "f", 2);

        assert_eq!(missed, Some(Missed { reason: MissedReason::Restarted, events: None }));
        assert_eq!(see(&mut continuity, "f", 3), None);
    }

    #[test]
    fn events_without_numbers_hide_their_gaps() {
        let mut continuity = Continuity::default();

        assert_eq!(continuity.see(None), None);
        assert_eq!(continuity.see(None), None);
    }
}
