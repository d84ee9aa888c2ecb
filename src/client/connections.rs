//! The connections of one client to the request socket: one for each thread that asks at this
//! moment. So no thread waits for the answer to another's question; a discovery is not held up
//! by a registration that waits for the registry's disk.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::connection::Connection;
use super::error::ClientError;
use super::operation::Operation;
use super::settings::ClientSettings;

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
        let mut connection =
            self.take_idle().unwrap_or_else(|| Connection::for_requests(&self.settings));
        let reply = connection.request_within(timeout, None, &operation.request)?;
        let answer = operation.answer(reply, connection.endpoint());
        self.keep(connection);
        answer
    }

    fn take_idle(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }
}
