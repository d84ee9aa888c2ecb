//! The client for blocking programs.
//!
//! What it asks is here, what it registers in `registering`, what it follows in `following`, under
//! the names that users of the Python client know. How a request travels is in `connection`,
//! heartbeats are in `heartbeat`.

mod builder;
mod following;
mod registering;

use std::sync::{Arc, Mutex};

use super::attempts::Attempts;
use super::connections::Connections;
use super::endpoints::RegistryEndpoints;
use super::error::ClientError;
use super::heartbeat::{HostAddresses, Monitor, SystemAddresses};
use super::operation;
use super::registered_service::RegisteredService;
use super::service::{HealthReport, ServerStatus, Service};
use super::settings::{ClientSettings, TERMINATE_TIMEOUT};

pub use builder::RegistryClientBuilder;

/// A client of a registry, for programs that wait for their answers.
///
/// Every method takes `&self`, and threads may share a client in an `Arc`. Threads that ask at
/// the same time use a connection each, so none waits for another's answer. What concerns the
/// client's own service (registering it, its heartbeats, deregistering it) is done one at a
/// time.
///
/// A request that is not answered in time is not repeated, unless there is
/// [another registry](RegistryClientBuilder::fallback) to ask. Its connection is replaced, so that
/// a late answer is never taken for the answer to the next request. Dropping a client stops its
/// heartbeats and never waits for a registry; its service expires unless it was deregistered.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// let client = RegistryClient::with_endpoints(endpoints);
///
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
/// client.start_heartbeat()?;
///
/// assert_eq!(client.get_endpoint("CM_CS")?.as_deref(), Some("tcp://localhost:6110"));
/// client.deregister()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RegistryClient {
    connections: Arc<Connections>,
    addresses: Arc<dyn HostAddresses>,
    attempts: Attempts,
    /// The service that this client registered, and has not deregistered.
    own: Mutex<Option<RegisteredService>>,
    monitor: Monitor,
}

impl Default for RegistryClient {
    fn default() -> Self {
        Self::new()
    }
}

impl RegistryClient {
    /// A client of the registry on this host with the usual ports. Nothing is connected before
    /// it is used.
    ///
    /// ```no_run
    /// use service_registry::client::RegistryClient;
    ///
    /// println!("{:?}", RegistryClient::new().discover_service("CM_CS")?);
    /// # Ok::<(), service_registry::client::ClientError>(())
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A client of the registry at `endpoints`.
    ///
    /// ```no_run
    /// use service_registry::client::{RegistryClient, RegistryEndpoints};
    ///
    /// let lab_server = RegistryEndpoints::on_host(&"lab-server".parse()?);
    /// let client = RegistryClient::with_endpoints(lab_server);
    /// println!("{:?}", client.discover_service("CM_CS")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_endpoints(endpoints: RegistryEndpoints) -> Self {
        Self::builder().endpoints(endpoints).build()
    }

    /// Sets up a client. [`RegistryClientBuilder`] has an example.
    #[must_use]
    pub fn builder() -> RegistryClientBuilder {
        RegistryClientBuilder::default()
    }

    pub(super) fn with_settings(settings: ClientSettings) -> Self {
        Self::on_host(settings, Arc::new(SystemAddresses))
    }

    pub(super) fn on_host(settings: ClientSettings, addresses: Arc<dyn HostAddresses>) -> Self {
        Self {
            connections: Arc::new(Connections::for_requests(settings)),
            addresses,
            attempts: Attempts::default(),
            own: Mutex::default(),
            monitor: Monitor::new(),
        }
    }

    /// The registry that is asked first now. If there are several, this is the first of the list
    /// until it does not answer, and then the one that answers in its place. The client does not
    /// return to the first one on its own.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_two_registries.txt")]
    /// let client = RegistryClient::builder().endpoints(first).fallback(second.clone()).build();
    /// server.stop()?;
    /// client.list_services(None)?;
    /// assert_eq!(client.current_registry(), second);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn current_registry(&self) -> RegistryEndpoints {
        let registries = &self.settings().registries;
        registries.at(registries.first()).clone()
    }

    /// What the other parts of the client, events and watches, are set up with.
    pub(super) fn settings(&self) -> &ClientSettings {
        self.connections.settings()
    }

    /// A living service of this type, picked at random where there are several.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// let camera = client.discover_service("CM_CS")?.ok_or("no camera")?;
    /// assert_eq!((camera.name.as_str(), camera.port), ("Camera", 6110));
    /// assert_eq!(client.discover_service("PSU")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError`]. That there is none is no error.
    pub fn discover_service(&self, service_type: &str) -> Result<Option<Service>, ClientError> {
        self.connections.ask(operation::discover(service_type))
    }

    /// Where to connect to for a living service of this type: `tcp://host:port`, an IPv6 address
    /// in brackets.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "::1", 6110).service_type("CM_CS"))?;
    /// assert_eq!(client.get_endpoint("CM_CS")?.as_deref(), Some("tcp://[::1]:6110"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError`]. That there is none is no error.
    pub fn get_endpoint(&self, service_type: &str) -> Result<Option<String>, ClientError> {
        let service = self.discover_service(service_type)?;
        Ok(service.map(|service| service.endpoint()))
    }

    /// The service with this id, alive or not.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let id = client.register(&Registration::new("Camera", "localhost", 6110))?;
    /// let camera = client.get_service(&id)?.ok_or("it has gone")?;
    /// assert_eq!(camera.health, Health::Passing);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError`]. That there is none is no error.
    pub fn get_service(&self, service_id: &str) -> Result<Option<Service>, ClientError> {
        self.connections.ask(operation::get(service_id))
    }

    /// The services of a type, or all services, in the order of their registration. Critical ones,
    /// which have been silent for longer than their ttl, are among them.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// assert_eq!(client.list_services(None)?.len(), 1);
    /// assert_eq!(client.list_services(Some("PSU"))?, []);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn list_services(&self, service_type: Option<&str>) -> Result<Vec<Service>, ClientError> {
        self.connections.ask(operation::list(service_type)).map(|list| list.services)
    }

    /// Asks whether the registry is well. One that answers, and cannot store what changes, says
    /// why in [`HealthReport::trouble`].
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// assert_eq!(client.health_check()?.status, "ok");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] after the health timeout, 2 s by default.
    pub fn health_check(&self) -> Result<HealthReport, ClientError> {
        self.connections.ask_within(self.settings().health_timeout, operation::health())
    }

    /// What the registry says of itself: its ports, its rules, its services.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let status = client.server_status()?;
    /// assert!(status.enforce_unique_service_types);
    /// assert!(server.endpoints().events.ends_with(&status.pub_port.to_string()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn server_status(&self) -> Result<ServerStatus, ClientError> {
        self.connections.ask(operation::status())
    }

    /// Asks the registry to stop. It answers first, and needs a moment to stop after that. If there
    /// are several, only [the current one](Self::current_registry) is asked.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.terminate_registry_server()?;
    /// server.wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError`], [`ClientError::Unreachable`] after 10 s.
    pub fn terminate_registry_server(&self) -> Result<(), ClientError> {
        self.connections.ask_within(TERMINATE_TIMEOUT, operation::terminate())
    }
}

#[cfg(test)]
#[cfg(feature = "server")]
mod tests;
