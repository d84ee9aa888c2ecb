//! A service that a client has registered, with its heartbeats. It sends no other requests:
//! registering and deregistering are up to the client.

use std::io;
use std::sync::{Arc, Mutex};

use super::heartbeat::{CurrentRegistration, Heartbeat, Monitor, Turn, Upkeep, lock};
use super::registration::Registration;

/// A service that is registered, as long as its heartbeats are to go on. Dropping it ends the
/// heartbeats.
pub(super) struct KeptService {
    service_id: String,
    current: Arc<Mutex<CurrentRegistration>>,
    turn: Arc<Mutex<Turn>>,
    upkeep: Upkeep,
    heartbeat: Option<Heartbeat>,
}

impl KeptService {
    /// A service that was just registered, and got `service_id`.
    pub(super) fn new(registration: &Registration, service_id: &str, upkeep: Upkeep) -> Self {
        let current = CurrentRegistration::new(registration, service_id, &*upkeep.addresses);
        Self {
            service_id: service_id.to_owned(),
            current: Arc::new(Mutex::new(current)),
            turn: Arc::default(),
            upkeep,
            heartbeat: None,
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.service_id
    }

    /// The state of the heartbeats.
    pub(super) const fn monitor(&self) -> &Monitor {
        &self.upkeep.monitor
    }

    /// What to say of the service when it is registered again.
    pub(super) fn registration(&self) -> Registration {
        lock(&self.current).now(&*self.upkeep.addresses)
    }

    /// The same service without heartbeats, to take its place when it is registered again.
    pub(super) fn again(&self) -> Self {
        Self {
            service_id: self.service_id.clone(),
            current: Arc::clone(&self.current),
            turn: Arc::default(),
            upkeep: self.upkeep.clone(),
            heartbeat: None,
        }
    }

    /// The service was registered again, with `registration`.
    pub(super) fn registered_again(&self, registration: Registration) {
        lock(&self.current).registered_again(registration, &*self.upkeep.addresses);
    }

    /// Says whose turn it is to register the service. Heartbeats go on either way.
    pub(super) fn set_turn(&self, turn: Turn) {
        *lock(&self.turn) = turn;
    }

    pub(super) const fn sends_heartbeats(&self) -> bool {
        self.heartbeat.is_some()
    }

    /// Sends heartbeats from now on, if it does not do so yet, and the first at once.
    pub(super) fn send_heartbeats(&mut self) -> io::Result<()> {
        if self.heartbeat.is_none() {
            let current = Arc::clone(&self.current);
            let turn = Arc::clone(&self.turn);
            self.heartbeat = Some(Heartbeat::start(self.upkeep.clone(), current, turn)?);
        }
        Ok(())
    }

    /// Returns when no more heartbeats are sent, and nothing that they asked for can come true
    /// after what is asked next.
    pub(super) fn stop_heartbeat(&mut self) {
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.stop();
        }
    }
}
