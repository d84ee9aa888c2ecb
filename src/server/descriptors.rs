//! File descriptors: how many the process may have, and how many it has.
//!
//! Every connection takes one. Where there are none left, connections wait until others have
//! ended, and so would whatever else opens a file; so some are kept back.

use std::fs;
use std::io;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::clock::ListeningTime;
use crate::limits::{Limit, Limits};

/// How many descriptors are kept for files, and for connections that are just being made, if a
/// quarter of all is not less.
const KEPT_BACK: u64 = 64;

/// How many files the program opens after its server, at the most.
const OPENED_LATER: u64 = 16;

/// From how many free descriptors down the log warns.
const FEW: u64 = 16;

/// How long the log says nothing of descriptors after a warning.
pub(super) const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Lets the process open as many files as its administrator allows: the limit that counts at first
/// is often a thousand, for the sake of old programs.
///
/// # Errors
/// What the operating system says, where it refuses.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connections {
    /// How many descriptors may be open when one more connection is let in.
    descriptors_max: u64,
}

/// Watches how many descriptors are left.
#[derive(Debug, Default)]
pub(super) struct DescriptorWatch {
    warned: Option<ListeningTime>,
}

impl Connections {
    /// As many as `limits` allow, and the system. To be called when the server's own files and
    /// sockets are open.
    pub(super) fn new(limits: &Limits) -> Self {
        let own = open().unwrap_or_default() + OPENED_LATER;
        let wanted = limits.get(Limit::Connections).saturating_add(own);
        let limit = limit();
        let possible = limit - KEPT_BACK.min(limit / 4);
        if possible < wanted {
            log::info!(
                "there can be no more than about {possible} connections, because the process may \
                 open no more files than that (LimitNOFILE in systemd, ulimit -n in a shell)"
            );
        }
        Self { descriptors_max: wanted.min(possible) }
    }

    /// Whether there are as many as there may be, the one that is just being made among them.
    pub(super) fn are_too_many(self) -> bool {
        open().is_some_and(|open| open > self.descriptors_max)
    }
}

impl DescriptorWatch {
    /// What is to be said of the descriptors now.
    pub(super) fn look(&mut self, now: ListeningTime) -> Option<String> {
        let is_due = self.warned.is_none_or(|warned| now.since(warned) >= WARNING_INTERVAL);
        if !is_due {
            return None;
        }
        let (open, limit) = (open()?, limit());
        if open.saturating_add(FEW) < limit {
            return None;
        }
        self.warned = Some(now);
        // A limit that was lowered leaves more open than it allows.
        let open = open.min(limit);
        Some(format!(
            "{open} of {limit} file descriptors are in use: new connections wait until others have \
             ended; allow more open files (LimitNOFILE in systemd, ulimit -n in a shell)"
        ))
    }
}

/// How many descriptors the process may have.
fn limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft)
}

/// How many descriptors the process has; none, where the system does not tell.
fn open() -> Option<u64> {
    const DESCRIPTORS: &str = "/proc/self/fd";

    // Linux tells their number as the size of the directory since version 6.2.
    match fs::metadata(DESCRIPTORS).ok()?.len() {
        // Reading it takes one more.
        0 => Some((fs::read_dir(DESCRIPTORS).ok()?.count() as u64).saturating_sub(1)),
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_opened_is_counted() {
        let before = open().unwrap();
        let files: Vec<File> = (0..1_000).map(|_| File::open("/dev/null").unwrap()).collect();

        // Other tests open and close files, too, but not as many.
        assert!(open().unwrap() >= before + 500);

        drop(files);
    }

    #[test]
    fn the_limit_can_be_raised_to_the_highest_and_stays_there() {
        raise_descriptor_limit().unwrap();
        raise_descriptor_limit().unwrap();

        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, hard);
        assert_eq!(limit(), hard);
    }
}
