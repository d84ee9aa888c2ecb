//! A terminal, as a person has it: the keyboard and screen are the test's.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::Command;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};

use crate::support::{DEADLINE, Endpoints, Process, port_of};

/// What Ctrl-C sends, and what the screen shows of it.
const CTRL_C: &[u8] = b"\x03";
const CTRL_C_SHOWN: &str = "^C";

/// Makes the terminal that is named first that of a new session, and what follows its first
/// process.
const IN_A_SESSION: &str = "exec setsid --ctty \"$@\" < \"$0\"";

/// The same, where the process also draws on the terminal. It is opened once and stays open: who
/// reads a terminal that nobody has open is told of an error.
pub(super) const ON_THE_SCREEN: &str =
    "exec < \"$0\" && stty rows 24 cols 80 && exec setsid --ctty \"$@\" > \"$0\"";

/// The end of a pseudo terminal at which the person sits. Dropping it closes it.
pub(crate) struct Terminal(pub(super) PtyMaster);

impl Terminal {
    pub(crate) fn open() -> Self {
        // A process of another test must not keep it open.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let terminal = posix_openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        Self(terminal)
    }

    /// Begins `run` in this terminal. Its output is collected all the same.
    #[track_caller]
    pub(crate) fn begin(&self, registry: &Endpoints, arguments: &[&str]) -> Process {
        let port = port_of(&registry.requests).to_string();
        let binary = env!("CARGO_BIN_EXE_service-registry");
        let mut shell = Command::new("sh");
        shell.args(["-c", IN_A_SESSION, &ptsname_r(&self.0).unwrap()]);
        Process::spawn(shell.args([binary, "run", "--req-port", &port]).args(arguments))
    }

    /// Begins `arguments`, with its output on this terminal.
    #[track_caller]
    pub(crate) fn begin_on_screen(&self, registry: &Endpoints, arguments: &[&str]) -> Process {
        let port = port_of(&registry.requests).to_string();
        let mut shell = Command::new("sh");
        shell.args(["-c", ON_THE_SCREEN, &ptsname_r(&self.0).unwrap()]);
        shell.arg(env!("CARGO_BIN_EXE_service-registry")).args(arguments);
        Process::spawn(shell.args(["--req-port", &port]).env("TERM", "xterm-256color"))
    }

    /// Returns when the processes in the terminal have the signal.
    #[track_caller]
    pub(crate) fn press_ctrl_c(&mut self) {
        self.0.write_all(CTRL_C).unwrap();
        self.wait_for(CTRL_C_SHOWN);
    }

    /// Returns when `text` was shown.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let mut shown = Vec::new();
        let mut bytes = [0; 4096];
        while !String::from_utf8_lossy(&shown).contains(text) {
            let mut terminal = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            let deadline = PollTimeout::try_from(DEADLINE).unwrap();
            assert_eq!(poll(&mut terminal, deadline), Ok(1), "{text:?} is shown");
            let count = self.0.read(&mut bytes).unwrap();
            shown.extend_from_slice(&bytes[..count]);
        }
    }
}
