//! Whether the registry may open as many files as it has clients: each connection is one.

use super::finding::Finding;
use super::system::Process;

const CHECK: &str = "open files";

/// Three sockets for each of some hundreds of clients.
const ENOUGH: u64 = 1_024;

/// The registry's own process.
pub(super) fn check(process: Option<&Process>) -> Finding {
    let Some(process) = process else {
        let found = "no process of a registry is seen; where one runs, its user and root see it";
        return Finding::unknown(CHECK, found);
    };
    let open = process.open_files().and_then(|open| u64::try_from(open).ok()).unwrap_or(0);
    process.open_files_max().map_or_else(
        || Finding::unknown(CHECK, "the limit cannot be seen; try as the registry's user, or root"),
        |limit| judge(open, limit),
    )
}

fn judge(open: u64, limit: u64) -> Finding {
    let found = format!("the registry has {open} open and may have {limit}");
    let remedy = "raise LimitNOFILE in the unit (`systemctl edit service-registry`), or \
        `ulimit -n` before the start: a registry without files refuses connections";
    // As integers, without overflow.
    if open >= limit.saturating_sub(limit / 20) {
        Finding::problem(CHECK, &found, remedy)
    } else if limit < ENOUGH || open >= limit.saturating_sub(limit / 5) {
        Finding::warning(CHECK, &found, remedy)
    } else {
        Finding::ok(CHECK, &found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_limit_that_is_near_or_low_is_told() {
        let verdict = |open, limit| judge(open, limit).verdict;

        assert_eq!(verdict(20, 1_024), Verdict::Ok);
        assert_eq!(verdict(20, 256), Verdict::Warning);
        assert_eq!(verdict(900, 1_024), Verdict::Warning);
        assert_eq!(verdict(1_020, 1_024), Verdict::Problem);
        assert_eq!(verdict(20, u64::MAX), Verdict::Ok);
    }

    #[test]
    fn the_limit_of_a_process_is_read() {
        let finding = check(Process::with_id(std::process::id()).as_ref());

        assert!(finding.found.starts_with("the registry has "), "{}", finding.found);
        assert_ne!(finding.verdict, Verdict::Unknown);
        assert_eq!(check(None).verdict, Verdict::Unknown);
    }
}
