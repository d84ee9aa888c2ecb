//! Heartbeats, which keep a service registered, and their state.
//!
//! `rhythm` decides when the next heartbeat is due, `home` whether the service's address is still
//! right, both without any I/O; `sender` is the thread that sends them, and `registrar` how it
//! registers a service that the registry has forgotten.

mod current_registration;
pub(super) mod home;
mod logging;
mod monitor;
mod registrar;
mod rhythm;
mod sender;
mod state;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::settings::ClientSettings;
use super::thread::Thread;

pub(super) use current_registration::CurrentRegistration;
pub(super) use home::{HostAddresses, SystemAddresses};
pub(super) use monitor::Monitor;
pub(super) use registrar::{Registrar, Turn};
pub use state::{HeartbeatState, ReRegistration};

use sender::HeartbeatSender;

/// What all services of one client share that are kept registered by heartbeats.
#[derive(Clone)]
pub(super) struct Upkeep {
    pub(super) settings: ClientSettings,
    pub(super) registrar: Arc<dyn Registrar>,
    pub(super) addresses: Arc<dyn HostAddresses>,
    pub(super) monitor: Monitor,
}

/// A running heartbeat thread. Dropping it ends it at once, whatever it waits for.
#[derive(Debug)]
pub(super) struct Heartbeat {
    thread: Thread,
    turn: Arc<Mutex<Turn>>,
}

impl Heartbeat {
    /// Starts sending heartbeats, the first at once.
    pub(super) fn start(
        upkeep: Upkeep,
        current: Arc<Mutex<CurrentRegistration>>,
        turn: Arc<Mutex<Turn>>,
    ) -> io::Result<Self> {
        let monitor = upkeep.monitor.clone();
        let mut sender = HeartbeatSender::new(upkeep, current, Arc::clone(&turn));
        let start = || Thread::start("heartbeat", move |stop| sender.run(stop));
        let thread = monitor.note_if_started(HeartbeatState::Starting, start)?;
        Ok(Self { thread, turn })
    }

    /// Ends the thread. First waits until what it has asked for cannot be overtaken any more.
    pub(super) fn stop(mut self) {
        let _turn = lock(&self.turn);
        self.thread.request_stop();
    }
}

/// What is shared here is replaced in one piece, so it is whole even where its last user panicked.
pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
