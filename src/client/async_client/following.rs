//! What an asynchronous client hears of its registry without asking: events, and the watch that
//! is made of them. Both are those of the blocking client, with their threads.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use super::super::endpoints::RegistryEndpoints;
use super::super::error::ClientError;
use super::super::events::{Event, EventKind, EventListener, Subscription};
use super::super::service::Service;
use super::super::starting::Starting;
use super::super::watch::{Change, WAIT_MIN, Watch, WatchStatus, WhenSilent};
use super::AsyncRegistryClient;

/// A [`Subscription`] whose events are awaited. It is a [`Stream`], too.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
#[doc = include_str!("example_begin.txt")]
/// let mut events = client.subscribe(&[EventKind::Register, EventKind::Deregister]).await?;
/// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
/// client.register(&camera).await?;
/// client.deregister().await?;
/// while let Some(event) = events.next().await {
///     match event {
///         Event::Register(event) => println!("{} registered", event.service_id),
///         Event::Deregister(_) => break,
///         Event::Missed(missed) => println!("some events were missed: {missed:?}"),
///         _ => {}
///     }
/// }
#[doc = include_str!("example_end.txt")]
/// ```
#[derive(Debug)]
pub struct AsyncSubscription(Subscription);

/// A [`Watch`] whose changes are awaited. It is a [`Stream`] of them, too.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
#[doc = include_str!("example_begin.txt")]
/// let mut watch = client.watch().await?;
///
/// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
/// client.register(&camera).await?;
///
/// if let Some(Change::Registered(service)) = watch.next().await {
///     assert_eq!(service.name, "Camera");
/// }
/// assert_eq!(watch.discover("CM_CS").map(|camera| camera.port), Some(6110));
#[doc = include_str!("example_end.txt")]
/// ```
#[derive(Debug)]
pub struct AsyncWatch(Watch);

impl AsyncRegistryClient {
    /// Subscribes to events of these kinds, or to all where `kinds` is empty.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// let mut events = client.subscribe(&[EventKind::Register]).await?;
    /// let camera = Registration::new("Camera", "localhost", 6110).service_id("camera-1");
    /// client.register(&camera).await?;
    /// if let Some(Event::Register(event)) = events.next().await {
    ///     assert_eq!(event.service_id, "camera-1");
    /// }
    #[doc = include_str!("example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], where the registry's event socket does not answer.
    pub async fn subscribe(&self, kinds: &[EventKind]) -> Result<AsyncSubscription, ClientError> {
        self.check_open()?;
        let starting = Subscription::begin(self.settings(), kinds)?;
        self.unless_closed(starting.wait_async()).await.map(AsyncSubscription)
    }

    /// Calls `handler` for every event of these kinds, or for all where `kinds` is empty, until
    /// what is returned is dropped. The calls come one at a time, from a thread of their own, which
    /// no executor can hold up. Where events are to be awaited, [`Self::subscribe`] is the way.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let _listener = client
    ///     .on_event(&[EventKind::Register], move |event| {
    ///         let _ = sender.send(event);
    ///     })
    ///     .await?;
    /// client.register(&Registration::new("Camera", "localhost", 6110)).await?;
    /// assert_eq!(receiver.recv()?.kind(), Some(EventKind::Register));
    #[doc = include_str!("example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub async fn on_event(
        &self,
        kinds: &[EventKind],
        handler: impl FnMut(Event) + Send + 'static,
    ) -> Result<EventListener, ClientError> {
        let AsyncSubscription(subscription) = self.subscribe(kinds).await?;
        EventListener::start(subscription, handler)
    }

    /// A local picture of all services, which is there and complete when this returns.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// let mut watch = client.watch().await?;
    /// client.register(&Registration::new("Camera", "localhost", 6110)).await?;
    /// assert!(matches!(watch.next().await, Some(Change::Registered(_))));
    #[doc = include_str!("example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError`]. Once the watch is there it outlives every outage of the registry.
    pub async fn watch(&self) -> Result<AsyncWatch, ClientError> {
        self.watch_services(None).await
    }

    /// As [`Self::watch`], for the services of one type.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// let watch = client.watch_type("CM_CS").await?;
    /// assert!(watch.services().is_empty());
    #[doc = include_str!("example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// As [`Self::watch`].
    pub async fn watch_type(&self, service_type: &str) -> Result<AsyncWatch, ClientError> {
        self.watch_services(Some(service_type)).await
    }

    /// Waits until a living service of this type is there, and gives up after `timeout`: None.
    /// So programs can be started in any order, the registry among them.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// # use std::time::Duration;
    /// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
    /// client.register(&camera).await?;
    /// assert!(client.wait_for_service("CM_CS", Duration::from_secs(30)).await?.is_some());
    /// assert!(client.wait_for_service("PSU", Duration::from_millis(1)).await?.is_none());
    #[doc = include_str!("example_end.txt")]
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Unreachable`], where the registry is not there at the end either; what else
    /// is wrong is told at once.
    pub async fn wait_for_service(
        &self,
        service_type: &str,
        timeout: Duration,
    ) -> Result<Option<Service>, ClientError> {
        self.check_open()?;
        let mut end = pin!(self.asking.sleep(timeout.max(WAIT_MIN)));
        let unreachable =
            || ClientError::unreachable(&self.settings().registries.request_endpoints(), timeout);
        let watching = self.begin_watch(Some(service_type), WhenSilent::Wait)?;
        let watch = before(end.as_mut(), watching.wait_async()).await?;
        let mut watch = watch.ok_or_else(unreachable)?.map(AsyncWatch)?;
        loop {
            if let Some(service) = watch.discover(service_type) {
                return Ok(Some(Arc::unwrap_or_clone(service)));
            }
            // Any change may be the one.
            match before(end.as_mut(), watch.next()).await? {
                Some(change) => drop(change.ok_or(ClientError::ThreadFailed)?),
                None if watch.status().silent_since.is_some() => return Err(unreachable()),
                None => return Ok(None),
            }
        }
    }

    async fn watch_services(&self, service_type: Option<&str>) -> Result<AsyncWatch, ClientError> {
        self.check_open()?;
        let starting = self.begin_watch(service_type, WhenSilent::Fail)?;
        self.unless_closed(starting.wait_async()).await.map(AsyncWatch)
    }

    fn begin_watch(
        &self,
        service_type: Option<&str>,
        when_silent: WhenSilent,
    ) -> Result<Starting<Watch>, ClientError> {
        Watch::begin(self.settings().clone(), service_type.map(str::to_owned), when_silent)
    }

    fn check_open(&self) -> Result<(), ClientError> {
        self.open_own().map(drop)
    }

    /// The output of `future`, or the error that the client was closed meanwhile.
    async fn unless_closed<T>(
        &self,
        future: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let forever = pin!(self.asking.sleep(Duration::MAX));
        before(forever, future).await?.unwrap_or(Err(ClientError::Closed))
    }
}

impl AsyncSubscription {
    /// The next event. None only if the subscription cannot go on, which the log explains. What
    /// is awaited here may be dropped; no event is lost with it.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// let mut events = client.subscribe(&[]).await?;
    /// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
    /// client.register(&camera).await?;
    /// assert!(matches!(events.next().await, Some(Event::Register(_))));
    #[doc = include_str!("example_end.txt")]
    /// ```
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| self.0.poll_next(context)).await
    }
}

impl Stream for AsyncSubscription {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_next(context)
    }
}

impl AsyncWatch {
    /// The next change, beginning with the services that were there. None only if the watch
    /// cannot go on, which the log explains. What is awaited here may be dropped; no change is
    /// lost with it.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
    /// client.register(&camera).await?;
    ///
    /// let mut watch = client.watch().await?;
    /// assert!(matches!(watch.next().await, Some(Change::Registered(_))));
    #[doc = include_str!("example_end.txt")]
    /// ```
    pub async fn next(&mut self) -> Option<Change> {
        poll_fn(|context| self.0.poll_next(context)).await
    }

    /// The next change, if one waits.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// client.register(&Registration::new("Camera", "localhost", 6110)).await?;
    /// let watch = client.watch().await?;
    /// assert!(matches!(watch.try_next_change(), Some(Change::Registered(_))));
    /// assert_eq!(watch.try_next_change(), None);
    #[doc = include_str!("example_end.txt")]
    /// ```
    #[must_use]
    pub fn try_next_change(&self) -> Option<Change> {
        self.0.try_next_change()
    }

    /// All services that are watched, in the order of their registration.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
    /// client.register(&camera).await?;
    ///
    /// assert_eq!(client.watch().await?.services().len(), 1);
    #[doc = include_str!("example_end.txt")]
    /// ```
    #[must_use]
    pub fn services(&self) -> Vec<Arc<Service>> {
        self.0.services()
    }

    /// The service with this id.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// assert!(client.watch().await?.get("camera-1").is_none());
    #[doc = include_str!("example_end.txt")]
    /// ```
    #[must_use]
    pub fn get(&self, service_id: &str) -> Option<Arc<Service>> {
        self.0.get(service_id)
    }

    /// A service of this type, picked at random, that was passing when the registry last said so.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
    /// client.register(&camera).await?;
    ///
    /// let camera = client.watch().await?.discover("CM_CS").ok_or("no camera")?;
    /// assert_eq!(camera.endpoint(), "tcp://localhost:6110");
    #[doc = include_str!("example_end.txt")]
    /// ```
    #[must_use]
    pub fn discover(&self, service_type: &str) -> Option<Arc<Service>> {
        self.0.discover(service_type)
    }

    /// Which registry is watched: one of those that the client has.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    /// let builder = AsyncRegistryClient::builder().endpoints(endpoints.clone());
    /// let client = builder.fallback(RegistryEndpoints::default()).build_async()?;
    /// futures::executor::block_on(async {
    ///     assert_eq!(client.watch().await?.registry(), endpoints);
    #[doc = include_str!("example_end.txt")]
    /// ```
    #[must_use]
    pub fn registry(&self) -> RegistryEndpoints {
        self.0.registry()
    }

    /// How the watch is doing.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    #[doc = include_str!("example_begin.txt")]
    /// assert_eq!(client.watch().await?.status().mode, WatchMode::Events);
    #[doc = include_str!("example_end.txt")]
    /// ```
    #[must_use]
    pub fn status(&self) -> WatchStatus {
        self.0.status()
    }
}

impl Stream for AsyncWatch {
    type Item = Change;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Change>> {
        self.0.poll_next(context)
    }
}

/// The output of `future`, or None where `end` comes first.
async fn before<T>(
    mut end: Pin<&mut impl Future<Output = Result<(), ClientError>>>,
    future: impl Future<Output = T>,
) -> Result<Option<T>, ClientError> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Ok(Some(output))),
        Poll::Pending => end.as_mut().poll(context).map_ok(|()| None),
    })
    .await
}
