//! The client for asynchronous programs.
//!
//! It works on any executor and has none of its own. An I/O thread owns the sockets and the time
//! limits of the requests (`io_thread`), and wakes the futures (`asking`) when there is an answer.
//! Which reply is the answer to which request is decided without any I/O (`exchange`). What is
//! asked, how replies are read, heartbeats, events and watches are those of the blocking client.

mod asking;
mod exchange;
mod following;
mod io_thread;
mod link;
mod own;
mod question;
mod registering;
mod routing;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::RegistryClientBuilder;
use super::attempts::Attempts;
use super::endpoints::RegistryEndpoints;
use super::error::ClientError;
use super::heartbeat::{Monitor, SystemAddresses, Upkeep};
use super::operation;
use super::service::{HealthReport, ServerStatus, Service};
use super::settings::{ClientSettings, TERMINATE_TIMEOUT};

pub use following::{AsyncSubscription, AsyncWatch};

use asking::Asking;
use own::Own;

/// A client of a registry, for programs whose tasks wait for many things at once.
///
/// It has the operations of [`RegistryClient`](super::RegistryClient), as `async fn`, on any
/// executor, except [`register_scoped`](super::RegistryClient::register_scoped): it has one
/// service of its own. Every method takes `&self`, and tasks may share a client in an `Arc`. Up to
/// 256 requests may be unanswered at a time; later ones wait for their turn, within their time
/// limits. The Python registry is asked one thing at a time, because its replies do not say which
/// request they answer.
///
/// **Time limits** are kept by the client: a future ends within its timeout, on every executor. If
/// nothing was heard from the registry while a request waited, its connection is closed, so that a
/// registry that comes back later does not carry the request out after all. Other unanswered
/// requests on this connection are repeated if they change nothing; the others end as
/// [unreachable](ClientError::Unreachable), too. If there is
/// [another registry](RegistryClientBuilder::fallback), all of them are sent to that one, in their
/// order.
///
/// **Cancelling** is dropping a future. A request that was not sent yet is never sent. One that
/// was sent may still be carried out; its reply is thrown away.
///
/// **The client's own service.** If several calls about it overlap, the last call counts, in
/// whatever order they are answered.
///
/// **Closing.** [`Self::close`] ends all futures that wait, with [`ClientError::Closed`]. Dropping
/// the client closes it, stops its heartbeats, and never waits for a registry.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// futures::executor::block_on(async {
///     let client = AsyncRegistryClient::with_endpoints(endpoints)?;
///
///     let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
///     client.register(&camera).await?;
///     client.start_heartbeat().await?;
///
///     assert_eq!(client.get_endpoint("CM_CS").await?.as_deref(), Some("tcp://localhost:6110"));
///     client.deregister().await?;
#[doc = include_str!("async_client/example_end.txt")]
/// ```
pub struct AsyncRegistryClient {
    asking: Asking,
    upkeep: Upkeep,
    attempts: Attempts,
    /// What became of the calls about this client's own service. Never locked across an `await`.
    own: Mutex<Own>,
}

impl AsyncRegistryClient {
    /// A client of the registry on this host with the usual ports. Nothing is connected before
    /// it is used.
    ///
    /// ```
    /// let client = service_registry::client::AsyncRegistryClient::new()?;
    /// assert_eq!(client.service_id(), None);
    /// # Ok::<(), service_registry::client::ClientError>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Resources`], where there can be no I/O thread.
    pub fn new() -> Result<Self, ClientError> {
        Self::builder().build_async()
    }

    /// A client of the registry at `endpoints`.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// futures::executor::block_on(async {
    ///     let client = AsyncRegistryClient::with_endpoints(endpoints)?;
    ///     assert_eq!(client.list_services(None).await?, []);
    #[doc = include_str!("async_client/example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_endpoints(endpoints: RegistryEndpoints) -> Result<Self, ClientError> {
        Self::builder().endpoints(endpoints).build_async()
    }

    /// Sets up a client. The last step is
    /// [`build_async`](RegistryClientBuilder::build_async).
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # use std::time::Duration;
    /// let builder = AsyncRegistryClient::builder().endpoints(endpoints);
    /// let client = builder.request_timeout(Duration::from_secs(2)).build_async()?;
    /// futures::executor::block_on(async {
    ///     assert_eq!(client.list_services(None).await?, []);
    #[doc = include_str!("async_client/example_end.txt")]
    /// ```
    #[must_use]
    pub fn builder() -> RegistryClientBuilder {
        RegistryClientBuilder::default()
    }

    pub(super) fn with_settings(settings: ClientSettings) -> Result<Self, ClientError> {
        let asking = Asking::start(&settings)?;
        let upkeep = Upkeep {
            settings,
            registrar: asking.registrar(),
            addresses: Arc::new(SystemAddresses),
            monitor: Monitor::new(),
        };
        Ok(Self { asking, upkeep, attempts: Attempts::default(), own: Mutex::default() })
    }

    fn settings(&self) -> &ClientSettings {
        &self.upkeep.settings
    }

    /// The registry that is asked first now. If there are several, this is the first of the list
    /// until it does not answer, and then the one that answers in its place. The client does not
    /// return to the first one on its own.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// let builder = AsyncRegistryClient::builder().endpoints(endpoints.clone());
    /// let client = builder.fallback(RegistryEndpoints::default()).build_async()?;
    /// assert_eq!(client.current_registry(), endpoints);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn current_registry(&self) -> RegistryEndpoints {
        let registries = &self.settings().registries;
        registries.at(registries.first()).clone()
    }

    /// A living service of this type, picked at random where there are several.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    #[doc = include_str!("async_client/example_begin.txt")]
    /// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
    /// client.register(&camera).await?;
    /// let camera = client.discover_service("CM_CS").await?.ok_or("no camera")?;
    /// assert_eq!((camera.name.as_str(), camera.port), ("Camera", 6110));
    /// assert_eq!(client.discover_service("PSU").await?, None);
    #[doc = include_str!("async_client/example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError`]. That there is none is no error.
    pub async fn discover_service(
        &self,
        service_type: &str,
    ) -> Result<Option<Service>, ClientError> {
        let request = operation::discover(service_type);
        self.asking.ask(request, self.settings().request_timeout).await
    }

    /// Where to connect to for a living service of this type: `tcp://host:port`, an IPv6 address
    /// in brackets.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    #[doc = include_str!("async_client/example_begin.txt")]
    /// let camera = Registration::new("Camera", "::1", 6110).service_type("CM_CS");
    /// client.register(&camera).await?;
    /// assert_eq!(client.get_endpoint("CM_CS").await?.as_deref(), Some("tcp://[::1]:6110"));
    #[doc = include_str!("async_client/example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError`]. That there is none is no error.
    pub async fn get_endpoint(&self, service_type: &str) -> Result<Option<String>, ClientError> {
        let service = self.discover_service(service_type).await?;
        Ok(service.map(|service| service.endpoint()))
    }

    /// The service with this id, alive or not.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    #[doc = include_str!("async_client/example_begin.txt")]
    /// let id = client.register(&Registration::new("Camera", "localhost", 6110)).await?;
    /// let camera = client.get_service(&id).await?.ok_or("it has gone")?;
    /// assert_eq!(camera.health, Health::Passing);
    #[doc = include_str!("async_client/example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError`]. That there is none is no error.
    pub async fn get_service(&self, service_id: &str) -> Result<Option<Service>, ClientError> {
        let request = operation::get(service_id);
        self.asking.ask(request, self.settings().request_timeout).await
    }

    /// The services of a type, or all services, in the order of their registration. Critical ones,
    /// which have been silent for longer than their ttl, are among them.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    #[doc = include_str!("async_client/example_begin.txt")]
    /// client.register(&Registration::new("Camera", "localhost", 6110)).await?;
    /// assert_eq!(client.list_services(None).await?.len(), 1);
    /// assert_eq!(client.list_services(Some("PSU")).await?, []);
    #[doc = include_str!("async_client/example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_services(
        &self,
        service_type: Option<&str>,
    ) -> Result<Vec<Service>, ClientError> {
        let request = operation::list(service_type);
        let list = self.asking.ask(request, self.settings().request_timeout).await?;
        Ok(list.services)
    }

    /// Asks whether the registry is well. One that answers, and cannot store what changes, says
    /// why in [`HealthReport::trouble`].
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    #[doc = include_str!("async_client/example_begin.txt")]
    /// assert_eq!(client.health_check().await?.status, "ok");
    #[doc = include_str!("async_client/example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] after the health timeout, 2 s by default.
    pub async fn health_check(&self) -> Result<HealthReport, ClientError> {
        self.asking.ask(operation::health(), self.settings().health_timeout).await
    }

    /// What the registry says of itself: its ports, its rules, its services.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    #[doc = include_str!("async_client/example_begin.txt")]
    /// assert!(client.server_status().await?.enforce_unique_service_types);
    #[doc = include_str!("async_client/example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn server_status(&self) -> Result<ServerStatus, ClientError> {
        self.asking.ask(operation::status(), self.settings().request_timeout).await
    }

    /// Asks the registry to stop. It answers first, and needs a moment to stop after that. If there
    /// are several, only [the current one](Self::current_registry) is asked.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    #[doc = include_str!("async_client/example_begin.txt")]
    /// client.terminate_registry_server().await?;
    /// server.wait()?;
    #[doc = include_str!("async_client/example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError`], [`ClientError::Unreachable`] after 10 s.
    pub async fn terminate_registry_server(&self) -> Result<(), ClientError> {
        self.asking.ask(operation::terminate(), TERMINATE_TIMEOUT).await
    }

    /// Ends the client: its futures that wait, and whatever is asked from now on, get
    /// [`ClientError::Closed`], and its heartbeats stop. Subscriptions and watches that are there
    /// go on.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    #[doc = include_str!("async_client/example_begin.txt")]
    /// client.close();
    /// let answer = client.health_check().await;
    /// assert!(matches!(answer, Err(ClientError::Closed)));
    #[doc = include_str!("async_client/example_end.txt")]
    /// ```
    pub fn close(&self) {
        self.asking.close();
        self.own().close();
    }

    fn own(&self) -> MutexGuard<'_, Own> {
        // Nothing in there panics, so it is whole.
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Self::own`], unless the client was closed.
    fn open_own(&self) -> Result<MutexGuard<'_, Own>, ClientError> {
        let own = self.own();
        if own.is_closed() { Err(ClientError::Closed) } else { Ok(own) }
    }
}

#[cfg(test)]
mod tests;
