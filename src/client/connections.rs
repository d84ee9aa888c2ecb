//! The connections of one client to the request sockets, or the heartbeat sockets, of its
//! registries: one for each thread that is asking something. So no thread waits for the answer to
//! another's request: a registration that waits for the registry's disk delays no discovery.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::connection::Connection;
use super::error::ClientError;
use super::failover::{self, Answered};
use super::operation::Operation;
use super::registries::Place;
use super::settings::ClientSettings;
use super::thread::Stop;

/// How many connections are kept for the next questions. More threads than this may ask at
/// once; the connections of the others are closed after their answers.
const IDLE_MAX: usize = 4;

/// A connection for each thread that asks, kept for the next one that does.
pub(super) struct Connections {
    settings: ClientSettings,
    open: fn(&ClientSettings, Place) -> Connection,
    idle: Mutex<Vec<(Place, Connection)>>,
}

impl Connections {
    /// Connections to the request sockets. Opens nothing before the first question.
    pub(super) fn for_requests(settings: ClientSettings) -> Self {
        Self { settings, open: Connection::for_requests, idle: Mutex::default() }
    }

    /// Connections to the heartbeat sockets. Opens nothing before the first heartbeat.
    pub(super) fn for_heartbeats(settings: ClientSettings) -> Self {
        Self { settings, open: Connection::for_heartbeats, idle: Mutex::default() }
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
        self.ask_unless_stopped(timeout, None, operation).map(|answered| answered.answer)
    }

    /// As [`Self::ask_within`]. A request to `stop` ends the waiting.
    pub(super) fn ask_unless_stopped<T>(
        &self,
        timeout: Duration,
        stop: Option<&Stop>,
        operation: Operation<T>,
    ) -> Result<Answered<T>, ClientError> {
        let request = operation.request.clone();
        failover::ask(&self.settings.registries, operation, timeout, stop, |place, timeout| {
            let idle = self.take(place);
            let mut connection = idle.unwrap_or_else(|| (self.open)(&self.settings, place));
            let reply = connection
                .request_within(timeout, stop, &request)
                // The others that lead to the same registry would each fail once as well.
                .inspect_err(|_| self.idle().retain(|(leads_to, _)| *leads_to != place))?;
            self.keep(place, connection);
            Ok(reply)
        })
    }

    fn take(&self, place: Place) -> Option<Connection> {
        let mut idle = self.idle();
        let at = idle.iter().position(|(leads_to, _)| *leads_to == place)?;
        Some(idle.swap_remove(at).1)
    }

    fn keep(&self, place: Place, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() == IDLE_MAX {
            // One to a registry that was left is of less use than this one.
            let Some(other) = idle.iter().position(|(leads_to, _)| *leads_to != place) else {
                return;
            };
            idle.swap_remove(other);
        }
        idle.push((place, connection));
    }

    /// A connection is put in or taken out in one piece, so they are whole even where their last
    /// user panicked.
    fn idle(&self) -> MutexGuard<'_, Vec<(Place, Connection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use crate::client::endpoints::RegistryEndpoints;
    use crate::client::registries::Registries;

    use super::*;

    #[test]
    fn connections_to_a_registry_that_was_left_make_room_for_those_to_another() {
        let on = |host: &str| RegistryEndpoints::on_host(&host.parse().unwrap());
        let registries = Registries::new(on("a"), [on("b")]);
        let [a, b] = registries.order()[..] else { panic!("there are two") };
        let settings = ClientSettings { registries, ..ClientSettings::default() };
        let connections = Connections::for_requests(settings);
        let keep = |place| {
            connections.keep(place, Connection::for_requests(connections.settings(), place));
        };

        (0..=IDLE_MAX).for_each(|_| keep(a));
        (0..IDLE_MAX).for_each(|_| keep(b));

        assert_eq!((0..).take_while(|_| connections.take(b).is_some()).count(), IDLE_MAX);
        assert!(connections.take(a).is_none());
    }
}
