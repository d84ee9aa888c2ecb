//! Callbacks for events.
//!
//! The thread here *owns* a subscription, *receives* its events, and hands them to the callback.
//! It *ends* when it is told to stop.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::client::error::ClientError;
use crate::client::thread::Thread;

use super::{Event, Subscription};

/// Calls a function of the program's for every event of a [`Subscription`], until it is dropped.
/// Dropping it waits for a call that is under way.
///
/// A function that panics is called again for the next event; the panic is logged. One that is
/// slow misses events as a slow [`Subscription`] does, and is told.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let listener = client.on_event(&[EventKind::Expire], |event| println!("{event:?}"))?;
/// // Until here the function is called, and no longer.
/// drop(listener);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "events are listened to until the listener is dropped"]
pub struct EventListener {
    /// Nobody sends here: closing it is the request to stop. Stands before the thread, which
    /// is waited for.
    _stop: Sender<()>,
    _thread: Thread,
}

impl EventListener {
    /// Calls `handler` for every event of `subscription`.
    pub(in crate::client) fn start(
        subscription: Subscription,
        handler: impl FnMut(Event) + Send + 'static,
    ) -> Result<Self, ClientError> {
        let (stop, stopped) = bounded(0);
        let thread = Thread::start("registry-listen", move |_| {
            listen(&subscription, &stopped, handler);
        })?;
        Ok(Self { _stop: stop, _thread: thread })
    }
}

impl fmt::Debug for EventListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EventListener").finish_non_exhaustive()
    }
}

fn listen(
    subscription: &Subscription,
    stopped: &Receiver<()>,
    mut handler: impl FnMut(Event) + Send + 'static,
) {
    loop {
        let event = select! {
            recv(stopped) -> _ => return,
            recv(subscription.receiver()) -> event => event,
        };
        let Ok(event) = event else { return };
        // What the handler left half done is the program's, as after a caught panic anywhere.
        if catch_unwind(AssertUnwindSafe(|| handler(event))).is_err() {
            log::error!("a function that listens to events panicked; it is called again");
        }
    }
}
