//! A registered service and its owner's hold on it.

use std::sync::{Arc, Mutex};

use crossbeam_channel::Receiver;

use super::connections::Connections;
use super::error::ClientError;
use super::heartbeat::{Enrolment, Heartbeat, HeartbeatState, HostAddresses, Monitor, lock};
use super::operation;
use super::registration::Registration;

/// A service that is kept registered by heartbeats for as long as this value lives.
///
/// Dropping it stops the heartbeats and, where [`Self::deregister_on_drop`] asked for it,
/// deregisters the service; also when the drop comes from a panic.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// let client = RegistryClient::with_endpoints(endpoints);
/// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
/// {
///     let service = client.register_scoped(&camera)?.deregister_on_drop();
///     assert_eq!(client.discover_service("CM_CS")?.ok_or("no camera")?.id, service.id());
/// }
/// assert_eq!(client.discover_service("CM_CS")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RegisteredService {
    connections: Arc<Connections>,
    addresses: Arc<dyn HostAddresses>,
    enrolment: Arc<Mutex<Enrolment>>,
    service_id: String,
    monitor: Monitor,
    heartbeat: Option<Heartbeat>,
    deregisters_on_drop: bool,
}

impl RegisteredService {
    /// Registers, and sends no heartbeats yet.
    pub(super) fn register(
        registration: &Registration,
        connections: Arc<Connections>,
        addresses: Arc<dyn HostAddresses>,
        monitor: Monitor,
    ) -> Result<Self, ClientError> {
        let service_id = connections.ask(operation::register(registration))?;
        let enrolment = Enrolment::new(registration, &service_id, &*addresses);
        Ok(Self {
            connections,
            addresses,
            enrolment: Arc::new(Mutex::new(enrolment)),
            service_id,
            monitor,
            heartbeat: None,
            deregisters_on_drop: false,
        })
    }

    /// Asks for the service to be deregistered when this value is dropped.
    #[must_use]
    pub fn deregister_on_drop(mut self) -> Self {
        self.deregisters_on_drop = true;
        self
    }

    /// The id under which it is registered.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.service_id
    }

    /// How it goes with the heartbeats.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// # use std::time::Duration;
    /// let service = client.register_scoped(&Registration::new("Camera", "localhost", 6110))?;
    /// let changes = service.heartbeat_changes();
    /// while service.heartbeat_state() != HeartbeatState::Healthy {
    ///     changes.recv_timeout(Duration::from_secs(5))?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn heartbeat_state(&self) -> HeartbeatState {
        self.monitor.state()
    }

    /// A channel on which every later change of [`Self::heartbeat_state`] comes. It ends with the
    /// service.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let service = client.register_scoped(&Registration::new("Camera", "localhost", 6110))?;
    /// let changes = service.heartbeat_changes();
    /// drop(service);
    /// assert_eq!(changes.iter().last(), Some(HeartbeatState::Stopped));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn heartbeat_changes(&self) -> Receiver<HeartbeatState> {
        self.monitor.observe()
    }

    /// Stops the heartbeats and deregisters the service now. The answer is whether the registry
    /// still knew it.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let camera = Registration::new("Camera", "localhost", 6110).service_id("camera-1");
    /// let service = client.register_scoped(&camera)?;
    /// assert_eq!(service.id(), "camera-1");
    /// assert!(service.deregister()?);
    /// assert_eq!(client.get_service("camera-1")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError`]; without heartbeats, the service expires then.
    pub fn deregister(mut self) -> Result<bool, ClientError> {
        self.deregisters_on_drop = false;
        self.end()
    }

    /// Sends heartbeats from now on.
    pub(super) fn start_heartbeat(&mut self) -> Result<(), ClientError> {
        // Two at a time would be one too many.
        self.stop_heartbeat();
        self.heartbeat = Some(Heartbeat::start(
            self.connections.settings(),
            Arc::clone(&self.enrolment),
            Arc::clone(&self.addresses),
            self.monitor.clone(),
        )?);
        Ok(())
    }

    /// Returns when no more heartbeats are sent, and nothing is registered any more.
    pub(super) fn stop_heartbeat(&mut self) {
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.stop();
        }
    }

    pub(super) fn sends_heartbeats(&self) -> bool {
        self.heartbeat.is_some()
    }

    /// Registers it once more, under its id.
    pub(super) fn register_again(&self) -> Result<(), ClientError> {
        let registration = lock(&self.enrolment).current(&*self.addresses);
        self.connections.ask(operation::register(&registration))?;
        lock(&self.enrolment).registered_again(registration, &*self.addresses);
        Ok(())
    }

    /// Stops the heartbeats, which would register it again, and deregisters.
    pub(super) fn end(&mut self) -> Result<bool, ClientError> {
        self.stop_heartbeat();
        self.connections.ask(operation::deregister(&self.service_id))
    }
}

impl Drop for RegisteredService {
    fn drop(&mut self) {
        // Nothing is asked any more that heartbeats could overtake. Dropping them ends them.
        if !self.deregisters_on_drop {
            return;
        }
        if let Err(error) = self.end() {
            log::warn!("cannot deregister {}, it will expire: {error}", self.service_id);
        }
    }
}
