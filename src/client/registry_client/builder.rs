//! A client's settings, one by one.

use std::time::Duration;

use super::super::async_client::AsyncRegistryClient;
use super::super::curve_keys::CurveKeys;
use super::super::endpoints::RegistryEndpoints;
use super::super::error::ClientError;
use super::super::settings::ClientSettings;
use super::RegistryClient;

/// Sets up a [`RegistryClient`] or an [`AsyncRegistryClient`]. Everything has a default.
///
/// ```
/// use std::time::Duration;
/// use service_registry::client::{Host, RegistryClient, RegistryEndpoints};
///
/// let host: Host = "lab-7".parse()?;
/// let client = RegistryClient::builder()
///     .endpoints(RegistryEndpoints::on_host(&host))
///     .request_timeout(Duration::from_secs(1))
///     .health_timeout(Duration::from_secs(5))
///     .heartbeat_timeout(Duration::from_secs(2))
///     .client_id("camera-control")
///     .build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct RegistryClientBuilder(ClientSettings);

impl RegistryClientBuilder {
    /// Where the registry is. By default on this host, with the usual ports 6100 to 6102.
    #[must_use]
    pub fn endpoints(mut self, endpoints: RegistryEndpoints) -> Self {
        self.0.endpoints = endpoints;
        self
    }

    /// How long the answer to a request may take. By default 0.5 s.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.0.request_timeout = timeout;
        self
    }

    /// How long the answer to a health check may take. By default 2 s.
    #[must_use]
    pub fn health_timeout(mut self, timeout: Duration) -> Self {
        self.0.health_timeout = timeout;
        self
    }

    /// How long the answer to a heartbeat may take. By default 1 s, and never longer than the
    /// interval between two heartbeats.
    #[must_use]
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.0.heartbeat_timeout = timeout;
        self
    }

    /// What the client calls itself in the identity of its connections. By default
    /// `registry-client`. What tells clients apart is added.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.0.client_id = client_id.into();
        self
    }

    /// The keys for a registry that asks for them. By default none.
    #[must_use]
    pub fn curve(mut self, keys: CurveKeys) -> Self {
        self.0.keys = Some(keys);
        self
    }

    /// The client. Nothing is connected before it is used.
    #[must_use]
    pub fn build(self) -> RegistryClient {
        RegistryClient::with_settings(self.0)
    }

    /// The client for asynchronous programs. Nothing is connected before it is used.
    ///
    /// # Errors
    /// [`ClientError::Resources`], where there can be no I/O thread.
    pub fn build_async(self) -> Result<AsyncRegistryClient, ClientError> {
        AsyncRegistryClient::with_settings(self.0)
    }
}
