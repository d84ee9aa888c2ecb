//! Waiting for answers and for the moment at which the next request is due, whichever is first.
//!
//! ZeroMQ can wait for its sockets itself, but asks the operating system about each of them
//! whenever any has something to say. Waiting for what it gives out to be waited for costs one
//! question for all of them.

use std::os::fd::RawFd;
use std::time::Duration;

use zmq::{Error, POLLIN, PollItem};

use super::BenchError;
use alarm::Alarm;

/// How often a load looks up from its work: for Ctrl-C, silence, and progress.
pub(super) const GLANCE: Duration = Duration::from_millis(100);

/// What a load waits for.
pub(super) struct Waiting {
    /// The alarm, where there is one, behind the connections.
    items: Vec<PollItem<'static>>,
    connections: usize,
    alarm: Alarm,
}

impl Waiting {
    /// For answers on the connections that give out `fds`.
    pub(super) fn new(fds: &[RawFd]) -> Result<Self, BenchError> {
        let alarm = Alarm::new()?;
        let items = fds.iter().copied().chain(alarm.fd());
        let items = items.map(|fd| PollItem::from_fd(fd, POLLIN)).collect();
        Ok(Self { items, connections: fds.len(), alarm })
    }

    /// Waits until something has come, `at_most` so long, and no longer than a [`GLANCE`].
    pub(super) fn wait(&mut self, at_most: Duration) -> Result<(), BenchError> {
        let milliseconds =
            if at_most >= GLANCE { glance() } else { self.alarm.set(at_most, glance())? };
        match zmq::poll(&mut self.items, milliseconds) {
            // A signal cut the waiting short, and with it the word on what has come.
            Err(Error::EINTR) => self.wait(Duration::ZERO),
            polled => polled.map(|_| ()).map_err(BenchError::Wait),
        }
    }

    /// The connections, by their place, on which something may have come.
    pub(super) fn ready(&self) -> impl Iterator<Item = usize> {
        let connections = self.items.iter().take(self.connections).enumerate();
        connections.filter(|(_, item)| item.is_readable()).map(|(place, _)| place)
    }
}

fn glance() -> i64 {
    GLANCE.as_millis().try_into().unwrap_or(i64::MAX)
}

/// Milliseconds, in which a poll counts, are too coarse for requests that are due every few
/// microseconds. Linux has timers that can be waited for like sockets.
#[cfg(target_os = "linux")]
mod alarm {
    use std::os::fd::{AsFd, AsRawFd, RawFd};
    use std::time::Duration;

    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

    use super::BenchError;

    pub(super) struct Alarm(TimerFd);

    impl Alarm {
        pub(super) fn new() -> Result<Self, BenchError> {
            let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
            Ok(Self(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(BenchError::Timer)?))
        }

        pub(super) fn fd(&self) -> Option<RawFd> {
            Some(self.0.as_fd().as_raw_fd())
        }

        /// Rings `after` so long, and tells how long to poll for it, which is no longer than
        /// `longest`.
        pub(super) fn set(&self, after: Duration, longest: i64) -> Result<i64, BenchError> {
            if after.is_zero() {
                return Ok(0);
            }
            let once = Expiration::OneShot(TimeSpec::from_duration(after));
            self.0.set(once, TimerSetTimeFlags::empty()).map_err(BenchError::Timer)?;
            Ok(longest)
        }
    }
}

/// Elsewhere the last millisecond is spent looking.
#[cfg(not(target_os = "linux"))]
mod alarm {
    use std::os::fd::RawFd;
    use std::time::Duration;

    use super::BenchError;

    pub(super) struct Alarm;

    impl Alarm {
        pub(super) fn new() -> Result<Self, BenchError> {
            Ok(Self)
        }

        pub(super) fn fd(&self) -> Option<RawFd> {
            None
        }

        pub(super) fn set(&self, after: Duration, longest: i64) -> Result<i64, BenchError> {
            Ok(i64::try_from(after.as_millis()).unwrap_or(longest).min(longest))
        }
    }
}
