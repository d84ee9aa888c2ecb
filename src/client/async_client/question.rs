//! What the futures of the asynchronous client hand to its I/O thread.

use std::time::{Duration, Instant};

use futures_channel::oneshot;
use serde_json::{Map, Value};

use super::super::ClientError;
use super::super::failover::{best_of_cut_off, share};
use super::super::operation::Repetition;
use super::super::registries::Place;

/// A reply, or why there is none.
pub(super) type Answer = Result<Reply, ClientError>;

/// What a registry replied, and which.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) body: Map<String, Value>,
    pub(super) by: Place,
}

/// A request, and who waits for its reply.
#[derive(Debug)]
pub(super) struct Question {
    /// Unlike that of any other request of the client. Later ones have greater numbers.
    pub(super) number: u64,
    /// The request as it is sent, with its number.
    pub(super) body: String,
    /// Whether it may be asked twice.
    pub(super) repetition: Repetition,
    /// How long its reply is waited for, ...
    pub(super) timeout: Duration,
    /// ... and until when.
    pub(super) deadline: Instant,
    /// Until when the reply of the registry that is being asked is waited for, where there are
    /// others to ask.
    pub(super) attempt_ends: Instant,
    /// Which registries are not to be asked any more, unless there is no other.
    pub(super) tried: Vec<Place>,
    /// Which of them did not answer.
    pub(super) silent: Vec<Place>,
    /// What those said that are cut off from their storage.
    pub(super) cut_off: Vec<(Place, Map<String, Value>)>,
    /// Wakes the future. Where that has been dropped, the answer goes nowhere.
    pub(super) future: oneshot::Sender<Answer>,
}

/// A moment to wake a future at.
#[derive(Debug)]
pub(super) struct Alarm {
    /// When, and a number unlike that of any other alarm.
    pub(super) due: (Instant, u64),
    pub(super) future: oneshot::Sender<()>,
}

/// What the I/O thread is asked for.
#[derive(Debug)]
pub(super) enum Order {
    /// An answer of the registry.
    Ask(Question),
    /// To be woken.
    Wake(Alarm),
}

impl Question {
    /// When the current attempt is over: the key under which the I/O thread keeps it.
    pub(super) const fn due(&self) -> (Instant, u64) {
        (self.attempt_ends, self.number)
    }

    /// How many of so many `registries` are left to ask.
    pub(super) fn attempts_left(&self, registries: usize) -> usize {
        match self.repetition {
            Repetition::Never => 0,
            Repetition::Harmless | Repetition::Elsewhere => {
                registries.saturating_sub(self.tried.len())
            }
        }
    }

    /// It is sent now, to one of so many `registries`; the remaining time is shared out among
    /// those that are left.
    pub(super) fn begin_attempt(&mut self, registries: usize) {
        let now = Instant::now();
        self.attempt_ends = match self.attempts_left(registries) {
            0 | 1 => self.deadline,
            left => now + share(self.deadline.saturating_duration_since(now), left),
        };
    }

    /// Which registry is to be asked, of those that are to be asked in this `order`.
    pub(super) fn next_place(&self, order: &[Place]) -> Option<Place> {
        let untried = order.iter().find(|place| !self.tried.contains(place));
        untried.or(order.first()).copied()
    }

    /// The registry at `place` did not answer it.
    pub(super) fn end_attempt(&mut self, place: Place) {
        self.pass_over(place);
        if !self.silent.contains(&place) {
            self.silent.push(place);
        }
    }

    /// It is not to be asked of the registry at `place`.
    pub(super) fn pass_over(&mut self, place: Place) {
        self.attempt_ends = self.deadline;
        if !self.tried.contains(&place) {
            self.tried.push(place);
        }
    }

    /// Whether it changes something, and waits for a registry that is not the first to be asked.
    pub(super) fn is_change_elsewhere(&self) -> bool {
        self.repetition == Repetition::Elsewhere && self.tried.len() > self.silent.len()
    }

    /// The reply of a registry that is cut off, if it counts because no other one was better.
    pub(super) fn take_cut_off_reply(&mut self) -> Option<Reply> {
        let cut_off = std::mem::take(&mut self.cut_off);
        let (by, body) = best_of_cut_off(cut_off, !self.silent.is_empty())?;
        Some(Reply { body, by })
    }

    /// For how long its reply has been waited for.
    pub(super) fn waited(&self) -> Duration {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        self.timeout.saturating_sub(remaining)
    }

    /// Whether the future was dropped, so that nobody waits for an answer.
    pub(super) fn is_dropped(&self) -> bool {
        self.future.is_canceled()
    }

    /// Wakes the future.
    pub(super) fn answer(self, answer: Answer) {
        // A future that was dropped does not want to know.
        let _ = self.future.send(answer);
    }
}
