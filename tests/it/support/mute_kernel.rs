//! A kernel that does not list connections, or does so later.
//!
//! What does this is a small library in C, `mute_kernel.c`.

use std::fs;
use std::path::PathBuf;

use super::Launch;
use super::preloaded::preloaded;

/// What a registry is told that asks for its connections.
#[derive(Debug)]
pub(crate) struct MuteKernel {
    /// While this file is there, nobody is answered.
    silence: PathBuf,
}

impl MuteKernel {
    /// Puts the kernel under `launch`. It answers until it is told otherwise.
    #[track_caller]
    pub(crate) fn under(launch: Launch) -> (Self, Launch) {
        let silence = launch.path("kernel-is-mute");
        let launch = launch
            .variable("LD_PRELOAD", preloaded("mute_kernel").to_str().unwrap())
            .variable("MUTE_KERNEL_SILENCE", silence.to_str().unwrap());
        (Self { silence }, launch)
    }

    /// Puts one under `launch` that cannot be asked at all: it knows no `AF_NETLINK`.
    #[track_caller]
    pub(crate) fn without_netlink(launch: Launch) -> Launch {
        Self::under(launch).1.variable("MUTE_KERNEL_WITHOUT_NETLINK", "1")
    }

    /// It answers no more: it lacks memory.
    #[track_caller]
    pub(crate) fn falls_silent(&self) {
        fs::write(&self.silence, "").unwrap();
    }

    #[track_caller]
    pub(crate) fn answers_again(&self) {
        fs::remove_file(&self.silence).unwrap();
    }
}
