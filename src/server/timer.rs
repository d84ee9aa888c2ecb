//! The timer thread.
//!
//! *Owns* nothing but the clock's tick. *Receives* nothing; *sends* the storage thread the word
//! to clean up. *Ends* when its stop channel is closed.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};

use crate::clock::{Clock, TICK, Tick};

use super::descriptors::DescriptorWatch;
use super::messages::CleanUp;
use super::statistics::Statistics;
use super::thread::Failure;
use super::vitals::Pulse;

/// How long after a pause nobody is declared dead: the heartbeats that queued up meanwhile are
/// read first.
const GRACE: Duration = Duration::from_secs(1);

/// From how long a pause on it is worth a warning. Shorter ones happen on every busy host.
const WORTH_A_WARNING: Duration = Duration::from_secs(2);

/// Moves listening time on, and calls for cleanup: the timer thread, ready to run.
pub(super) struct Timer {
    pub(super) clock: Clock,
    pub(super) cleanup_interval: Duration,
    pub(super) clean_up: Sender<CleanUp>,
    /// Nobody sends here; it is closed when the server stops.
    pub(super) stop: Receiver<()>,
    pub(super) statistics: Statistics,
    pub(super) descriptors: DescriptorWatch,
    pub(super) pulse: Pulse,
}

impl Timer {
    /// Runs the thread.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let period = period(self.cleanup_interval);
        let mut since_cleanup = Duration::ZERO;
        let mut grace = Duration::ZERO;
        loop {
            match self.stop.recv_timeout(period) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            self.pulse.beat();
            self.tell_of_shortages();
            since_cleanup += period;
            grace = match self.clock.tick() {
                Tick::OnTime => grace.saturating_sub(period),
                Tick::AfterPause(pause) => {
                    log_pause(pause);
                    GRACE
                }
            };
            if since_cleanup >= self.cleanup_interval && grace.is_zero() {
                match self.clean_up.try_send(CleanUp) {
                    Ok(()) => since_cleanup = Duration::ZERO,
                    // The storage thread has not got round to the last one: ask again soon.
                    Err(TrySendError::Full(_)) => {}
                    Err(TrySendError::Disconnected(_)) => return Ok(()),
                }
            }
        }
    }
}

impl Timer {
    /// Tells of what was refused, and of descriptors that run out: some lines a minute, however
    /// much there is to tell.
    fn tell_of_shortages(&mut self) {
        let now = self.clock.now().listening;
        if let Some(report) = self.statistics.report(now) {
            log::warn!("{report}");
        }
        if let Some(warning) = self.descriptors.look(now) {
            log::warn!("{warning}");
        }
    }
}

/// The longest period that divides the cleanup interval and is no longer than a tick.
fn period(cleanup_interval: Duration) -> Duration {
    let ticks = cleanup_interval.as_nanos().div_ceil(TICK.as_nanos()).max(1);
    cleanup_interval / u32::try_from(ticks).unwrap_or(u32::MAX)
}

fn log_pause(pause: Duration) {
    if pause >= WORTH_A_WARNING {
        log::warn!(
            "the registry stood still for {:.1} s and heard nothing meanwhile; that time does not \
             count against any service (was the host suspended, or starved?)",
            pause.as_secs_f64()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cleanup_interval_is_a_whole_number_of_periods_no_longer_than_a_tick() {
        for milliseconds in [100, 499, 500, 501, 1_010, 2_500, 10_000, 86_400_000] {
            let interval = Duration::from_millis(milliseconds);
            let period = period(interval);

            assert!(period <= TICK, "{interval:?}: {period:?}");
            let periods = (interval.as_secs_f64() / period.as_secs_f64()).round();
            assert!((period.mul_f64(periods)).abs_diff(interval) < Duration::from_millis(1));
        }
    }
}
