//! The two kinds of time, and the only place that reads a clock.
//!
//! [`WallTime`] is for people: time stamps, `last_heartbeat`. It steps when somebody sets the
//! clock, so nothing lives or dies by it. [`ListeningTime`] decides about life and death: it
//! counts only while the registry could have heard a heartbeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// How often the timer thread tells the clock that the process is running.
pub const TICK: Duration = Duration::from_millis(600);

/// The longest time between two ticks that counts. Long enough that an ordinary late wake-up
/// costs nothing, and shorter than the shortest ttl. What takes longer was a pause, and listening
/// time goes on after it from where it stood at the last tick.
pub const LONGEST_STEP: Duration = Duration::from_millis(900);

/// Nobody sets it, and it goes on while the host is suspended, which [`std::time::Instant`] would
/// not see: a host that was suspended has stood still like any other.
#[cfg(any(target_os = "linux", target_os = "android"))]
const STEADY_CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;

/// Nobody sets it.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const STEADY_CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

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

    /// The same as the standard library has it; the epoch, where it cannot.
    #[must_use]
    pub fn system_time(self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_secs(self.0)).unwrap_or(UNIX_EPOCH)
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
    /// How often the process, or the host, had stood still by then: for those who wonder why a
    /// service expired. Listening time alone cannot tell what came before a pause from what came
    /// after it.
    pub pauses: u64,
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
    /// What the steady clock showed at the start.
    started: Duration,
    /// Milliseconds from the start to the last tick.
    ticked: AtomicU64,
    /// Listening time at the last tick, in milliseconds.
    listening: AtomicU64,
    /// How many ticks came after a pause.
    pauses: AtomicU64,
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
        let (listening, pauses) = self.0.read(self.0.since_start(steady_time()));
        Now { wall: wall_time(), listening, pauses }
    }

    /// The same, for many things that are done one after the other.
    #[must_use]
    pub fn laps(&self) -> Laps {
        let looked = steady_time();
        Laps { clock: self.clone(), looked, wall: wall_time(), looked_at_wall: looked }
    }

    /// Tells the clock that the process is running. Called by one thread only, every [`TICK`].
    pub fn tick(&self) -> Tick {
        self.0.tick(self.0.since_start(steady_time()))
    }
}

/// How long wall time is taken to stand still between two laps, which are told in whole seconds.
const WALL_TIME_STANDS: Duration = Duration::from_millis(1);

/// Both times for many things that are done one after the other, and how long each of them takes:
/// one look at one clock for each.
#[derive(Debug)]
pub struct Laps {
    clock: Clock,
    looked: Duration,
    wall: WallTime,
    looked_at_wall: Duration,
}

impl Laps {
    /// Both times, as the last lap began.
    #[must_use]
    pub fn now(&self) -> Now {
        let clock = &self.clock.0;
        let (listening, pauses) = clock.read(clock.since_start(self.looked));
        Now { wall: self.wall, listening, pauses }
    }

    /// How long this lap took; the next one begins.
    pub fn lap(&mut self) -> Duration {
        let now = steady_time();
        if now.saturating_sub(self.looked_at_wall) >= WALL_TIME_STANDS {
            self.wall = wall_time();
            self.looked_at_wall = now;
        }
        now.saturating_sub(std::mem::replace(&mut self.looked, now))
    }
}

/// Measures how long something takes, for people who look at numbers.
#[derive(Debug)]
pub struct Stopwatch(Duration);

impl Stopwatch {
    /// Starts to measure.
    #[must_use]
    pub fn start() -> Self {
        Self(steady_time())
    }

    /// What has passed since.
    #[must_use]
    pub fn read(&self) -> Duration {
        steady_time().saturating_sub(self.0)
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            started: steady_time(),
            ticked: AtomicU64::new(0),
            listening: AtomicU64::new(ListeningTime::START.milliseconds()),
            pauses: AtomicU64::new(0),
        }
    }

    fn since_start(&self, steady: Duration) -> u64 {
        milliseconds(steady.saturating_sub(self.started))
    }

    /// Listening time, and the number of pauses.
    fn read(&self, since_start: u64) -> (ListeningTime, u64) {
        // In the opposite order to `tick`: who meets one half done sees too early a time, by no
        // more than a step, or one pause too few, and never too late a time.
        let pauses = self.pauses.load(Ordering::Acquire);
        let listening = self.listening.load(Ordering::Acquire);
        let ticked = self.ticked.load(Ordering::Acquire);
        let step = since_start.saturating_sub(ticked);
        if step > milliseconds(LONGEST_STEP) {
            // Behind a pause that the timer has not noticed yet.
            (ListeningTime(listening), pauses + 1)
        } else {
            (ListeningTime(listening + step), pauses)
        }
    }

    fn tick(&self, since_start: u64) -> Tick {
        let (listening, _) = self.read(since_start);
        let last = self.ticked.swap(since_start, Ordering::AcqRel);
        self.listening.store(listening.milliseconds(), Ordering::Release);

        let step = since_start.saturating_sub(last);
        if step > milliseconds(LONGEST_STEP) {
            self.pauses.fetch_add(1, Ordering::AcqRel);
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

fn steady_time() -> Duration {
    // No kernel that runs this refuses it. A clock that stood still would expire nobody.
    clock_gettime(STEADY_CLOCK).map(Duration::from).unwrap_or_default()
}

fn wall_time() -> WallTime {
    // A clock set before 1970 is a clock that was never set: call it the epoch.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(since_epoch.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Milliseconds of listening since the start, and pauses.
    fn listened(clock: &Shared, since_start: u64) -> (u64, u64) {
        let (listening, pauses) = clock.read(since_start);
        (listening.milliseconds() - ListeningTime::START.milliseconds(), pauses)
    }

    #[test]
    fn listening_time_follows_the_monotonic_clock_while_ticks_arrive() {
        let clock = Shared::new();

        for tick in 1..=200 {
            assert_eq!(clock.tick(tick * 500), Tick::OnTime);
        }

        assert_eq!(listened(&clock, 100_400), (100_400, 0));
    }

    #[test]
    fn an_hour_without_ticks_does_not_count() {
        let clock = Shared::new();
        clock.tick(500);

        assert_eq!(listened(&clock, 1_100), (1_100, 0));
        let hour = 3_600_000;
        assert_eq!(listened(&clock, hour), (500, 1));
        assert_eq!(clock.tick(hour), Tick::AfterPause(Duration::from_millis(hour - 500)));

        assert_eq!(listened(&clock, hour), (500, 1));
        assert_eq!(listened(&clock, hour + 300), (800, 1));
    }

    #[test]
    fn a_tick_that_is_a_little_late_loses_nothing() {
        let clock = Shared::new();

        assert_eq!(clock.tick(740), Tick::OnTime);

        assert_eq!(listened(&clock, 800), (800, 0));
    }

    #[test]
    fn the_steady_clock_goes_on_by_itself() {
        let clock = Clock::start();
        let Now { listening, pauses, .. } = clock.now();

        let deadline = Instant::now() + Duration::from_secs(60);
        while clock.now().listening <= listening {
            assert!(Instant::now() < deadline, "time stands still");
            // In case that the machine has stood still, behind which it would not go on.
            clock.tick();
        }

        assert_eq!(pauses, 0);
    }

    #[test]
    fn time_stands_still_within_a_lap_and_goes_on_from_one_to_the_next() {
        let clock = Clock::start();
        let mut laps = clock.laps();
        let began = laps.now();

        let deadline = Instant::now() + Duration::from_secs(10);
        while clock.now().listening == began.listening && Instant::now() < deadline {
            std::thread::yield_now();
        }

        assert_eq!(laps.now(), began);
        assert!(laps.lap() > Duration::ZERO);
        assert!(laps.now().listening > began.listening);
        assert!(laps.now().wall >= began.wall);
    }

    #[test]
    fn a_time_stamp_from_the_future_counts_as_now() {
        let now = WallTime::from_unix_seconds(1_000);

        assert_eq!(now.seconds_since(WallTime::from_unix_seconds(990)), 10);
        assert_eq!(now.seconds_since(WallTime::from_unix_seconds(5_000)), 0);
    }
}
