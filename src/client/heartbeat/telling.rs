//! What is said in the log of how it goes with the heartbeats of a service: what is new, once.

use super::HeartbeatState;
use crate::client::error::RefusalCode;

/// What was said last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    #[default]
    Answered,
    Refused(RefusalCode),
    Unanswered,
}

impl Told {
    /// Says that the heartbeats of the service `id` are in this `state`, for this `reason` where
    /// they are not answered.
    pub(super) fn tell(&mut self, id: &str, state: &HeartbeatState, reason: &str) {
        let now = match state {
            HeartbeatState::Refused(refusal) => Self::Refused(refusal.code.clone()),
            HeartbeatState::Unreachable { .. } => Self::Unanswered,
            // One that is not answered may be followed by one that is.
            HeartbeatState::Late { .. } => return log::debug!("{id} is late: {reason}"),
            _ => Self::Answered,
        };
        if *self == now {
            return;
        }
        *self = now;
        match state {
            HeartbeatState::Refused(refusal) => {
                log::warn!("heartbeats of {id} are refused: {refusal}");
            }
            HeartbeatState::Unreachable { since } => {
                let seconds = since.elapsed().as_secs();
                log::warn!(
                    "{id} may have expired: no heartbeat was answered for {seconds} s: {reason}"
                );
            }
            _ => log::info!("heartbeats of {id} are answered again"),
        }
    }
}
