//! The service that an asynchronous client registered as its own. Asks nothing itself; its
//! heartbeats are those of the blocking client, in their own thread.

use std::io;
use std::sync::{Arc, Mutex};

use super::super::heartbeat::{
    Enrolment, Heartbeat, HostAddresses, Monitor, SystemAddresses, lock,
};
use super::super::registration::Registration;
use super::super::settings::ClientSettings;

/// See the module's page. Dropping it ends the heartbeats.
pub(super) struct OwnService {
    enrolment: Arc<Mutex<Enrolment>>,
    addresses: Arc<dyn HostAddresses>,
    heartbeat: Option<Heartbeat>,
}

impl OwnService {
    /// A service that was just registered, and got `service_id`.
    pub(super) fn new(registration: &Registration, service_id: &str) -> Self {
        let addresses = Arc::new(SystemAddresses);
        let enrolment = Enrolment::new(registration, service_id, &*addresses);
        Self { enrolment: Arc::new(Mutex::new(enrolment)), addresses, heartbeat: None }
    }

    pub(super) fn id(&self) -> String {
        lock(&self.enrolment).service_id().to_owned()
    }

    /// What to say of the service when it is registered again.
    pub(super) fn registration(&self) -> Registration {
        lock(&self.enrolment).current(&*self.addresses)
    }

    /// The same service without heartbeats, to take its place when it is registered again.
    pub(super) fn again(&self) -> Self {
        let (enrolment, addresses) = (Arc::clone(&self.enrolment), Arc::clone(&self.addresses));
        Self { enrolment, addresses, heartbeat: None }
    }

    /// The service was registered again, with `registration`.
    pub(super) fn registered_again(self, registration: Registration) -> Self {
        lock(&self.enrolment).registered_again(registration, &*self.addresses);
        self
    }

    /// Sends heartbeats from now on, if it does not do so yet, and the first at once.
    pub(super) fn send_heartbeats(
        &mut self,
        settings: &ClientSettings,
        monitor: &Monitor,
    ) -> io::Result<()> {
        if self.heartbeat.is_none() {
            let enrolment = Arc::clone(&self.enrolment);
            let addresses = Arc::clone(&self.addresses);
            let heartbeat = Heartbeat::start(settings, enrolment, addresses, monitor.clone())?;
            self.heartbeat = Some(heartbeat);
        }
        Ok(())
    }

    /// Returns when no more heartbeats are sent, and nothing that they ask for is on its way.
    pub(super) fn stop_heartbeat(&mut self) {
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.stop();
        }
    }
}
