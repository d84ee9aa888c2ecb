//! The connections of one client to the request socket: one for each thread that asks at this
//! moment. So no thread waits for the answer to another's question; a discovery is not held up
//! by a registration that waits for the registry's disk.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::connection::Connection;
use super::error::ClientError;
use super::heartbeat::{Registrar, Turn};
use super::operation::{self, Operation};
use super::registration::Registration;
use super::settings::ClientSettings;
use super::thread::Stop;

/// How many connections are kept for the next questions. More threads than this may ask at
/// once; the connections of the others are closed after their answers.
const IDLE_MAX: usize = 4;

/// See the module's page.
pub(super) struct Connections {
    settings: ClientSettings,
    idle: Mutex<Vec<Connection>>,
}

impl Connections {
    /// Opens nothing before the first question.
    pub(super) fn new(settings: ClientSettings) -> Self {
        Self { settings, idle: Mutex::default() }
    }

    pub(super) fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    /// Asks, and waits for the answer as long as a request may take.
    pub(super) fn ask<T>(&self, operation: Operation<T>) -> Result<T, ClientError> {
        self.ask_within(self.settings.request_timeout, operation)
    }

    /// Asks, and waits for the answer up to `timeout`.
    pub(super) fn ask_within<T>(
        &self,
        timeout: Duration,
        operation: Operation<T>,
    ) -> Result<T, ClientError> {
        let idle = self.idle().pop();
        let mut connection = idle.unwrap_or_else(|| Connection::for_requests(&self.settings));
        let reply = connection
            .request_within(timeout, None, &operation.request)
            // The others lead to the same registry, and would each fail once as well.
            .inspect_err(|_| self.idle().clear())?;
        let answer = operation.answer(reply, connection.endpoint());
        self.keep(connection);
        answer
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    /// A connection is put in or taken out in one piece, so they are whole even where their last
    /// user panicked.
    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registrar for Connections {
    /// Over a connection of its own, which another may overtake, so the turn is kept to the end.
    fn register(
        &self,
        registration: &Registration,
        _turn: MutexGuard<'_, Turn>,
        stop: &Stop,
    ) -> Result<(), ClientError> {
        let register = operation::register(registration);
        let mut connection = Connection::for_requests(&self.settings);
        let timeout = self.settings.request_timeout;
        let reply = connection.request_within(timeout, Some(stop), &register.request)?;
        register.answer(reply, connection.endpoint())?;
        Ok(())
    }
}
