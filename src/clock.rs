//! The two kinds of time, and the only place that reads a clock.
//!
//! [`WallTime`] is for people: time stamps, `last_heartbeat`. It steps when somebody sets the
//! clock, so nothing lives or dies by it. [`ListeningTime`] decides about life and death: it
//! counts only while the registry could have heard a heartbeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the timer thread tells the clock that the process is running.
pub const TICK: Duration = Duration::from_millis(500);

/// The longest time between two ticks that counts. Long enough that an ordinary late wake-up
/// costs nothing, and shorter than the shortest ttl. What takes longer was a pause, and listening
/// time goes on behind it where it stood at the last tick.
pub const LONGEST_STEP: Duration = Duration::from_millis(750);

/// Whole seconds since the Unix epoch, as the protocol carries them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(u64);

impl WallTime {
    /// The time that lies `seconds` after the Unix epoch.
    #[must_use]
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.0
    }

    /// Seconds that passed since `earlier`, and zero where `earlier` lies in the future: a
    /// time stamp from the future was written before the clock was set back and counts as now.
    #[must_use]
    pub const fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds during which the registry could hear its services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListeningTime(u64);

impl ListeningTime {
    /// When every listening clock starts. Not zero, so that there is a time before it for a
    /// lease that was over when the registry started.
    pub const START: Self = Self(1_000);

    /// The time `milliseconds` on the listening clock.
    #[must_use]
    pub const fn from_milliseconds(milliseconds: u64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds on the listening clock.
    #[must_use]
    pub const fn milliseconds(self) -> u64 {
        self.0
    }

    /// This time moved back by `step`, or the earliest possible time where that would underflow.
    #[must_use]
    pub const fn minus(self, step: Duration) -> Self {
        Self(self.0.saturating_sub(milliseconds(step)))
    }

    /// What passed since `earlier`, and nothing where `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This time moved on by `step`, or the latest possible time where that would overflow.
    #[must_use]
    pub const fn plus(self, step: Duration) -> Self {
        Self(self.0.saturating_add(milliseconds(step)))
    }
}

/// One reading of both kinds of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For people.
    pub wall: WallTime,
    /// For leases.
    pub listening: ListeningTime,
}

/// What the timer learns from a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// The process has been running since the last tick.
    OnTime,
    /// The process, or the host, stood still for this long and heard nothing meanwhile.
    AfterPause(Duration),
}

/// The clock of one server. Clones read the same clock.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Shared>);

/// Listening time is that of the last tick and what passed since, unless so much passed that the
/// process cannot have been running.
#[derive(Debug)]
struct Shared {
    started: Instant,
    /// Monotonic milliseconds at the last tick.
    ticked: AtomicU64,
    /// Listening time at the last tick, in milliseconds.
    listening: AtomicU64,
    /// Listening time at the last pause, in milliseconds; 0 before the first.
    paused: AtomicU64,
}

impl Clock {
    /// Starts a clock at [`ListeningTime::START`].
    #[must_use]
    pub fn start() -> Self {
        Self(Arc::new(Shared::new()))
    }

    /// Both times, now.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { wall: wall_time(), listening: self.0.listening(self.0.monotonic()) }
    }

    /// When the process, or the host, last stood still.
    #[must_use]
    pub fn last_pause(&self) -> Option<ListeningTime> {
        self.0.last_pause()
    }

    /// Tells the clock that the process is running. Called by one thread only, every [`TICK`].
    pub fn tick(&self) -> Tick {
        self.0.tick(self.0.monotonic())
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            ticked: AtomicU64::new(0),
            listening: AtomicU64::new(ListeningTime::START.milliseconds()),
            paused: AtomicU64::new(0),
        }
    }

    fn monotonic(&self) -> u64 {
        milliseconds(self.started.elapsed())
    }

    fn listening(&self, monotonic: u64) -> ListeningTime {
        // In the opposite order to `tick`: who meets one half done sees too early a time, by no
        // more than a step, and never too late a one.
        let listening = self.listening.load(Ordering::Acquire);
        let ticked = self.ticked.load(Ordering::Acquire);
        let step = monotonic.saturating_sub(ticked);
        ListeningTime(if step > milliseconds(LONGEST_STEP) { listening } else { listening + step })
    }

    fn last_pause(&self) -> Option<ListeningTime> {
        let paused = self.paused.load(Ordering::Acquire);
        (paused > 0).then_some(ListeningTime(paused))
    }

    fn tick(&self, monotonic: u64) -> Tick {
        let listening = self.listening(monotonic);
        let last = self.ticked.swap(monotonic, Ordering::AcqRel);
        self.listening.store(listening.milliseconds(), Ordering::Release);

        let step = monotonic.saturating_sub(last);
        if step > milliseconds(LONGEST_STEP) {
            self.paused.store(listening.milliseconds(), Ordering::Release);
            Tick::AfterPause(Duration::from_millis(step))
        } else {
            Tick::OnTime
        }
    }
}

const fn milliseconds(duration: Duration) -> u64 {
    let milliseconds = duration.as_millis();
    if milliseconds > u64::MAX as u128 { u64::MAX } else { milliseconds as u64 }
}

fn wall_time() -> WallTime {
    // A clock set before 1970 is a clock that was never set: call it the epoch.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(since_epoch.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since_start(time: ListeningTime) -> u64 {
        time.milliseconds() - ListeningTime::START.milliseconds()
    }

    #[test]
    fn listening_time_follows_the_monotonic_clock_while_ticks_arrive() {
        let clock = Shared::new();

        for tick in 1..=200 {
            assert_eq!(clock.tick(tick * 500), Tick::OnTime);
        }

        assert_eq!(since_start(clock.listening(100_400)), 100_400);
        assert_eq!(clock.last_pause(), None);
    }

    #[test]
    fn an_hour_without_ticks_does_not_count() {
        let clock = Shared::new();
        clock.tick(500);

        assert_eq!(since_start(clock.listening(1_100)), 1_100);
        let hour = 3_600_000;
        assert_eq!(since_start(clock.listening(hour)), 500);
        assert_eq!(clock.tick(hour), Tick::AfterPause(Duration::from_millis(hour - 500)));

        assert_eq!(since_start(clock.listening(hour)), 500);
        assert_eq!(since_start(clock.listening(hour + 300)), 800);
        assert_eq!(clock.last_pause().map(since_start), Some(500));
    }

    #[test]
    fn a_tick_that_is_a_little_late_loses_nothing() {
        let clock = Shared::new();

        assert_eq!(clock.tick(740), Tick::OnTime);

        assert_eq!(since_start(clock.listening(800)), 800);
    }

    #[test]
    fn a_time_stamp_from_the_future_counts_as_now() {
        let now = WallTime::from_unix_seconds(1_000);

        assert_eq!(now.seconds_since(WallTime::from_unix_seconds(990)), 10);
        assert_eq!(now.seconds_since(WallTime::from_unix_seconds(5_000)), 0);
    }
}
