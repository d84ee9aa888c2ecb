//! What a client hears of its registry without asking: events, and the watch that is made of
//! them.

use std::time::Duration;

use crate::client::error::ClientError;
use crate::client::events::{Event, EventKind, EventListener, Subscription};
use crate::client::service::Service;
use crate::client::watch::{Watch, wait_for_service};

use super::RegistryClient;

impl RegistryClient {
    /// Subscribes to events of these kinds, or to all where `kinds` is empty.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let events = client.subscribe(&[EventKind::Register])?;
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_id("camera-1"))?;
    /// if let Some(Event::Register(event)) = events.iter().next() {
    ///     assert_eq!(event.service_id, "camera-1");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], where the registry's event socket does not answer.
    pub fn subscribe(&self, kinds: &[EventKind]) -> Result<Subscription, ClientError> {
        Subscription::connect(self.settings(), kinds)
    }

    /// Calls `handler` for every event of these kinds, or for all where `kinds` is empty, until
    /// what is returned is dropped. The calls come one at a time, from a thread of their own.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let _listener = client.on_event(&[EventKind::Register], move |event| {
    ///     let _ = sender.send(event);
    /// })?;
    /// client.register(&Registration::new("Camera", "localhost", 6110))?;
    /// assert_eq!(receiver.recv()?.kind(), Some(EventKind::Register));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub fn on_event(
        &self,
        kinds: &[EventKind],
        handler: impl FnMut(Event) + Send + 'static,
    ) -> Result<EventListener, ClientError> {
        EventListener::start(self.subscribe(kinds)?, handler)
    }

    /// A local picture of all services, which is there and complete when this returns.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// let watch = client.watch()?;
    /// let camera = watch.discover("CM_CS").ok_or("no camera")?;
    /// assert_eq!(camera.endpoint(), "tcp://localhost:6110");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError`]. Once the watch is there it outlives every outage of the registry.
    pub fn watch(&self) -> Result<Watch, ClientError> {
        Watch::start(self.settings().clone(), None)
    }

    /// As [`Self::watch`], for the services of one type.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// client.register(&Registration::new("Supply", "localhost", 6120).service_type("PSU"))?;
    /// let watch = client.watch_type("PSU")?;
    /// assert_eq!(watch.services().len(), 1);
    /// assert_eq!(watch.discover("CM_CS"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::watch`].
    pub fn watch_type(&self, service_type: &str) -> Result<Watch, ClientError> {
        Watch::start(self.settings().clone(), Some(service_type.to_owned()))
    }

    /// Waits until a living service of this type is there, and gives up after `timeout`: None.
    /// So programs can be started in any order, the registry among them.
    ///
    /// ```
    #[doc = include_str!("example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// # use std::time::Duration;
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// assert!(client.wait_for_service("CM_CS", Duration::from_secs(30))?.is_some());
    /// assert!(client.wait_for_service("PSU", Duration::from_millis(1))?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], where the registry is not there at the end either; what else
    /// is wrong is told at once.
    pub fn wait_for_service(
        &self,
        service_type: &str,
        timeout: Duration,
    ) -> Result<Option<Service>, ClientError> {
        wait_for_service(self.settings(), service_type, timeout)
    }
}
