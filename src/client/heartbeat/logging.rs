//! Log lines about the heartbeats of a service: one each time their state changes.

use super::HeartbeatState;
use crate::client::error::RefusalCode;

/// The state that was logged last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum LastLogged {
    #[default]
    Answered,
    Refused(RefusalCode),
    Unanswered,
}

impl LastLogged {
    /// Logs that the heartbeats of the service `id` are in this `state`, unless that was logged
    /// already. `reason` is why they are not answered.
    pub(super) fn log_if_new(&mut self, id: &str, state: &HeartbeatState, reason: &str) {
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
