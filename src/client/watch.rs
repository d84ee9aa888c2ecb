//! A local picture of a registry that misses nothing.
//!
//! Events alone cannot be relied upon: one is lost with every broken connection, and of the last
//! one that is lost nobody hears. So a watch subscribes, takes a list, moves it on by the events
//! that are newer, and compares their numbers: it takes the list again after a hole, after a
//! restart of the registry, and when a check shows that it is behind (the Clone pattern of the
//! ZeroMQ guide). What the new list shows to be different is told like any other change.
//!
//! Whatever happens on the way, the changes that are told add up to the registry's list.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;
use fastrand::Rng;

use super::channel::WakerSlot;
use super::endpoints::RegistryEndpoints;
use super::error::ClientError;
use super::registries::{Place, Registries};
use super::service::Service;
use super::settings::ClientSettings;
use super::starting::{self, Starting};
use super::thread::{Stop, Thread};

mod backlog;
mod change;
mod follower;
mod keeper;
mod picture;
mod status;
#[cfg(test)]
mod tests;
mod wait;

pub use change::{Change, Removal};
pub(super) use keeper::WhenSilent;
pub use status::{WatchMode, WatchStatus, WatchTrouble};
pub(super) use wait::{WAIT_MIN, wait_for_service};

use backlog::Backlog;
use follower::{Follower, Pace};
use keeper::Keeper;
use picture::Picture;

/// Often enough that a lost last event is news for a second only, and a registry that numbers
/// nothing is not much behind.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// For how long an event may be on its way that a check knows of.
const GRACE: Duration = Duration::from_millis(200);

/// From one list to the next at the least.
const LIST_INTERVAL_MIN: Duration = Duration::from_millis(20);

/// A local copy of the list of services, kept up to date by a thread of its own until it is
/// dropped.
///
/// Looking something up costs no round trip. [`Watch::changes`] gives every change once and in
/// order, beginning with the services that are there already.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let watch = client.watch()?;
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
/// client.deregister()?;
/// for change in watch.changes() {
///     match change {
///         Change::Registered(service) => println!("{} is there", service.name),
///         Change::Changed { now, .. } => println!("{} is at {}", now.name, now.endpoint()),
///         Change::Removed { service, how } => {
///             println!("{} is gone: {how:?}", service.name);
///             break;
///         }
///         _ => {}
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **A slow program.** Up to 4096 changes wait to be taken. If more wait, all changes of one
/// service are merged into one, from the state that the program knows to the present one.
/// [`WatchStatus::merged`] counts the changes that were given only as part of another one.
///
/// **Health.** A registry reports a service that has fallen silent when it expires, up to one
/// clean-up interval (by default 10 s) after its ttl is over. Until then the watch, unlike
/// [`RegistryClient::discover_service`](super::RegistryClient::discover_service), may show it
/// as passing. A service that is critical in a list is not discovered, and the list is requested
/// again at every check until the service has recovered or is gone.
///
/// **If the registry does not answer**, the watch keeps the last known list, so that a program
/// finds its services while the registry restarts; see [`WatchStatus::silent_since`]. If the client
/// has [another registry](super::RegistryClientBuilder::fallback), that one is watched from then
/// on. If the two share their storage, the watch goes on where it was; else the list is requested,
/// and every difference is given as a change.
///
/// **The Python registry** does not number its events. Then the list is requested every second and
/// after every event, and a service that comes and goes between two lists is not seen.
/// [`WatchStatus::mode`] and a warning in the log say so.
pub struct Watch {
    shared: Arc<Shared>,
    _thread: Thread,
}

/// An iterator over the changes of a [`Watch`], which waits for the next one.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
///
/// let watch = client.watch()?;
/// let mut changes = watch.changes();
/// assert!(matches!(changes.next(), Some(Change::Registered(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Changes<'a>(&'a Watch);

/// What the thread and the owner of a watch share.
struct Shared {
    registries: Registries,
    state: Mutex<State>,
    /// Rung when there are changes, and when there will be none.
    news: Condvar,
    /// As `news`, for a future.
    waker: WakerSlot,
}

struct State {
    follower: Follower,
    backlog: Backlog,
    /// Which registry is watched.
    registry: Place,
    /// Why it does not do what it is asked, though it is there.
    trouble: Option<WatchTrouble>,
    /// Whether the thread has ended, which it does only for its owner, or when it fails.
    ended: bool,
}

impl Watch {
    /// Subscribes, takes the first list, and keeps the picture from then on. For one type, or for
    /// all services.
    pub(super) fn start(
        settings: ClientSettings,
        service_type: Option<String>,
    ) -> Result<Self, ClientError> {
        Self::begin(settings, service_type, WhenSilent::Fail)?.wait()
    }

    /// As [`Self::start`], without waiting for the first list.
    pub(super) fn begin(
        settings: ClientSettings,
        service_type: Option<String>,
        when_silent: WhenSilent,
    ) -> Result<Starting<Self>, ClientError> {
        let picture = Picture::new(service_type);
        let pace = Pace {
            check: CHECK_INTERVAL,
            grace: GRACE,
            list: LIST_INTERVAL_MIN,
            list_timeout: settings.health_timeout.max(settings.request_timeout),
        };
        let follower = Follower::new(picture, pace, Rng::new(), Instant::now());
        let registry = settings.registries.first();
        let backlog = Backlog::default();
        let state = State { follower, backlog, registry, trouble: None, ended: false };
        let shared = Arc::new(Shared {
            registries: settings.registries.clone(),
            state: Mutex::new(state),
            news: Condvar::new(),
            waker: WakerSlot::default(),
        });
        let kept = Arc::clone(&shared);
        let set_up = move |stop: &Stop| Keeper::start(settings, kept, when_silent, stop);
        starting::start("registry-watch", set_up, Keeper::run, |thread| Self {
            shared,
            _thread: thread,
        })
    }

    /// All services that are watched, in the order in which they were registered.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    ///
    /// assert_eq!(client.watch()?.services().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn services(&self) -> Vec<Arc<Service>> {
        self.shared.lock().follower.picture().services().cloned().collect()
    }

    /// The service with this id.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let watch = client.watch()?;
    /// assert!(watch.get("camera-1").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get(&self, service_id: &str) -> Option<Arc<Service>> {
        self.shared.lock().follower.picture().get(service_id).cloned()
    }

    /// A service of this type, picked at random, that was passing when the registry last said so.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    ///
    /// let camera = client.watch()?.discover("CM_CS").ok_or("no camera")?;
    /// assert_eq!(camera.endpoint(), "tcp://localhost:6110");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn discover(&self, service_type: &str) -> Option<Arc<Service>> {
        let state = self.shared.lock();
        let picture = state.follower.picture();
        let passing = picture.passing(service_type).count();
        let picked = if passing > 0 { fastrand::usize(..passing) } else { 0 };
        picture.passing(service_type).nth(picked).cloned()
    }

    /// The state of the watch.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let watch = client.watch()?;
    /// if let Some(since) = watch.status().silent_since {
    ///     println!("the registry has been silent for {:?}", since.elapsed());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn status(&self) -> WatchStatus {
        let state = self.shared.lock();
        WatchStatus {
            mode: state.mode(),
            silent_since: state.follower.silent_since(),
            trouble: state.trouble.clone(),
            merged: state.backlog.merged(),
        }
    }

    /// Which registry is watched: one of those that the client has.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_two_registries.txt")]
    /// let client = RegistryClient::builder().endpoints(first.clone()).fallback(second).build();
    /// assert_eq!(client.watch()?.registry(), first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn registry(&self) -> RegistryEndpoints {
        self.shared.registries.at(self.shared.lock().registry).clone()
    }

    /// An iterator over all changes, beginning with the services that are there already. It waits
    /// for the next one, and ends only if the watch cannot go on; the log says why. If several
    /// threads take changes, each change is given to one of them. [`Self::next_change`] waits for a
    /// limited time.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    ///
    /// let watch = client.watch()?;
    /// for change in watch.changes().take(1) {
    ///     assert_eq!(change.service().name, "Camera");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn changes(&self) -> Changes<'_> {
        Changes(self)
    }

    /// The next change, if one waits.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    ///
    /// let watch = client.watch()?;
    /// assert!(matches!(watch.try_next_change(), Some(Change::Registered(_))));
    /// assert_eq!(watch.try_next_change(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn try_next_change(&self) -> Option<Change> {
        self.shared.lock().backlog.pop()
    }

    /// The next change, for the one future that waits for it. None where none will come.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Change>> {
        // First, so that a change that comes in between wakes.
        self.shared.waker.register(context.waker());
        let mut state = self.shared.lock();
        match state.backlog.pop() {
            Some(change) => Poll::Ready(Some(change)),
            None if state.ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// The next change, waited for up to `timeout`.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// # use std::time::Duration;
    /// let watch = client.watch()?;
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// let change = watch.next_change(Duration::from_secs(10))?;
    /// assert_eq!(change.service().name, "Camera");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RecvTimeoutError::Timeout`], if none came; [`RecvTimeoutError::Disconnected`], if none
    /// will come, because the watch cannot go on, which the log explains.
    pub fn next_change(&self, timeout: Duration) -> Result<Change, RecvTimeoutError> {
        let started = Instant::now();
        let mut state = self.shared.lock();
        loop {
            if let Some(change) = state.backlog.pop() {
                return Ok(change);
            }
            if state.ended {
                return Err(RecvTimeoutError::Disconnected);
            }
            let remaining = timeout.saturating_sub(started.elapsed());
            if remaining.is_zero() {
                return Err(RecvTimeoutError::Timeout);
            }
            let news = self.shared.news.wait_timeout(state, remaining);
            state = news.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watch").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Iterator for Changes<'_> {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        loop {
            match self.0.next_change(Duration::MAX) {
                Ok(change) => return Some(change),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked did so between two steps that each leave a true picture.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes who waits for changes.
    fn tell_news(&self) {
        self.news.notify_all();
        self.waker.wake();
    }
}

impl State {
    fn mode(&self) -> WatchMode {
        match self.follower.picture().sequence() {
            Some(_) => WatchMode::Events,
            None => WatchMode::Lists { interval: CHECK_INTERVAL },
        }
    }
}
