//! The heartbeat thread.
//!
//! *Owns* a connection to the heartbeat socket of a registry. *Sends* a heartbeat at a time, and
//! the registration again where the registry has forgotten the service or the host has moved.
//! *Receives* the answers. *Ends* at once when it is asked to stop, whatever it waits for. Whoever
//! must not be overtaken by a registration takes the turn before that: see `Heartbeat::stop`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::connections::Connections;
use super::super::error::ClientError;
use super::super::operation;
use super::super::registration::Registration;
use super::super::registries::Place;
use super::super::settings::ClientSettings;
use super::super::thread::Stop;
use super::logging::LastLogged;
use super::rhythm::Rhythm;
use super::{CurrentRegistration, HeartbeatState, ReRegistration, Turn, Upkeep, lock};

/// Sends the heartbeats of one service: its thread, ready to run.
pub(super) struct HeartbeatSender {
    upkeep: Upkeep,
    current: Arc<Mutex<CurrentRegistration>>,
    turn: Arc<Mutex<Turn>>,
    rhythm: Rhythm,
    ttl: Duration,
    connections: Connections,
    /// When a registry answered last, whatever it said.
    heard: Instant,
    /// The one that answered last.
    registry: Option<Place>,
    logged: LastLogged,
}

impl HeartbeatSender {
    pub(super) fn new(
        upkeep: Upkeep,
        current: Arc<Mutex<CurrentRegistration>>,
        turn: Arc<Mutex<Turn>>,
    ) -> Self {
        let ttl_seconds = lock(&current).registered().ttl_seconds();
        Self {
            connections: Connections::for_heartbeats(upkeep.settings.clone()),
            upkeep,
            current,
            turn,
            rhythm: Rhythm::new(ttl_seconds),
            ttl: Duration::from_secs(ttl_seconds.into()),
            heard: Instant::now(),
            registry: None,
            logged: LastLogged::default(),
        }
    }

    /// Sends heartbeats until it is told to stop.
    pub(super) fn run(&mut self, stop: &Stop) {
        loop {
            let started = Instant::now();
            let outcome = self.beat(stop);
            // What was interrupted says nothing about the registry.
            if stop.is_requested() {
                break;
            }
            let pause = self.settle(outcome, started);
            if stop.wait(pause) {
                break;
            }
        }
        self.upkeep.monitor.note(HeartbeatState::Stopped);
    }

    /// One heartbeat, or what takes its place. None where the registry has forgotten the service,
    /// and it is not the turn of heartbeats to do something about it.
    fn beat(&mut self, stop: &Stop) -> Result<Option<HeartbeatState>, ClientError> {
        let (from, registration) = {
            let current = lock(&self.current);
            let from = current.registered().host().to_owned();
            (from, current.now(&*self.upkeep.addresses))
        };
        let to = registration.host().to_owned();
        if from != to && self.register(&registration, stop)? {
            let moved = ReRegistration::Moved { from, to };
            return Ok(Some(HeartbeatState::ReRegistered(moved)));
        }
        if self.renew(stop)? {
            return Ok(Some(HeartbeatState::Healthy));
        }
        let forgotten = HeartbeatState::ReRegistered(ReRegistration::Forgotten);
        Ok(self.register(&registration, stop)?.then_some(forgotten))
    }

    /// Whether the registry knows the service.
    fn renew(&mut self, stop: &Stop) -> Result<bool, ClientError> {
        let renew = operation::renew(lock(&self.current).service_id());
        let ClientSettings { registries, heartbeat_timeout, .. } = &self.upkeep.settings;
        let registries_count = u32::try_from(registries.count()).unwrap_or(u32::MAX);
        // A second one is never on its way while the first is.
        let timeout =
            heartbeat_timeout.saturating_mul(registries_count).min(self.rhythm.interval());
        let renewed = self.connections.ask_unless_stopped(timeout, Some(stop), renew)?;
        self.note_registry(renewed.by);
        Ok(renewed.answer)
    }

    /// Tells where another registry answered than before.
    fn note_registry(&mut self, by: Place) {
        let Some(before) = self.registry.replace(by).filter(|before| *before != by) else { return };
        let endpoint = |place| self.upkeep.settings.registries.at(place).heartbeats.clone();
        let (from, to) = (endpoint(before), endpoint(by));
        log::info!("heartbeats go to {to} from now on, in place of {from}");
        self.upkeep.monitor.note(HeartbeatState::ChangedRegistry { from, to });
    }

    /// Registers the service, if it is the turn of heartbeats to do so. Tells whether it was.
    fn register(&self, registration: &Registration, stop: &Stop) -> Result<bool, ClientError> {
        let turn = lock(&self.turn);
        if stop.is_requested() {
            return Err(ClientError::Closed);
        }
        if *turn == Turn::Owner {
            return Ok(false);
        }
        self.upkeep.registrar.register(registration, turn, stop)?;
        let addresses = &*self.upkeep.addresses;
        lock(&self.current).registered_again(registration.clone(), addresses);
        Ok(true)
    }

    /// Tells how it went, and returns how long to wait for the next.
    fn settle(
        &mut self,
        outcome: Result<Option<HeartbeatState>, ClientError>,
        started: Instant,
    ) -> Duration {
        let state = match outcome {
            Ok(Some(state)) => state,
            Ok(None) => {
                self.heard = Instant::now();
                return self.rhythm.unanswered(fastrand::f64());
            }
            Err(ClientError::Refused(refusal)) => HeartbeatState::Refused(*refusal),
            Err(error) => {
                let silence = self.silence();
                self.tell(&silence, &error.to_string());
                self.upkeep.monitor.note(silence);
                return self.rhythm.unanswered(fastrand::f64());
            }
        };
        self.tell(&state, "");
        self.heard = Instant::now();
        let is_back = matches!(state, HeartbeatState::ReRegistered(_));
        self.upkeep.monitor.note(state);
        if is_back {
            self.upkeep.monitor.note(HeartbeatState::Healthy);
        }
        self.rhythm.answered(started.elapsed())
    }

    fn tell(&mut self, state: &HeartbeatState, reason: &str) {
        let current = lock(&self.current);
        if let HeartbeatState::ReRegistered(reason) = state {
            log::info!("registered {} again: {reason:?}", current.service_id());
        }
        self.logged.log_if_new(current.service_id(), state, reason);
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
