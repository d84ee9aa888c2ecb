//! What an asynchronous client does with a service of its own.

use crossbeam_channel::Receiver;

use super::super::error::ClientError;
use super::super::heartbeat::HeartbeatState;
use super::super::operation;
use super::super::registration::Registration;
use super::AsyncRegistryClient;
use super::own_service::OwnService;

/// Heartbeats that go on when this is dropped, be it because a future was.
struct PausedHeartbeat<'a> {
    client: &'a AsyncRegistryClient,
    was_sent: bool,
}

impl AsyncRegistryClient {
    /// Registers a service as this client's own, and returns its id. Heartbeats are sent after
    /// [`Self::start_heartbeat`]; where they were sent for an earlier registration, they go on
    /// for this one. Of two registrations at the same time, the one that is answered last is the
    /// client's own.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// let camera = Registration::new("Camera", "10.0.0.7", 6110)
    ///     .service_type("CM_CS")
    ///     .metadata("service_port", 6112)
    ///     .singleton();
    /// let id = client.register(&camera).await?;
    /// assert!(id.starts_with("camera-"));
    #[doc = include_str!("example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Refused`], where the type is taken or something is wrong with the
    /// registration; [`ClientError::Unreachable`]. An earlier registration is then still this
    /// client's own, as it is when this is cancelled.
    pub async fn register(&self, registration: &Registration) -> Result<String, ClientError> {
        let paused = self.pause_heartbeat();
        let request = operation::register(registration);
        let service_id = self.asking.ask(request, self.settings.request_timeout).await?;
        *self.own() = Some(OwnService::new(registration, &service_id));
        paused.resume()?;
        Ok(service_id)
    }

    /// Registers this client's own service once more, under its id, with all that was said of it
    /// the first time. Where the host's address has changed, the new one is registered.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// let id = client.register(&Registration::new("Camera", "localhost", 6110)).await?;
    /// assert_eq!(client.reregister().await?, id);
    #[doc = include_str!("example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError::NothingRegistered`], and as [`Self::register`].
    pub async fn reregister(&self) -> Result<String, ClientError> {
        let registration = self.with_own(|own| own.registration())?;
        let request = operation::register(&registration);
        let service_id = self.asking.ask(request, self.settings.request_timeout).await?;
        if let Some(own) = self.own().as_ref().filter(|own| own.id() == service_id) {
            own.registered_again(registration);
        }
        Ok(service_id)
    }

    /// Stops the heartbeats of this client's own service and deregisters it. The answer is
    /// whether the registry still knew it.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// client.register(&Registration::new("Camera", "localhost", 6110)).await?;
    /// assert!(client.deregister().await?);
    #[doc = include_str!("example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError::NothingRegistered`], [`ClientError::Refused`] and
    /// [`ClientError::Unreachable`]. After the last two, and when this is cancelled, the service
    /// is still this client's own, without heartbeats, and this can be tried again.
    pub async fn deregister(&self) -> Result<bool, ClientError> {
        let service_id = self.with_own(|own| {
            own.stop_heartbeat();
            own.id()
        })?;
        let known = self.deregister_service(&service_id).await?;
        self.own().take_if(|own| own.id() == service_id);
        Ok(known)
    }

    /// Deregisters any service. The answer is whether the registry knew it. One whose program
    /// still sends heartbeats registers again.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// assert!(!client.deregister_service("camera-1").await?);
    #[doc = include_str!("example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn deregister_service(&self, service_id: &str) -> Result<bool, ClientError> {
        let request = operation::deregister(service_id);
        self.asking.ask(request, self.settings.request_timeout).await
    }

    /// The id of this client's own service, if it has one.
    #[must_use]
    pub fn service_id(&self) -> Option<String> {
        self.own().as_ref().map(OwnService::id)
    }

    /// Sends heartbeats for this client's own service, three in each ttl, in a thread of their
    /// own, which no executor can hold up. They are those of
    /// [`RegistryClient`](crate::client::RegistryClient::start_heartbeat).
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// client.register(&Registration::new("Camera", "localhost", 6110)).await?;
    /// let changes = client.heartbeat_changes();
    /// client.start_heartbeat().await?;
    /// assert_eq!(changes.recv()?, HeartbeatState::Starting);
    /// assert_eq!(changes.recv()?, HeartbeatState::Healthy);
    #[doc = include_str!("example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError::NothingRegistered`] and [`ClientError::Resources`].
    pub async fn start_heartbeat(&self) -> Result<(), ClientError> {
        self.with_own(|own| own.start_heartbeat(&self.settings, &self.monitor))?
    }

    /// Stops the heartbeats, and returns when no more are sent. The service expires unless they
    /// are started again.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// client.register(&Registration::new("Camera", "localhost", 6110)).await?;
    /// client.start_heartbeat().await?;
    /// client.stop_heartbeat().await;
    /// assert_eq!(client.heartbeat_state(), HeartbeatState::Stopped);
    #[doc = include_str!("example_end.txt")]
    /// ```
    pub async fn stop_heartbeat(&self) {
        if let Some(own) = self.own().as_mut() {
            own.stop_heartbeat();
        }
    }

    /// How it goes with the heartbeats of this client's own service.
    #[must_use]
    pub fn heartbeat_state(&self) -> HeartbeatState {
        self.monitor.state()
    }

    /// A channel on which every later change of [`Self::heartbeat_state`] comes. It ends with the
    /// client.
    #[must_use]
    pub fn heartbeat_changes(&self) -> Receiver<HeartbeatState> {
        self.monitor.observe()
    }

    fn with_own<T>(&self, then: impl FnOnce(&mut OwnService) -> T) -> Result<T, ClientError> {
        self.own().as_mut().map(then).ok_or(ClientError::NothingRegistered)
    }

    /// Stops the heartbeats while something else is registered: they must not register the old
    /// service again in between.
    fn pause_heartbeat(&self) -> PausedHeartbeat<'_> {
        let mut own = self.own();
        let was_sent = own.as_ref().is_some_and(OwnService::sends_heartbeats);
        if let Some(own) = own.as_mut() {
            own.stop_heartbeat();
        }
        PausedHeartbeat { client: self, was_sent }
    }
}

impl PausedHeartbeat<'_> {
    /// Lets them go on, for what is the client's own service now.
    fn resume(mut self) -> Result<(), ClientError> {
        self.start()
    }

    fn start(&mut self) -> Result<(), ClientError> {
        if std::mem::take(&mut self.was_sent) {
            let client = self.client;
            client.with_own(|own| own.start_heartbeat(&client.settings, &client.monitor))?
        } else {
            Ok(())
        }
    }
}

impl Drop for PausedHeartbeat<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.start() {
            log::error!("heartbeats that were interrupted cannot go on: {error}");
        }
    }
}
