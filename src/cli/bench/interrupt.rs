//! Ctrl-C, and whoever else asks the program to end.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// How often the program was asked to end.
#[derive(Debug)]
pub(super) struct Interrupt {
    /// Set by a signal, and cleared when it is counted.
    heard: Arc<AtomicBool>,
    times: Cell<u8>,
}

impl Interrupt {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        let heard = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(&heard))?;
        }
        Ok(Self { heard, times: Cell::new(0) })
    }

    /// Whether to come to an end, in good order.
    pub(super) fn is_asked(&self) -> bool {
        self.times() > 0
    }

    /// Whether to come to an end at once: it was asked for again.
    pub(super) fn is_urgent(&self) -> bool {
        self.times() > 1
    }

    fn times(&self) -> u8 {
        if self.heard.load(Ordering::Relaxed) {
            self.heard.store(false, Ordering::Relaxed);
            self.times.set(self.times.get().saturating_add(1));
        }
        self.times.get()
    }
}
