//! Signals, as they concern a command that is run.

use std::fs;
use std::io;
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

/// What would end this process, or is meant for the command anyway.
const PASSED_ON: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

/// The signals of this process, kept until they are asked for.
pub(super) struct Signals(SignalsInfo<WithOrigin>);

/// What a signal means.
#[derive(Debug)]
pub(super) enum Heard {
    /// The command may have ended.
    ChildChanged,
    /// The command is to have this one.
    PassOn(i32),
}

impl Signals {
    /// Listens from now on. What this process was told to ignore, as by `nohup`, stays ignored,
    /// here and by the command.
    pub(super) fn listen() -> io::Result<Self> {
        let ignored = ignored();
        let wanted = PASSED_ON.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        Ok(Self(SignalsInfo::new(wanted.chain([SIGCHLD]))?))
    }

    /// A signal that has come already, and would end a process that does not listen.
    pub(super) fn pending(&mut self) -> Option<u8> {
        let mut signals = self.0.pending().map(|origin| origin.signal);
        signals.find(|signal| *signal != SIGCHLD).and_then(|signal| signal.try_into().ok())
    }

    /// Waits for the next signal.
    pub(super) fn next(&mut self) -> Heard {
        for origin in self.0.forever() {
            if origin.signal == SIGCHLD {
                return Heard::ChildChanged;
            }
            if !is_from_terminal(&origin) {
                return Heard::PassOn(origin.signal);
            }
        }
        // Only another handle could close the signals, and there is none.
        Heard::ChildChanged
    }
}

/// Sends a signal to the command. One that has just ended needs none.
pub(super) fn send(child: &Child, signal: i32) -> io::Result<()> {
    let signal = Signal::try_from(signal)?;
    match i32::try_from(child.id()).map(|id| kill(Pid::from_raw(id), signal)) {
        Ok(Err(error)) if error != nix::errno::Errno::ESRCH => Err(error.into()),
        _ => Ok(()),
    }
}

/// The keys of a terminal signal all processes in its foreground, the command among them. Twice
/// would be once too often: many programs take the second Ctrl-C for impatience. When a terminal
/// is closed, only the first process of its session hears of that, and has to pass it on.
fn is_from_terminal(origin: &Origin) -> bool {
    matches!(origin.signal, SIGINT | SIGQUIT) && matches!(origin.cause, Cause::Kernel)
}

/// The signals that this process ignores, one bit each. None where the system does not tell.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
