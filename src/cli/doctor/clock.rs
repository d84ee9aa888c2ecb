//! Whether the clocks can be believed: the registry's against ours, and ours at all.

use std::time::{SystemTime, UNIX_EPOCH};

use super::finding::Finding;
use crate::cli::registry::Registry;

const CHECK: &str = "clock";
const OWN_CHECK: &str = "own clock";

/// So far apart, two clocks that are kept by NTP never are.
const DIFFERENCE_MAX: u64 = 2;

/// The beginning of 2026: whatever is earlier was set by no clock.
const SANE_FROM: u64 = 1_767_225_600;

/// The registry's clock against ours.
pub(super) fn check(registry: &mut Registry) -> Option<Finding> {
    let before = own();
    // That it does not tell the time is no news to who reads the other findings.
    let theirs = registry.now().ok()?.unix_seconds();
    Some(compare(theirs, before, own()))
}

/// Our own clock, which the registry of this host shares.
pub(super) fn check_own() -> Finding {
    judge_own(own())
}

/// `theirs` was read after our clock showed `before`, and before it showed `after`.
fn compare(theirs: u64, before: u64, after: u64) -> Finding {
    let (ahead, behind) = (theirs.saturating_sub(after), before.saturating_sub(theirs));
    let difference = ahead.max(behind);
    if difference <= DIFFERENCE_MAX {
        return Finding::ok(CHECK, "the registry's clock and ours agree");
    }
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    Finding::warning(
        CHECK,
        &format!("the registry's clock is {difference} s {direction} ours"),
        "keep both hosts at the time by NTP (`timedatectl`); no service expires by it, but ages of \
         heartbeats and times in logs cannot be compared",
    )
}

fn judge_own(seconds: u64) -> Finding {
    if seconds >= SANE_FROM {
        return Finding::ok(OWN_CHECK, "is set");
    }
    Finding::warning(
        OWN_CHECK,
        &format!("is at {seconds} s after 1970, and was never set"),
        "set it (`timedatectl set-ntp true`); until then, times in the database and in logs are \
         wrong",
    )
}

fn own() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_slow_answer_is_no_difference_of_clocks() {
        assert_eq!(compare(1_000, 1_000, 1_000).verdict, Verdict::Ok);
        assert_eq!(compare(1_010, 1_000, 1_020).verdict, Verdict::Ok);
        assert_eq!(compare(1_002, 1_000, 1_000).verdict, Verdict::Ok);
    }

    #[test]
    fn clocks_that_differ_are_told_with_by_how_much() {
        let ahead = compare(4_600, 1_000, 1_000);
        let behind = compare(997, 1_000, 1_001);

        assert_eq!(ahead.verdict, Verdict::Warning);
        assert_eq!(ahead.found, "the registry's clock is 3600 s ahead of ours");
        assert_eq!(behind.found, "the registry's clock is 3 s behind ours");
    }

    #[test]
    fn a_clock_that_was_never_set_is_told() {
        assert_eq!(judge_own(86_400).verdict, Verdict::Warning);
        assert_eq!(judge_own(SANE_FROM).verdict, Verdict::Ok);
    }
}
