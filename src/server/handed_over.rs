//! What ZeroMQ has handed over to the threads from each connection, while the guard wants to know.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::transport::Received;

/// What ZeroMQ puts before a frame, at the most.
const FRAME_HEADER: usize = 9;

/// How many bytes of whole messages came over each connection since somebody looked last. Clones
/// count together.
#[derive(Debug, Clone, Default)]
pub(super) struct HandedOver(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    is_wanted: AtomicBool,
    /// By the descriptor of the connection.
    bytes: Mutex<HashMap<RawFd, u64>>,
}

impl HandedOver {
    /// Notes a message that was taken from its socket. To find out where it came from takes its
    /// time, so it is done only while somebody wants to know.
    pub(super) fn note(&self, received: &mut Received) {
        if !self.0.is_wanted.load(Ordering::Relaxed) {
            return;
        }
        let size = received.size();
        if let Some(connection) = received.connection() {
            let bytes = (size.bytes + size.frames * FRAME_HEADER) as u64;
            *self.bytes().entry(connection).or_default() += bytes;
        }
    }

    /// Says whether somebody wants to know from now on.
    pub(super) fn want(&self, is_wanted: bool) {
        self.0.is_wanted.store(is_wanted, Ordering::Relaxed);
    }

    /// What was noted since the last time.
    pub(super) fn take(&self) -> HashMap<RawFd, u64> {
        std::mem::take(&mut self.bytes())
    }

    fn bytes(&self) -> MutexGuard<'_, HashMap<RawFd, u64>> {
        self.0.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
