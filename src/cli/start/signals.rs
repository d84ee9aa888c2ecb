//! Signals, as they concern a registry: two end it, and one lets it read its settings anew.

use std::io;
use std::thread::{Builder, JoinHandle};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{self, Handle};

/// Listens to signals until it is dropped.
pub(super) struct Listener {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// The signals of this process, opened before clients can have taken all descriptors. Until
/// somebody listens, signals have their usual effect.
pub(super) struct Signals(iterator::Signals);

impl Signals {
    pub(super) fn open() -> io::Result<Self> {
        iterator::Signals::new::<[i32; 0], i32>([]).map(Self)
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
