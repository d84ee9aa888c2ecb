//! The services of a load: how they come into the registry and out of it again, many at a time.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::Value;
use zmq::Context;

use crate::cli::failure::Failure;

use super::action::Action;
use super::connection::{Connection, Target};
use super::interrupt::Interrupt;
use super::progress::{Progress, Step};
use super::requests::Requests;
use super::waiting::{GLANCE, Waiting};

/// How many requests are under way at once: enough to fill the registry's transactions, and so
/// few that a slow registry answers each of them in time.
const UNDER_WAY_MAX: usize = 2_048;

/// One connection, for one request after the other about many services.
pub(super) struct Pipeline<'a> {
    connection: Connection<()>,
    waiting: Waiting,
    requests: &'a mut Requests,
    patience: Duration,
    interrupt: &'a Interrupt,
    progress: &'a mut Progress,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Passage {
    /// How many requests were sent, and answered.
    pub(super) sent: u32,
    /// How many were refused, and the first refusal.
    pub(super) refused: u32,
    pub(super) refusal: Option<Value>,
}

impl<'a> Pipeline<'a> {
    pub(super) fn open(
        target: &Target,
        identity: &str,
        requests: &'a mut Requests,
        patience: Duration,
        interrupt: &'a Interrupt,
        progress: &'a mut Progress,
    ) -> Result<Self, Failure> {
        let connection = Connection::open(&Context::new(), target, identity)?;
        let waiting = Waiting::new(&[connection.fd()?])?;
        Ok(Self { connection, waiting, requests, patience, interrupt, progress })
    }

    /// Registers the first `count` services. Ends at a refusal, or when it is interrupted.
    pub(super) fn register(&mut self, count: u32) -> Result<Passage, Failure> {
        let to_end =
            |passage: &Passage, interrupt: &Interrupt| passage.refused > 0 || interrupt.is_asked();
        let step = |done| Step::Registering { done, all: count };
        self.run(Action::Register, 0..count, to_end, step)
    }

    /// Deregisters the first `count` services. Ends when it is interrupted once more. One that is
    /// not there is as good as deregistered.
    pub(super) fn deregister(&mut self, count: u32) -> Result<Passage, Failure> {
        let to_end = |_: &Passage, interrupt: &Interrupt| interrupt.is_urgent();
        let step = |done| Step::Deregistering { done, all: count };
        self.run(Action::Deregister, 0..count, to_end, step)
    }

    fn run<'step>(
        &mut self,
        action: Action,
        mut numbers: Range<u32>,
        to_end: impl Fn(&Passage, &Interrupt) -> bool,
        step: impl Fn(u32) -> Step<'step>,
    ) -> Result<Passage, Failure> {
        let mut passage = Passage::default();
        loop {
            let ends = to_end(&passage, self.interrupt);
            while !ends
                && self.connection.under_way() < UNDER_WAY_MAX
                && let Some(number) = numbers.next()
            {
                let body = self.requests.body(action, number);
                self.connection.send(body, ())?;
                passage.sent += 1;
            }
            while let Some(answer) = self.connection.receive()? {
                if let Some(refusal) = answer.refusal.filter(|refusal| !is_not_found(refusal)) {
                    passage.refused += 1;
                    passage.refusal.get_or_insert(refusal);
                }
            }
            if self.connection.under_way() == 0 && (ends || numbers.is_empty()) {
                return Ok(passage);
            }
            self.connection.check_for_silence(Instant::now(), self.patience)?;
            let answered = passage.sent.saturating_sub(self.connection.under_way() as u32);
            self.progress.show(step(answered));
            self.waiting.wait(GLANCE)?;
        }
    }
}

/// Whether the registry only says that the service is gone already. One whose storage fails says
/// the same in words, with another code; the Python registry has no codes.
fn is_not_found(refusal: &Value) -> bool {
    match refusal["code"].as_str() {
        Some(code) => code == "service_not_found",
        None => refusal["error"] == "Service not found or could not be deregistered",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_service_that_is_gone_is_told_from_one_that_stays() {
        let text = "Service not found or could not be deregistered";

        assert!(is_not_found(&json!({"success": false, "error": text})));
        assert!(is_not_found(&json!({"error": text, "code": "service_not_found"})));
        assert!(!is_not_found(&json!({"error": text, "code": "storage_failed"})));
        assert!(!is_not_found(&json!({"error": "Too many requests", "code": "overloaded"})));
        assert!(!is_not_found(&json!({"success": false})));
    }
}
