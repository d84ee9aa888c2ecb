//! How heartbeats register a service again, and when they may.

use std::sync::MutexGuard;

use crate::client::connections::Connections;
use crate::client::error::ClientError;
use crate::client::operation;
use crate::client::registration::Registration;
use crate::client::thread::Stop;

/// How heartbeats register a service again.
pub(in crate::client) trait Registrar: Send + Sync {
    /// Registers the service, and waits for the answer or for the request to `stop`. Keeps the
    /// `turn` until no later request of the owner can overtake the registration: else it could be
    /// carried out after a deregistration.
    fn register(
        &self,
        registration: &Registration,
        turn: MutexGuard<'_, Turn>,
        stop: &Stop,
    ) -> Result<(), ClientError>;
}

/// Whose turn it is to register a service. Heartbeats lock it while they do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::client) enum Turn {
    /// The registry may forget it, and the host move.
    #[default]
    Heartbeats,
    /// It is being registered, or another in its place.
    Owner,
}

impl Registrar for Connections {
    /// Over a connection that others may overtake, so the turn is kept to the end.
    fn register(
        &self,
        registration: &Registration,
        _turn: MutexGuard<'_, Turn>,
        stop: &Stop,
    ) -> Result<(), ClientError> {
        let register = operation::register(registration);
        self.ask_unless_stopped(self.settings().request_timeout, Some(stop), register)?;
        Ok(())
    }
}
