//! Signals, as the processes of tests know them from their beginning.

use std::fs;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT};

/// Lets processes that are started from now on be ended by signals as in a terminal, also where the
/// tests run under `nohup`, or in a script's background, and have to ignore them: what a process
/// ignores its children ignore, but what it handles they do not.
pub(super) fn are_heeded_by_children() {
    static HANDLED: LazyLock<()> = LazyLock::new(|| {
        for signal in [SIGHUP, SIGINT, SIGQUIT].into_iter().filter(|signal| is_ignored(*signal)) {
            // Handled by doing nothing, so the tests themselves go on ignoring it.
            signal_hook::flag::register(signal, Arc::<AtomicBool>::default()).unwrap();
        }
    });
    LazyLock::force(&HANDLED);
}

/// False where the system does not tell.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
