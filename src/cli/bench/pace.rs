//! When requests are due. Pure: time comes in as nanoseconds since the load began.
//!
//! A closed loop sends the next request when the last one is answered: a registry that stalls
//! gets less to do, and most of those who would have waited are never asked. At a fixed rate
//! requests are due whether the registry keeps up or not, and each one's latency counts from
//! then.

use std::time::Duration;

const NANOSECONDS: u128 = 1_000_000_000;

/// Nanoseconds since the load began.
pub(super) type Moment = u64;

/// How fast requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tempo {
    /// Each as soon as there is room for it.
    ClosedLoop,
    /// So many in a second, all clients together.
    Rate(u32),
}

/// Hands out the moments at which requests are due, each once, in their order.
#[derive(Debug)]
pub(super) struct Pace {
    tempo: Tempo,
    window: Window,
    handed_out: u64,
}

/// What is measured: requests that are due from `start` on, and before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: Moment,
    pub(super) end: Moment,
}

impl Window {
    pub(super) fn new(warm_up: Duration, duration: Duration) -> Self {
        Self { start: moment(warm_up), end: moment(warm_up.saturating_add(duration)) }
    }

    pub(super) const fn contains(&self, at: Moment) -> bool {
        self.start <= at && at < self.end
    }
}

impl Pace {
    pub(super) const fn new(tempo: Tempo, window: Window) -> Self {
        Self { tempo, window, handed_out: 0 }
    }

    /// When the next request is due; none where it would be at the end or later.
    pub(super) fn next_due(&self, now: Moment) -> Option<Moment> {
        let due = match self.tempo {
            Tempo::ClosedLoop => now,
            Tempo::Rate(rate) => due(self.handed_out, rate),
        };
        (due < self.window.end).then_some(due)
    }

    /// The number and the moment of the next request, if it is due by `now`.
    pub(super) fn take(&mut self, now: Moment) -> Option<(u64, Moment)> {
        let due = self.next_due(now).filter(|due| *due <= now)?;
        let index = self.handed_out;
        self.handed_out += 1;
        Some((index, due))
    }
}

/// A duration as nanoseconds.
pub(super) fn moment(duration: Duration) -> Moment {
    Moment::try_from(duration.as_nanos()).unwrap_or(Moment::MAX)
}

fn due(index: u64, rate: u32) -> Moment {
    let nanoseconds = u128::from(index) * NANOSECONDS / u128::from(rate.max(1));
    Moment::try_from(nanoseconds).unwrap_or(Moment::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Moment = 1_000_000_000;

    fn pace(tempo: Tempo, warm_up: f64, duration: f64) -> Pace {
        let window =
            Window::new(Duration::from_secs_f64(warm_up), Duration::from_secs_f64(duration));
        Pace::new(tempo, window)
    }

    #[test]
    fn at_a_fixed_rate_a_request_is_due_when_the_rate_says_and_not_when_it_is_sent() {
        let mut pace = pace(Tempo::Rate(4), 0.0, 10.0);

        // Nothing could be sent for two seconds.
        let late: Vec<(u64, Moment)> = std::iter::from_fn(|| pace.take(2 * SECOND)).collect();

        let expected: Vec<(u64, Moment)> =
            (0..9).map(|index| (index, index * SECOND / 4)).collect();
        assert_eq!(late, expected);
        assert_eq!(pace.next_due(2 * SECOND), Some(9 * SECOND / 4));
    }

    #[test]
    fn at_a_fixed_rate_there_are_rate_times_seconds_requests_to_the_last_one() {
        for (rate, seconds) in [(1, 1.0), (3, 7.0), (1_000, 0.5), (333, 1.0), (1_000_000, 0.25)] {
            let mut pace = pace(Tempo::Rate(rate), 0.0, seconds);

            let all = std::iter::from_fn(|| pace.take(Moment::MAX)).count();

            assert_eq!(all, (f64::from(rate) * seconds).round() as usize, "{rate} for {seconds} s");
        }
    }

    #[test]
    fn what_is_due_while_warming_up_is_sent_and_not_measured() {
        let mut pace = pace(Tempo::Rate(10), 1.0, 2.0);
        let window = pace.window;

        let taken: Vec<(u64, Moment)> = std::iter::from_fn(|| pace.take(Moment::MAX)).collect();

        assert_eq!(taken.len(), 30);
        assert_eq!(taken.iter().filter(|(_, due)| window.contains(*due)).count(), 20);
    }

    #[test]
    fn in_a_closed_loop_a_request_is_due_when_there_is_room_for_it_until_the_end() {
        let mut pace = pace(Tempo::ClosedLoop, 0.5, 0.5);

        assert_eq!(pace.take(7), Some((0, 7)));
        assert_eq!(pace.take(7), Some((1, 7)));
        assert_eq!(pace.take(SECOND - 1), Some((2, SECOND - 1)));
        assert_eq!(pace.take(SECOND), None);
    }
}
