//! What an asynchronous client does with a service of its own.

use crossbeam_channel::Receiver;

use super::super::error::ClientError;
use super::super::heartbeat::HeartbeatState;
use super::super::kept_service::KeptService;
use super::super::operation;
use super::super::registration::Registration;
use super::AsyncRegistryClient;
use super::own::{Call, Fate, Own};

/// A registration that has been asked for. Dropped without an answer, be it because a future was,
/// it is forgotten.
struct Registering<'a> {
    client: &'a AsyncRegistryClient,
    call: Call,
}

/// A service that is being deregistered. It is the client's own again when this is dropped, be it
/// because a future was.
struct Ending<'a> {
    client: &'a AsyncRegistryClient,
    service: Option<KeptService>,
}

impl AsyncRegistryClient {
    /// Registers a service as this client's own, and returns its id. Heartbeats are sent after
    /// [`Self::start_heartbeat`]; if they were sent for an earlier service, they go on for this
    /// one. The earlier service is not deregistered, so it expires; to register the same service
    /// once more, use [`Self::reregister`]. Of several registrations at the same time, the one that
    /// was asked for last is the client's own, in whatever order they are answered.
    ///
    /// A registration without an id gets one that is made from its name. If this fails or is
    /// cancelled, and is tried again with the same registration, the id is the same: should the
    /// first attempt have succeeded although its answer was lost, the second replaces it.
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
    /// client's own, as it is when this is cancelled. [`ClientError::Resources`], where heartbeats
    /// are to go on and cannot: then the service is deregistered.
    pub async fn register(&self, registration: &Registration) -> Result<String, ClientError> {
        let attempt = self.attempts.begin(registration);
        let (registering, answer) = {
            let mut own = self.open_own()?;
            self.begin_registration(&mut own, attempt.registration())
        };
        let service_id = answer.await?;
        let upkeep = self.upkeep.clone();
        let service = KeptService::new(attempt.registration(), &service_id, upkeep);
        attempt.succeeded();
        self.finish_registration(registering.call, service).await?;
        Ok(service_id)
    }

    /// Registers this client's own service once more, under its id, with all that was said of it
    /// the first time. Where the host's address has changed, the new one is registered. Like
    /// [`Self::register`], it counts as the latest registration.
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
        let (service, registration, (registering, answer)) = {
            let mut own = self.open_own()?;
            let service = own.service()?.again();
            let registration = service.registration();
            let asked = self.begin_registration(&mut own, &registration);
            (service, registration, asked)
        };
        let service_id = answer.await?;
        service.registered_again(registration);
        self.finish_registration(registering.call, service).await?;
        Ok(service_id)
    }

    /// Stops the heartbeats of this client's own service and deregisters it. Returns whether the
    /// registry still knew it. A service that is still being registered is deregistered as soon
    /// as it is registered, before [`Self::register`] returns.
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
        let (mut ending, answer) = {
            let mut own = self.open_own()?;
            let Some(service) = own.end()? else { return Ok(false) };
            let answer = self.ask_to_deregister(service.id());
            (Ending { client: self, service: Some(service) }, answer)
        };
        let known = answer.await?;
        ending.service = None;
        Ok(known)
    }

    /// Deregisters any service. Returns whether the registry knew it. A service whose program
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
        self.ask_to_deregister(service_id).await
    }

    /// The id of this client's own service, if it has one.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// assert_eq!(client.service_id(), None);
    /// let id = client.register(&Registration::new("Camera", "localhost", 6110)).await?;
    /// assert_eq!(client.service_id(), Some(id));
    #[doc = include_str!("example_end.txt")]
    /// ```
    #[must_use]
    pub fn service_id(&self) -> Option<String> {
        self.own().service().ok().map(|service| service.id().to_owned())
    }

    /// Sends heartbeats for this client's own service, three in each ttl, in a thread of their
    /// own, which no executor can hold up. They are those of
    /// [`RegistryClient`](crate::client::RegistryClient::start_heartbeat). Those of an earlier
    /// service go on while another is being registered in its place.
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
        self.open_own()?.start_heartbeat()
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
        self.own().stop_heartbeat();
    }

    /// The state of the heartbeats of this client's own service.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// assert_eq!(client.heartbeat_state(), HeartbeatState::Stopped);
    #[doc = include_str!("example_end.txt")]
    /// ```
    #[must_use]
    pub fn heartbeat_state(&self) -> HeartbeatState {
        self.upkeep.monitor.state()
    }

    /// A channel that receives every later change of [`Self::heartbeat_state`]. It ends with the
    /// client.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// client.register(&Registration::new("Camera", "localhost", 6110)).await?;
    /// let changes = client.heartbeat_changes();
    /// client.start_heartbeat().await?;
    /// assert!(changes.iter().any(|state| state == HeartbeatState::Healthy));
    #[doc = include_str!("example_end.txt")]
    /// ```
    #[must_use]
    pub fn heartbeat_changes(&self) -> Receiver<HeartbeatState> {
        self.upkeep.monitor.observe()
    }

    /// Asks for a registration, as the latest call about the client's own service.
    fn begin_registration(
        &self,
        own: &mut Own,
        registration: &Registration,
    ) -> (Registering<'_>, impl Future<Output = Result<String, ClientError>> + use<'_>) {
        let call = own.begin_registration(registration);
        let request = operation::register(registration);
        let answer = self.asking.ask(request, self.settings().request_timeout);
        (Registering { client: self, call }, answer)
    }

    /// The registration `call` succeeded, with `service`.
    async fn finish_registration(
        &self,
        call: Call,
        service: KeptService,
    ) -> Result<(), ClientError> {
        let service_id = service.id().to_owned();
        let (outcome, deregistered) = {
            let mut own = self.own();
            let outcome = match own.registered(call, service) {
                Ok(Fate::Stays) => return Ok(()),
                Ok(Fate::Goes) => Ok(()),
                Err(ClientError::Closed) => return Err(ClientError::Closed),
                // It would expire, unknown to its program.
                Err(error) => Err(error),
            };
            (outcome, self.ask_to_deregister(&service_id))
        };
        let deregistered = deregistered.await.map(|_| ());
        outcome.and(deregistered)
    }

    fn ask_to_deregister(
        &self,
        service_id: &str,
    ) -> impl Future<Output = Result<bool, ClientError>> + use<'_> {
        self.asking.ask(operation::deregister(service_id), self.settings().request_timeout)
    }
}

impl Drop for Registering<'_> {
    fn drop(&mut self) {
        log_lost_heartbeats(self.client.own().forget_registration(self.call));
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some(service) = self.service.take() {
            log_lost_heartbeats(self.client.own().put_back(service));
        }
    }
}

/// Who drops something cannot be told what went wrong.
fn log_lost_heartbeats(outcome: Result<(), ClientError>) {
    if let Err(error) = outcome {
        log::error!("heartbeats that were interrupted cannot go on: {error}");
    }
}
