//! The service that an asynchronous client registered as its own. Asks nothing itself; its
//! heartbeats are those of the blocking client, in their own thread.

use std::sync::{Arc, Mutex};

use super::super::ClientError;
use super::super::heartbeat::{
    Enrolment, Heartbeat, HostAddresses, Monitor, SystemAddresses, lock,
};
use super::super::registration::Registration;
use super::super::settings::ClientSettings;

/// See the module's page. Dropping it stops the heartbeats.
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

    /// The service was registered again, with `registration`.
    pub(super) fn registered_again(&self, registration: Registration) {
        lock(&self.enrolment).registered_again(registration, &*self.addresses);
    }

    pub(super) fn sends_heartbeats(&self) -> bool {
        self.heartbeat.is_some()
    }

    /// Sends heartbeats from now on, the first at once.
    pub(super) fn start_heartbeat(
        &mut self,
        settings: &ClientSettings,
        monitor: &Monitor,
    ) -> Result<(), ClientError> {
        // Two at a time would be one too many.
        self.stop_heartbeat();
        let enrolment = Arc::clone(&self.enrolment);
        let addresses = Arc::clone(&self.addresses);
        self.heartbeat = Some(Heartbeat::start(settings, enrolment, addresses, monitor.clone())?);
        Ok(())
    }

    /// Returns when no more heartbeats are sent, which is soon: their thread gives up what it
    /// waits for.
    pub(super) fn stop_heartbeat(&mut self) {
        self.heartbeat = None;
    }
}
