//! A client's settings, one by one.

use std::time::Duration;

use super::super::async_client::AsyncRegistryClient;
use super::super::curve_keys::CurveKeys;
use super::super::endpoints::RegistryEndpoints;
use super::super::error::ClientError;
use super::super::registries::Registries;
use super::super::settings::{ClientSettings, TIMEOUT_MAX};
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
pub struct RegistryClientBuilder {
    endpoints: RegistryEndpoints,
    fallbacks: Vec<RegistryEndpoints>,
    settings: ClientSettings,
}

impl RegistryClientBuilder {
    /// Where the registry is. By default on this host, with the usual ports 6100 to 6102.
    #[must_use]
    pub fn endpoints(mut self, endpoints: RegistryEndpoints) -> Self {
        self.endpoints = endpoints;
        self
    }

    /// Another registry, to be asked where those that were named before it are silent; may be
    /// repeated. By default there is none.
    ///
    /// ```
    /// use service_registry::client::{RegistryClient, RegistryEndpoints};
    ///
    /// // The registry on this host, and those on two others while it is gone.
    /// let client = RegistryClient::builder()
    ///     .fallback(RegistryEndpoints::on_host(&"lab-2".parse()?))
    ///     .fallback(RegistryEndpoints::on_host(&"lab-3".parse()?))
    ///     .build();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Requests, heartbeats and watches all move to the next registry when theirs is silent, or is
    /// cut off from its storage, and stay there. One that was silent is the last to be tried again.
    /// A subscription asks nothing, so it moves only when its connection is lost and does not come
    /// back; from a registry that is cut off it hears nothing until that has caught up.
    ///
    /// **Requests** share their timeout out among the registries, so a caller waits no longer than
    /// for one. A registration is repeated under the same id. A deregistration that is repeated may
    /// be answered by a registry that has already heard of it, and `false` then means no more than
    /// that the service is gone.
    ///
    /// **Registries that know of each other's services**, because they share their storage, go on
    /// as one. Any others are as good as a registry that has forgotten everything: heartbeats
    /// register the service again under its id, and a watch tells what is different.
    ///
    /// With [`Self::curve`], all of them have the same keys.
    #[must_use]
    pub fn fallback(mut self, endpoints: RegistryEndpoints) -> Self {
        self.fallbacks.push(endpoints);
        self
    }

    /// How long the answer to a request may take. By default 0.5 s.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.settings.request_timeout = timeout.min(TIMEOUT_MAX);
        self
    }

    /// How long the answer to a health check may take. By default 2 s.
    #[must_use]
    pub fn health_timeout(mut self, timeout: Duration) -> Self {
        self.settings.health_timeout = timeout.min(TIMEOUT_MAX);
        self
    }

    /// How long the answer to a heartbeat may take. By default 1 s, and never longer than the
    /// interval between two heartbeats.
    #[must_use]
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.settings.heartbeat_timeout = timeout.min(TIMEOUT_MAX);
        self
    }

    /// What the client calls itself in the identity of its connections. By default
    /// `registry-client`. What tells clients apart is added.
    #[must_use]
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.settings.client_id = client_id.into();
        self
    }

    /// The keys for a registry that asks for them. By default none.
    #[must_use]
    pub fn curve(mut self, keys: CurveKeys) -> Self {
        self.settings.keys = Some(keys);
        self
    }

    /// The client. Nothing is connected before it is used.
    #[must_use]
    pub fn build(self) -> RegistryClient {
        RegistryClient::with_settings(self.into_settings())
    }

    /// The client for asynchronous programs. Nothing is connected before it is used.
    ///
    /// # Errors
    /// [`ClientError::Resources`], where there can be no I/O thread.
    pub fn build_async(self) -> Result<AsyncRegistryClient, ClientError> {
        AsyncRegistryClient::with_settings(self.into_settings())
    }

    /// What clients that were set up alike learn of their registries is each one's own.
    fn into_settings(self) -> ClientSettings {
        let registries = Registries::new(self.endpoints, self.fallbacks);
        ClientSettings { registries, ..self.settings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_timeout_is_too_long_to_be_reckoned_with() {
        let builder = RegistryClientBuilder::default().request_timeout(Duration::MAX);
        let settings = builder.health_timeout(Duration::MAX).heartbeat_timeout(Duration::MAX);
        let settings = settings.into_settings();

        for timeout in
            [settings.request_timeout, settings.health_timeout, settings.heartbeat_timeout]
        {
            assert!(std::time::Instant::now().checked_add(timeout.mul_f64(2.0)).is_some());
        }
    }
}
