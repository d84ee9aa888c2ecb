//! A disk on which chosen calls go wrong: each write, sync and truncation of a file is counted,
//! and those that a test chooses fail, write half, or stand still.
//!
//! What does this is a small library in C, `faulty_disk.c`, which Linux loads into the registry's
//! process before the system's own functions.

use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use super::preloaded::preloaded;
use super::{DEADLINE, Launch};

const CONTROL_FILE: &str = "faulty-disk";

/// What the library and this share: so many numbers of 64 bits, in the order of the library's
/// `struct control`.
const NUMBERS: usize = 8;
const LAST: usize = 2;
const CALLS: usize = 5;
const WRONG: usize = 6;
const STALLED: usize = 7;

/// Which calls count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Writes, syncs and truncations.
    All,
    Syncs,
    /// All, and opening a file to write.
    AllAndOpening,
}

/// What happens to a call that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It fails with an input/output error.
    Fails,
    /// Half of what was to be written is; then it fails.
    Tears,
    /// It fails as on a file system that is read only.
    IsReadOnly,
    /// It stands still until the disk is mended.
    Stalls,
}

/// The disk under one folder.
#[derive(Debug)]
pub(crate) struct FaultyDisk {
    control: File,
}

impl FaultyDisk {
    /// Puts the disk under the folder of `launch`. It is a good one until it is told otherwise.
    #[track_caller]
    pub(crate) fn under(launch: Launch) -> (Self, Launch) {
        let path = launch.path(CONTROL_FILE);
        let folder = launch.folder().canonicalize().unwrap();
        fs::write(&path, [0; NUMBERS * 8]).unwrap();
        let control = File::options().read(true).write(true).open(&path).unwrap();
        let launch = launch
            .variable("LD_PRELOAD", preloaded("faulty_disk").to_str().unwrap())
            .variable("FAULTY_DISK_CONTROL", path.to_str().unwrap())
            .variable("FAULTY_DISK_FOLDER", folder.to_str().unwrap());
        (Self { control }, launch)
    }

    /// Counts such calls from now on, from 1, and lets those in `wrong` go wrong.
    #[track_caller]
    pub(crate) fn goes_wrong(&self, calls: Calls, wrong: RangeInclusive<u64>, fate: Fate) {
        let kinds = match calls {
            Calls::All => 1 | 2 | 4,
            Calls::Syncs => 2,
            Calls::AllAndOpening => 1 | 2 | 4 | 8,
        };
        let (fate, error) = match fate {
            Fate::Fails => (0, nix::errno::Errno::EIO),
            Fate::Tears => (1, nix::errno::Errno::EIO),
            Fate::IsReadOnly => (0, nix::errno::Errno::EROFS),
            Fate::Stalls => (2, nix::errno::Errno::EIO),
        };
        let numbers = [kinds, *wrong.start(), *wrong.end(), fate, error as u64, 0, 0, 0];
        let bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_ne_bytes).collect();
        self.control.write_all_at(&bytes, 0).unwrap();
    }

    /// Counts all calls from now on, and lets none go wrong.
    #[track_caller]
    pub(crate) fn counts(&self) {
        self.goes_wrong(Calls::All, u64::MAX..=u64::MAX, Fate::Fails);
    }

    /// Lets no more calls go wrong, and those that stand still go on.
    #[track_caller]
    pub(crate) fn is_mended(&self) {
        self.control.write_all_at(&0_u64.to_ne_bytes(), LAST as u64 * 8).unwrap();
    }

    /// How many calls have come.
    #[track_caller]
    pub(crate) fn calls(&self) -> u64 {
        self.number(CALLS)
    }

    /// How many of them went wrong.
    #[track_caller]
    pub(crate) fn wrong_calls(&self) -> u64 {
        self.number(WRONG)
    }

    /// Waits until a call stands still, or `is_over`. True if one does.
    #[track_caller]
    pub(crate) fn waits_for_stall(&self, is_over: impl Fn() -> bool) -> bool {
        let started = Instant::now();
        while self.number(STALLED) == 0 {
            if is_over() {
                return false;
            }
            assert!(started.elapsed() < DEADLINE, "no call stalls");
            // Another process changes the number, and nothing tells when.
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    #[track_caller]
    fn number(&self, index: usize) -> u64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, index as u64 * 8).unwrap();
        u64::from_ne_bytes(bytes)
    }
}
