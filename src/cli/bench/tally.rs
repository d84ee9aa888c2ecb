//! What is counted of an action's answers. Pure.

use hdrhistogram::{CreationError, Histogram};
use serde_json::Value;

use super::action::Action;
use super::pace::{Moment, Window};

/// The longest latency that is told from longer ones: an hour.
const LATENCY_MAX: u64 = 3_600_000_000_000;

/// How many digits of a latency are true.
const DIGITS: u8 = 3;

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) due: Moment,
    pub(super) answered: Moment,
    pub(super) request_bytes: usize,
    pub(super) reply_bytes: usize,
}

/// What was counted of one action.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) action: Action,
    /// Of all requests that were due in the window, in nanoseconds.
    latencies: Histogram<u64>,
    /// Successes that came in the window.
    pub(super) done: u64,
    pub(super) errors: u64,
    pub(super) first_error: Option<Value>,
    /// Requests that were due and found no room until the end.
    pub(super) unsent: u64,
    request_bytes: u64,
    reply_bytes: u64,
}

/// The tallies of one measurement.
#[derive(Debug)]
pub(super) struct Tallies {
    window: Window,
    all: Vec<Tally>,
}

impl Tallies {
    pub(super) fn new(window: Window) -> Result<Self, CreationError> {
        let all = Action::ALL.into_iter().map(Tally::new).collect::<Result<_, _>>()?;
        Ok(Self { window, all })
    }

    /// Ends the window at `end`, if it would not have ended before.
    pub(super) fn end(&mut self, end: Moment) {
        self.window.end = self.window.end.min(end);
    }

    /// Counts an answer, which is a refusal where `refusal` is given.
    pub(super) fn count(&mut self, action: Action, exchange: Exchange, refusal: Option<Value>) {
        let window = self.window;
        let tally = self.of(action);
        if refusal.is_none() && window.contains(exchange.answered) {
            tally.done += 1;
        }
        if !window.contains(exchange.due) {
            return;
        }
        tally.latencies.saturating_record(exchange.answered.saturating_sub(exchange.due));
        tally.request_bytes += exchange.request_bytes as u64;
        tally.reply_bytes += exchange.reply_bytes as u64;
        if let Some(refusal) = refusal {
            tally.errors += 1;
            tally.first_error.get_or_insert(refusal);
        }
    }

    /// Counts a request that was due and is not sent any more. It has waited until now at least;
    /// without it the latencies would be those of the lucky ones.
    pub(super) fn count_unsent(&mut self, action: Action, due: Moment, now: Moment) {
        if self.window.contains(due) {
            let tally = self.of(action);
            tally.unsent += 1;
            tally.latencies.saturating_record(now.saturating_sub(due));
        }
    }

    /// How many answers there were in the window until now.
    pub(super) fn done(&self) -> u64 {
        self.all.iter().map(|tally| tally.done).sum()
    }

    /// How many refusals there were until now.
    pub(super) fn errors(&self) -> u64 {
        self.all.iter().map(|tally| tally.errors).sum()
    }

    /// The tallies of the actions of which there was anything.
    pub(super) fn finish(self) -> Vec<Tally> {
        self.all.into_iter().filter(|tally| tally.count() > 0).collect()
    }

    fn of(&mut self, action: Action) -> &mut Tally {
        &mut self.all[action as usize]
    }
}

impl Tally {
    fn new(action: Action) -> Result<Self, CreationError> {
        Ok(Self {
            action,
            latencies: Histogram::new_with_bounds(1, LATENCY_MAX, DIGITS)?,
            done: 0,
            errors: 0,
            first_error: None,
            unsent: 0,
            request_bytes: 0,
            reply_bytes: 0,
        })
    }

    /// How many requests were due in the window.
    pub(super) fn count(&self) -> u64 {
        self.latencies.len()
    }

    /// The latency in microseconds that the fraction `quantile` of the requests did not exceed.
    pub(super) fn latency(&self, quantile: f64) -> f64 {
        microseconds(self.latencies.value_at_quantile(quantile))
    }

    pub(super) fn mean_latency(&self) -> f64 {
        self.latencies.mean() / 1_000.0
    }

    /// The mean sizes of a request's and a reply's body.
    pub(super) fn mean_bytes(&self) -> (u64, u64) {
        let answered = (self.count() - self.unsent).max(1);
        let mean = |sum: u64| (sum + answered / 2) / answered;
        (mean(self.request_bytes), mean(self.reply_bytes))
    }
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    const SECOND: Moment = 1_000_000_000;

    /// A second to warm up, two to measure.
    fn tallies() -> Tallies {
        Tallies::new(Window::new(Duration::from_secs(1), Duration::from_secs(2))).unwrap()
    }

    fn exchange(due: Moment, answered: Moment) -> Exchange {
        Exchange { due, answered, request_bytes: 100, reply_bytes: 300 }
    }

    #[track_caller]
    fn only(tallies: Tallies) -> Tally {
        let mut all = tallies.finish();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn every_action_has_a_tally_of_its_own() {
        for action in Action::ALL {
            let mut tallies = tallies();

            tallies.count(action, exchange(SECOND, SECOND + 1), None);

            assert_eq!(only(tallies).action, action);
        }
    }

    #[test]
    fn latency_counts_from_when_a_request_was_due() {
        let mut tallies = tallies();

        for delay in 1..=100 {
            tallies.count(Action::Get, exchange(SECOND, SECOND + delay * 1_000_000), None);
        }

        let tally = only(tallies);
        let is_about = |microseconds: f64, expected: f64| {
            assert!((microseconds / expected - 1.0).abs() < 0.001, "{microseconds}");
        };
        is_about(tally.latency(0.5), 50_000.0);
        is_about(tally.latency(0.99), 99_000.0);
        is_about(tally.latency(1.0), 100_000.0);
        is_about(tally.mean_latency(), 50_500.0);
        assert_eq!(tally.mean_bytes(), (100, 300));
    }

    #[test]
    fn a_rate_is_of_what_came_in_the_window_and_a_latency_of_what_was_due_in_it() {
        let mut tallies = tallies();

        tallies.count(Action::Get, exchange(SECOND - 1, SECOND - 1), None);
        tallies.count(Action::Get, exchange(SECOND - 1, SECOND), None);
        tallies.count(Action::Get, exchange(SECOND, 3 * SECOND - 1), None);
        tallies.count(Action::Get, exchange(3 * SECOND - 1, 3 * SECOND), None);

        assert_eq!(tallies.done(), 2);
        assert_eq!(only(tallies).count(), 2);
    }

    #[test]
    fn a_refusal_is_no_success_and_the_first_is_kept() {
        let mut tallies = tallies();

        for number in 1..=3 {
            let refusal = Some(json!({"success": false, "error": number}));
            tallies.count(Action::Renew, exchange(SECOND, SECOND + 1), refusal);
        }

        let tally = only(tallies);
        assert_eq!((tally.count(), tally.done, tally.errors), (3, 0, 3));
        assert_eq!(tally.first_error.unwrap()["error"], 1);
    }

    #[test]
    fn what_could_not_be_sent_counts_with_the_time_that_it_waited() {
        let mut tallies = tallies();

        tallies.count(Action::Get, exchange(SECOND, SECOND + 1_000), None);
        tallies.count_unsent(Action::Get, 2 * SECOND, 3 * SECOND);
        tallies.count_unsent(Action::Get, 0, 3 * SECOND);

        let tally = only(tallies);
        assert_eq!((tally.count(), tally.unsent), (2, 1));
        assert!(tally.latency(1.0) >= 1_000_000.0);
        assert_eq!(tally.mean_bytes(), (100, 300));
    }
}
