//! What happens in a registry, as it happens.
//!
//! Events are news, not the truth: one that is lost on a broken connection does not come again.
//! That some were lost is told as [`Event::Missed`]. Who needs to know what is true uses a
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

/// A subscription to events, taken in by a thread of its own until this is dropped.
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
/// **From when on.** The connection is up and the subscription on its way before there is a
/// `Subscription`, and a registry of this crate takes note of it before the next event that
/// it publishes. ZeroMQ has no receipt for it, so of a Python registry an event within the next
/// millisecond or so can still pass unheard.
///
/// **Who is slow.** 4096 events wait to be taken. What comes when the queue is full is dropped,
/// counted, and told as [`Event::Missed`] as soon as there is room again.
///
/// **What is lost on the way** is told as [`Event::Missed`] before the event that shows it, by
/// the numbers of the events; and when a broken connection is up again, whether or not something
/// was lost with it, because a registry that does not number its events could not tell.
///
/// **Where the registry goes**, and the client has
/// [another](super::RegistryClientBuilder::fallback), the subscription moves there, which is an
/// interrupted connection, too. Of registries that share their storage each event is told once;
/// what happened during the move is missed.
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
