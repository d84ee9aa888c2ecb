//! A full screen in a pseudo terminal: what a program draws there can be read, and keys pressed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::pty::ptsname_r;

use super::terminal::{ON_THE_SCREEN, Terminal};
use crate::support::{DEADLINE, Endpoints, Process, port_of};

/// Between two looks at the screen.
const GLANCE: Duration = Duration::from_millis(20);

/// A program on a full screen, and what it shows there.
pub(super) struct Screen {
    terminal: Terminal,
    name: String,
    picture: Arc<Mutex<vt100::Parser>>,
    /// Held open, so that the terminal does not go with the first process that closes it.
    _held: File,
}

impl Screen {
    #[track_caller]
    pub(super) fn open(columns: u16, rows: u16) -> Self {
        let terminal = Terminal::open();
        let name = ptsname_r(&terminal.0).unwrap();
        let mut open = OpenOptions::new();
        let open = open.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
        let held = open.open(&name).unwrap();
        let picture = Arc::new(Mutex::new(vt100::Parser::new(length(rows), length(columns), 0)));

        let mut drawn = File::from(terminal.0.as_fd().try_clone_to_owned().unwrap());
        let seen = Arc::clone(&picture);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Ends when nobody has the terminal any more.
            while let Ok(count @ 1..) = drawn.read(&mut bytes) {
                seen.lock().unwrap().process(&bytes[..count]);
            }
        });
        let screen = Self { terminal, name, picture, _held: held };
        screen.resize(columns, rows);
        screen
    }

    /// Begins a command that shows `registry` here.
    #[track_caller]
    pub(super) fn begin(&self, registry: &Endpoints, arguments: &[&str]) -> Process {
        let port = port_of(&registry.requests).to_string();
        let binary = env!("CARGO_BIN_EXE_service-registry");
        let mut shell = Command::new("sh");
        shell.args(["-c", ON_THE_SCREEN, &self.name, binary]).args(arguments);
        Process::spawn(shell.args(["--req-port", &port]).env("TERM", "xterm-256color"))
    }

    /// Makes the terminal as large as this, and tells the program that it is.
    #[track_caller]
    pub(super) fn resize(&self, columns: u16, rows: u16) {
        self.picture.lock().unwrap().screen_mut().set_size(length(rows), length(columns));
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let mut stty = Command::new("stty");
        let status = stty.args(["-F", &self.name, "rows", &rows, "cols", &columns]).status();
        assert!(status.unwrap().success());
    }

    #[track_caller]
    pub(super) fn press(&mut self, keys: &str) {
        self.terminal.0.write_all(keys.as_bytes()).unwrap();
    }

    /// What a person sees now.
    pub(super) fn text(&self) -> String {
        self.picture.lock().unwrap().screen().contents()
    }

    /// Whether the screen is that of a program, and not the one on which it was begun.
    pub(super) fn is_full(&self) -> bool {
        self.picture.lock().unwrap().screen().alternate_screen()
    }

    /// Returns when `expected` is true of what is seen.
    #[track_caller]
    pub(super) fn wait_until(&self, expected: impl Fn(&str) -> bool) {
        let started = Instant::now();
        while !expected(&self.text()) {
            assert!(started.elapsed() < DEADLINE, "it does not come:\n{}", self.text());
            thread::sleep(GLANCE);
        }
    }

    /// Returns when the terminal is as it was before the program took all of it.
    #[track_caller]
    pub(super) fn wait_until_given_back(&self) {
        self.wait_until(|_| !self.is_full());
    }

    /// Returns when `text` is seen.
    #[track_caller]
    pub(super) fn wait_for(&self, text: &str) {
        self.wait_until(|seen| seen.contains(text));
    }
}

/// No terminal is without a line.
#[track_caller]
fn length(number: u16) -> NonZeroU16 {
    number.try_into().unwrap()
}
