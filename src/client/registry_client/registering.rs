//! The client's own service: registering it, its heartbeats, and its end.

use std::sync::{Arc, MutexGuard, PoisonError};

use crossbeam_channel::Receiver;

use super::super::error::ClientError;
use super::super::heartbeat::{HeartbeatState, Monitor, Upkeep};
use super::super::operation;
use super::super::registered_service::RegisteredService;
use super::super::registration::Registration;
use super::RegistryClient;

impl RegistryClient {
    /// Registers a service as this client's own, and returns its id. Heartbeats are sent after
    /// [`Self::start_heartbeat`]; if they were sent for an earlier service, they go on for this
    /// one. The earlier service is not deregistered, so it expires; to register the same service
    /// once more, use [`Self::reregister`].
    ///
    /// A registration without an id gets one that is made from its name. If this fails and is
    /// tried again with the same registration, the id is the same: should the first attempt have
    /// succeeded although its answer was lost, the second replaces it.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let camera = Registration::new("Camera", "10.0.0.7", 6110)
    ///     .service_type("CM_CS")
    ///     .metadata("service_port", 6112)
    ///     .ttl(30)
    ///     .singleton();
    /// let id = client.register(&camera)?;
    /// assert!(id.starts_with("camera-"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Refused`], where the type is taken or something is wrong with the
    /// registration; [`ClientError::Unreachable`]. An earlier registration is then still this
    /// client's own.
    pub fn register(&self, registration: &Registration) -> Result<String, ClientError> {
        let mut own = self.own();
        // The old heartbeats must not register the old service again in between.
        let sent_heartbeats = own.as_ref().is_some_and(RegisteredService::sends_heartbeats);
        if let Some(service) = own.as_mut() {
            service.stop_heartbeat();
        }
        let registered = self.register_with(registration, self.monitor.clone());
        let registered = registered.map(|service| {
            let service_id = service.id().to_owned();
            *own = Some(service);
            service_id
        });
        if let Some(service) = own.as_mut().filter(|_| sent_heartbeats)
            && let Err(error) = service.start_heartbeat()
        {
            if registered.is_err() {
                log::error!("heartbeats that were interrupted cannot go on: {error}");
                return registered;
            }
            own.take().into_iter().for_each(take_back);
            return Err(error);
        }
        registered
    }

    /// Registers a service that is kept registered, by heartbeats, until what is returned is
    /// dropped. It is not this client's own, so there may be several.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
    /// let service = client.register_scoped(&camera)?.deregister_on_drop();
    /// assert!(client.get_service(service.id())?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::register`].
    pub fn register_scoped(
        &self,
        registration: &Registration,
    ) -> Result<RegisteredService, ClientError> {
        let mut service = self.register_with(registration, Monitor::new())?;
        if let Err(error) = service.start_heartbeat() {
            take_back(service);
            return Err(error);
        }
        Ok(service)
    }

    /// Registers this client's own service once more, under its id, with all that was said of it
    /// the first time. Where the host's address has changed, the new one is registered.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let id = client.register(&Registration::new("Camera", "localhost", 6110))?;
    /// assert_eq!(client.reregister()?, id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError::NothingRegistered`], and as [`Self::register`].
    pub fn reregister(&self) -> Result<String, ClientError> {
        let own = self.own();
        let service = own.as_ref().ok_or(ClientError::NothingRegistered)?;
        service.register_again()?;
        Ok(service.id().to_owned())
    }

    /// Stops the heartbeats of this client's own service and deregisters it. Returns whether the
    /// registry still knew it.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110))?;
    /// assert!(client.deregister()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError::NothingRegistered`], [`ClientError::Refused`] and
    /// [`ClientError::Unreachable`]. After the last two the service is still this client's own,
    /// without heartbeats, and this can be tried again.
    pub fn deregister(&self) -> Result<bool, ClientError> {
        let mut own = self.own();
        let known = own.as_mut().ok_or(ClientError::NothingRegistered)?.end()?;
        *own = None;
        Ok(known)
    }

    /// Deregisters any service. Returns whether the registry knew it. A service whose program
    /// still sends heartbeats registers again.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// assert!(!client.deregister_service("camera-1")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn deregister_service(&self, service_id: &str) -> Result<bool, ClientError> {
        self.connections.ask(operation::deregister(service_id))
    }

    /// The id of this client's own service, if it has one.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// assert_eq!(client.service_id(), None);
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_id("camera-1"))?;
    /// assert_eq!(client.service_id().as_deref(), Some("camera-1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn service_id(&self) -> Option<String> {
        self.own().as_ref().map(|service| service.id().to_owned())
    }

    /// Sends heartbeats for this client's own service, three in each ttl, in a thread of their
    /// own. If the registry has forgotten the service, it is registered again under its id; if
    /// the host's address has changed, with the new address.
    ///
    /// While the registry is silent, heartbeats are tried one at a time, after growing pauses.
    /// If heartbeats are being sent already, this only sends the next one at once.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110))?;
    /// let changes = client.heartbeat_changes();
    /// client.start_heartbeat()?;
    /// assert_eq!(changes.recv()?, HeartbeatState::Starting);
    /// assert_eq!(changes.recv()?, HeartbeatState::Healthy);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError::NothingRegistered`] and [`ClientError::Resources`].
    pub fn start_heartbeat(&self) -> Result<(), ClientError> {
        self.own().as_mut().ok_or(ClientError::NothingRegistered)?.start_heartbeat()
    }

    /// Stops the heartbeats, and returns when no more are sent: at once, unless the service is
    /// just being registered again, which is waited for. The service expires unless they are
    /// started again.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110))?;
    /// client.start_heartbeat()?;
    /// client.stop_heartbeat();
    /// assert_eq!(client.heartbeat_state(), HeartbeatState::Stopped);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop_heartbeat(&self) {
        if let Some(service) = self.own().as_mut() {
            service.stop_heartbeat();
        }
    }

    /// The state of the heartbeats of this client's own service.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// assert_eq!(client.heartbeat_state(), HeartbeatState::Stopped);
    /// client.register(&Registration::new("Camera", "localhost", 6110))?;
    /// client.start_heartbeat()?;
    /// assert_ne!(client.heartbeat_state(), HeartbeatState::Stopped);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn heartbeat_state(&self) -> HeartbeatState {
        self.monitor.state()
    }

    /// A channel that receives every later change of [`Self::heartbeat_state`]. It ends with the
    /// client. There is an example at [`HeartbeatState`].
    #[must_use]
    pub fn heartbeat_changes(&self) -> Receiver<HeartbeatState> {
        self.monitor.observe()
    }

    fn register_with(
        &self,
        registration: &Registration,
        monitor: Monitor,
    ) -> Result<RegisteredService, ClientError> {
        let attempt = self.attempts.begin(registration);
        let upkeep = Upkeep {
            settings: self.settings().clone(),
            registrar: Arc::clone(&self.connections) as _,
            addresses: Arc::clone(&self.addresses),
            monitor,
        };
        let connections = Arc::clone(&self.connections);
        let service = RegisteredService::register(attempt.registration(), connections, upkeep)?;
        attempt.succeeded();
        Ok(service)
    }

    /// What is in there is replaced in one piece, so it is whole even where its last user panicked.
    fn own(&self) -> MutexGuard<'_, Option<RegisteredService>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deregisters a service that cannot be kept alive. Until it expired, it would be there for nobody,
/// and might hold its type.
fn take_back(mut service: RegisteredService) {
    if let Err(error) = service.end() {
        log::warn!("cannot deregister {}, it will expire: {error}", service.id());
    }
}
