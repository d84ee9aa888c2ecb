//! Signals, as they concern a registry: two end it, and one lets it read its settings anew.

use std::io;
use std::thread::{Builder, JoinHandle};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

/// Listens to signals until it is dropped.
pub(super) struct Listener {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Where signals will be heard, opened before clients can have taken all descriptors. Until
/// somebody listens, signals do what they do to any process.
pub(super) struct Ear(Signals);

impl Ear {
    pub(super) fn open() -> io::Result<Self> {
        Signals::new::<[i32; 0], i32>([]).map(Self)
    }

    /// Calls `stop` for each SIGINT and SIGTERM, and `reload` for each SIGHUP, one after the other.
    pub(super) fn listen(
        self,
        stop: impl Fn() + Send + 'static,
        mut reload: impl FnMut() + Send + 'static,
    ) -> io::Result<Listener> {
        let mut signals = self.0;
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signals.add_signal(signal)?;
        }
        let handle = signals.handle();
        let listen = move || {
            for signal in signals.forever() {
                if signal == SIGHUP { reload() } else { stop() }
            }
        };
        let thread = Builder::new().name("signals".to_owned()).spawn(listen)?;
        Ok(Listener { handle, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // A panic in it was logged.
            let _ = thread.join();
        }
    }
}
