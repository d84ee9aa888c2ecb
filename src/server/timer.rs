//! The timer thread.
//!
//! *Owns* nothing but the clock's tick. *Receives* nothing; *sends* the storage thread the word
//! to clean up. *Ends* when its stop channel is closed.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};

use crate::clock::{Clock, TICK, Tick};

use super::messages::CleanUp;
use super::thread::Failure;

/// See the module's page.
pub(super) struct Timer {
    pub(super) clock: Clock,
    pub(super) cleanup_interval: Duration,
    pub(super) clean_up: Sender<CleanUp>,
    /// Nobody sends here; it is closed when the server stops.
    pub(super) stop: Receiver<()>,
}

impl Timer {
    /// Runs the thread.
    pub(super) fn run(self) -> Result<(), Failure> {
        let period = self.cleanup_interval.min(TICK);
        let mut since_cleanup = Duration::ZERO;
        let mut grace = Duration::ZERO;
        let mut last_pause = None;
        loop {
            match self.stop.recv_timeout(period) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            since_cleanup += period;
            grace = match self.clock.tick() {
                Tick::OnTime => grace.saturating_sub(period),
                Tick::AfterPause(pause) => {
                    log::warn!(
                        "the registry stood still for {:.1} s and heard nothing meanwhile; that \
                         time does not count against any service (was the host suspended, or \
                         starved?)",
                        pause.as_secs_f64()
                    );
                    last_pause = Some(self.clock.now().listening);
                    // The heartbeats that queued up are read before anybody is declared dead.
                    TICK
                }
            };
            if since_cleanup >= self.cleanup_interval && grace.is_zero() {
                match self.clean_up.try_send(CleanUp { last_pause }) {
                    Ok(()) => last_pause = None,
                    // The storage thread has not got round to the last one.
                    Err(TrySendError::Full(_)) => {}
                    Err(TrySendError::Disconnected(_)) => return Ok(()),
                }
                since_cleanup = Duration::ZERO;
            }
        }
    }
}
