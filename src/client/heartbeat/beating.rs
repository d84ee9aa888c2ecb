//! The heartbeat thread.
//!
//! *Owns* a connection to the registry's heartbeat socket. *Sends* a heartbeat at a time, and the
//! registration again where the registry has forgotten the service or the host has moved.
//! *Receives* the answers. *Ends* at once when it is told to stop, whatever it waits for. Who must
//! not be overtaken by a registration waits for it before telling: see `Heartbeat::stop`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::connection::Connection;
use super::super::error::ClientError;
use super::super::operation;
use super::super::registration::Registration;
use super::super::settings::ClientSettings;
use super::super::thread::Stop;
use super::home::HostAddresses;
use super::monitor::Monitor;
use super::rhythm::Rhythm;
use super::{Enrolment, HeartbeatState, ReRegistration, lock};

/// See the module's page.
pub(super) struct Beating {
    settings: ClientSettings,
    enrolment: Arc<Mutex<Enrolment>>,
    addresses: Arc<dyn HostAddresses>,
    monitor: Monitor,
    rhythm: Rhythm,
    ttl: Duration,
    connection: Connection,
    /// Held while the service is registered again.
    registering: Arc<Mutex<()>>,
    /// When the registry answered last, whatever it said.
    heard: Instant,
}

impl Beating {
    pub(super) fn new(
        settings: &ClientSettings,
        enrolment: Arc<Mutex<Enrolment>>,
        addresses: Arc<dyn HostAddresses>,
        monitor: Monitor,
    ) -> Self {
        let ttl_seconds = lock(&enrolment).registration.ttl_seconds();
        Self {
            settings: settings.clone(),
            enrolment,
            addresses,
            monitor,
            rhythm: Rhythm::new(ttl_seconds),
            ttl: Duration::from_secs(ttl_seconds.into()),
            connection: Connection::for_heartbeats(settings),
            registering: Arc::default(),
            heard: Instant::now(),
        }
    }

    /// What is held while the service is registered again.
    pub(super) fn registering(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.registering)
    }

    /// Sends heartbeats until it is told to stop.
    pub(super) fn run(&mut self, stop: &Stop) {
        loop {
            let started = Instant::now();
            let outcome = self.beat(stop);
            // What was interrupted says nothing about the registry.
            if stop.is_told() {
                break;
            }
            let pause = self.settle(outcome, started);
            if stop.wait(pause) {
                break;
            }
        }
        self.monitor.note(HeartbeatState::Stopped);
    }

    /// One heartbeat, or what takes its place.
    fn beat(&mut self, stop: &Stop) -> Result<HeartbeatState, ClientError> {
        let (known, current) = {
            let enrolment = lock(&self.enrolment);
            (enrolment.registration.clone(), enrolment.current(&*self.addresses))
        };
        if current.host() != known.host() {
            let (from, to) = (known.host().to_owned(), current.host().to_owned());
            self.register(current, stop)?;
            return Ok(HeartbeatState::ReRegistered(ReRegistration::Moved { from, to }));
        }
        if self.renew(stop)? {
            return Ok(HeartbeatState::Healthy);
        }
        self.register(current, stop)?;
        Ok(HeartbeatState::ReRegistered(ReRegistration::Forgotten))
    }

    /// Whether the registry knows the service.
    fn renew(&mut self, stop: &Stop) -> Result<bool, ClientError> {
        let renew = operation::renew(lock(&self.enrolment).service_id());
        // A second one is never on its way while the first is.
        let timeout = self.settings.heartbeat_timeout.min(self.rhythm.interval());
        let reply = self.connection.request_within(timeout, Some(stop), &renew.request)?;
        renew.answer(reply, self.connection.endpoint())
    }

    fn register(&self, registration: Registration, stop: &Stop) -> Result<(), ClientError> {
        let _registering = self.registering.lock().unwrap_or_else(PoisonError::into_inner);
        if stop.is_told() {
            return Err(ClientError::Closed);
        }
        let register = operation::register(&registration);
        let mut connection = Connection::for_requests(&self.settings);
        let timeout = self.settings.request_timeout;
        let reply = connection.request_within(timeout, Some(stop), &register.request)?;
        register.answer(reply, connection.endpoint())?;
        lock(&self.enrolment).registered_again(registration, &*self.addresses);
        Ok(())
    }

    /// Tells how it went, and returns how long to wait for the next.
    fn settle(
        &mut self,
        outcome: Result<HeartbeatState, ClientError>,
        started: Instant,
    ) -> Duration {
        let state = match outcome {
            Ok(state) => state,
            Err(ClientError::Refused(refusal)) => HeartbeatState::Refused(*refusal),
            Err(error) => {
                log::debug!("a heartbeat got no answer: {error}");
                self.monitor.note(self.silence());
                return self.rhythm.unanswered(fastrand::f64());
            }
        };
        if let HeartbeatState::ReRegistered(reason) = &state {
            log::info!("registered {} again: {reason:?}", lock(&self.enrolment).service_id());
        }
        self.heard = Instant::now();
        self.monitor.note(state);
        self.rhythm.answered(started.elapsed())
    }

    fn silence(&self) -> HeartbeatState {
        let since = self.heard;
        if since.elapsed() < self.ttl {
            HeartbeatState::Late { since }
        } else {
            HeartbeatState::Unreachable { since }
        }
    }
}

#[cfg(test)]
mod tests;
