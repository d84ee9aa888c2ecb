//! The events of a registry, as they happen.
//!
//! Events may be lost: one that is lost on a broken connection is not repeated. The subscriber is
//! told so by [`Event::Missed`]. For a list of services that is always right, use a
//! [`Watch`](super::Watch).

use std::task::{Context, Poll};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::channel;
use super::error::ClientError;
use super::settings::ClientSettings;
use super::starting::{self, Starting};
use super::thread::{Stop, Thread};

mod continuity;
mod event;
mod feed;
mod listener;
mod pump;
mod socket;

pub use event::{Event, EventKind, Missed, MissedReason, OtherEvent, ServiceEvent};
pub use listener::EventListener;
pub(super) use socket::{EventSocket, Heard};

use feed::Feed;
use pump::{Pump, Queue, Wanted};

/// A subscription to events. A thread of its own receives them until this is dropped.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let events = client.subscribe(&[EventKind::Register, EventKind::Deregister])?;
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
/// client.deregister()?;
/// for event in &events {
///     match event {
///         Event::Register(event) => println!("{} registered", event.service_id),
///         Event::Deregister(_) => break,
///         Event::Missed(missed) => println!("some events were missed: {missed:?}"),
///         _ => {}
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **Its beginning.** A `Subscription` exists only when the connection is up and the subscription
/// is on its way. ZeroMQ does not acknowledge subscriptions, so what is published just then can be
/// missed: from a registry of this crate until the subscription has arrived, from a Python registry
/// for a millisecond or so longer. And the event of what was acknowledged before can still come.
///
/// **A slow program.** Up to 4096 events wait to be taken. Further ones are dropped and counted,
/// and reported by [`Event::Missed`] as soon as there is room again.
///
/// **Lost events** are reported by [`Event::Missed`] before the next event, whose number shows the
/// gap. `Missed` also comes whenever a broken connection is up again, even if nothing was lost: a
/// registry that does not number its events could not show it.
///
/// **If the registry goes away**, and the client has
/// [another one](super::RegistryClientBuilder::fallback), the subscription moves there, which
/// counts as an interrupted connection. Registries that share their storage report each event once;
/// what happens during the move is missed.
#[derive(Debug)]
pub struct Subscription {
    events: channel::Receiver<Event>,
    _thread: Thread,
}

impl Subscription {
    /// Subscribes to events of these `kinds`, or to all of them and to those that this library
    /// does not know where `kinds` is empty.
    pub(super) fn connect(
        settings: &ClientSettings,
        kinds: &[EventKind],
    ) -> Result<Self, ClientError> {
        Self::begin(settings, kinds)?.wait()
    }

    /// As [`Self::connect`], without waiting for the connection.
    pub(super) fn begin(
        settings: &ClientSettings,
        kinds: &[EventKind],
    ) -> Result<Starting<Self>, ClientError> {
        let settings = settings.clone();
        let (queue, events) = Queue::new();
        let wanted = Wanted::new(kinds);
        let set_up =
            move |stop: &Stop| Ok(Pump::new(Feed::connect(settings, stop)?, wanted, queue));
        starting::start("registry-events", set_up, Pump::run, |thread| Self {
            events,
            _thread: thread,
        })
    }

    /// The next event, for the one future that waits for it. None where none will come.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.poll_next(context)
    }

    /// The next event, waited for up to `timeout`.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// # use std::time::Duration;
    /// let events = client.subscribe(&[])?;
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// let event = events.recv_timeout(Duration::from_secs(10))?;
    /// assert_eq!(event.kind(), Some(EventKind::Register));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RecvTimeoutError::Timeout`], if none came; [`RecvTimeoutError::Disconnected`], if none
    /// will come, because the subscription cannot go on, which the log explains.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Event, RecvTimeoutError> {
        self.receiver().recv_timeout(timeout)
    }

    /// All events, waiting for the next. Ends only if the subscription cannot go on, which the
    /// log explains.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let events = client.subscribe(&[])?;
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// client.deregister()?;
    /// let kinds: Vec<_> = events.iter().take(2).filter_map(|event| event.kind()).collect();
    /// assert_eq!(kinds, [EventKind::Register, EventKind::Deregister]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> crossbeam_channel::Iter<'_, Event> {
        self.receiver().iter()
    }

    /// Where the events arrive, for `select!` and the like.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let events = client.subscribe(&[])?;
    /// let other_work = crossbeam_channel::never::<()>();
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    /// crossbeam_channel::select! {
    ///     recv(events.receiver()) -> event => assert!(matches!(event?, Event::Register(_))),
    ///     recv(other_work) -> _ => {}
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn receiver(&self) -> &Receiver<Event> {
        self.events.for_threads()
    }
}

impl<'a> IntoIterator for &'a Subscription {
    type Item = Event;
    type IntoIter = crossbeam_channel::Iter<'a, Event>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
