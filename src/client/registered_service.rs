//! A registered service, as its owner holds it.

use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::connections::Connections;
use super::error::ClientError;
use super::heartbeat::{HeartbeatState, Upkeep};
use super::kept_service::KeptService;
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
#[must_use = "the service expires when this is dropped"]
pub struct RegisteredService {
    connections: Arc<Connections>,
    service: KeptService,
    deregisters_on_drop: bool,
}

impl RegisteredService {
    /// Registers, and sends no heartbeats yet.
    pub(super) fn register(
        registration: &Registration,
        connections: Arc<Connections>,
        upkeep: Upkeep,
    ) -> Result<Self, ClientError> {
        let service_id = connections.ask(operation::register(registration))?;
        let service = KeptService::new(registration, &service_id, upkeep);
        Ok(Self { connections, service, deregisters_on_drop: false })
    }

    /// Asks for the service to be deregistered when this value is dropped.
    pub fn deregister_on_drop(mut self) -> Self {
        self.deregisters_on_drop = true;
        self
    }

    /// The id under which it is registered.
    #[must_use]
    pub fn id(&self) -> &str {
        self.service.id()
    }

    /// The state of the heartbeats.
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
        self.service.monitor().state()
    }

    /// A channel that receives every later change of [`Self::heartbeat_state`]. It ends with the
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
        self.service.monitor().observe()
    }

    /// Stops the heartbeats and deregisters the service now. Returns whether the registry still
    /// knew it.
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
    /// [`ClientError`]. The service then expires, because its heartbeats have stopped.
    pub fn deregister(mut self) -> Result<bool, ClientError> {
        self.deregisters_on_drop = false;
        self.end()
    }

    /// Sends heartbeats from now on.
    pub(super) fn start_heartbeat(&mut self) -> Result<(), ClientError> {
        // Two at a time would be one too many.
        self.stop_heartbeat();
        Ok(self.service.send_heartbeats()?)
    }

    /// Returns when no more heartbeats are sent, and nothing is registered any more.
    pub(super) fn stop_heartbeat(&mut self) {
        self.service.stop_heartbeat();
    }

    pub(super) const fn sends_heartbeats(&self) -> bool {
        self.service.sends_heartbeats()
    }

    /// Registers it once more, under its id.
    pub(super) fn register_again(&self) -> Result<(), ClientError> {
        let registration = self.service.registration();
        self.connections.ask(operation::register(&registration))?;
        self.service.registered_again(registration);
        Ok(())
    }

    /// Stops the heartbeats, which would register it again, and deregisters.
    pub(super) fn end(&mut self) -> Result<bool, ClientError> {
        self.stop_heartbeat();
        self.connections.ask(operation::deregister(self.service.id()))
    }
}

impl Drop for RegisteredService {
    fn drop(&mut self) {
        // Nothing is asked any more that heartbeats could overtake. Dropping them ends them.
        if !self.deregisters_on_drop {
            return;
        }
        if let Err(error) = self.end() {
            log::warn!("cannot deregister {}, it will expire: {error}", self.service.id());
        }
    }
}
