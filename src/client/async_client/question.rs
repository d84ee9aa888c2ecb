//! What the futures of the asynchronous client hand to its I/O thread.

use std::time::{Duration, Instant};

use futures_channel::oneshot;
use serde_json::{Map, Value};

use super::super::ClientError;

/// A reply of the registry, or why there is none.
pub(super) type Answer = Result<Map<String, Value>, ClientError>;

/// A request, and who waits for its reply.
#[derive(Debug)]
pub(super) struct Question {
    /// Unlike that of any other request of the client. Later ones have greater numbers.
    pub(super) number: u64,
    /// The request as it is sent, with its number.
    pub(super) body: String,
    /// Whether it may be asked twice.
    pub(super) is_read: bool,
    /// How long its reply is waited for, ...
    pub(super) timeout: Duration,
    /// ... and until when.
    pub(super) deadline: Instant,
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
    /// When to give it up, as the I/O thread keeps it.
    pub(super) const fn due(&self) -> (Instant, u64) {
        (self.deadline, self.number)
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
