//! Heartbeats: what keeps a service registered, and what is known of how that goes.
//!
//! `rhythm` decides when the next heartbeat is due, `home` whether the service's address is still
//! right, both without any I/O; `beating` is the thread that sends them.

mod beating;
pub(super) mod home;
mod monitor;
mod rhythm;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::error::Refusal;
use super::registration::Registration;
use super::settings::ClientSettings;
use super::thread::Thread;

pub(super) use home::{HostAddresses, SystemAddresses};
pub(super) use monitor::Monitor;

use beating::Beating;
use home::Home;

/// How it goes with the heartbeats of a service.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// let client = RegistryClient::with_endpoints(endpoints);
/// let service = client.register_scoped(&Registration::new("Camera", "localhost", 6110).ttl(1))?;
/// let changes = service.heartbeat_changes();
///
/// client.deregister_service(service.id())?;
///
/// let forgotten = HeartbeatState::ReRegistered(ReRegistration::Forgotten);
/// assert!(changes.iter().any(|state| state == forgotten));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HeartbeatState {
    /// None are sent.
    Stopped,
    /// The first is on its way.
    Starting,
    /// The registry answered the last one.
    Healthy,
    /// The registry has been silent since its last answer, for less than the service's ttl.
    Late {
        /// When the registry answered last.
        since: Instant,
    },
    /// The registry has been silent for so long that the service may have expired. Heartbeats go
    /// on, and it will be registered again where that is needed.
    Unreachable {
        /// When the registry answered last.
        since: Instant,
    },
    /// The service was registered again, under its id, with all that was said the first time.
    ReRegistered(ReRegistration),
    /// The registry answered, and said no. Heartbeats go on.
    Refused(Refusal),
}

/// Why a service was registered again. There is an example at [`HeartbeatState`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReRegistration {
    /// The registry did not know it any more.
    Forgotten,
    /// The host has another address.
    Moved {
        /// Where the service was reached before.
        from: String,
        /// Where it is reached now.
        to: String,
    },
}

/// A service that is registered: what was said of it, and under which id. Its heartbeats and its
/// owner share it.
#[derive(Debug)]
pub(super) struct Enrolment {
    /// As it was given, with the id that the registry answered and the host as it is now.
    registration: Registration,
    service_id: String,
    home: Option<Home>,
}

/// Heartbeats that are being sent. Dropping them ends them at once, whatever they wait for.
#[derive(Debug)]
pub(super) struct Heartbeat {
    thread: Thread,
    /// Held while the service is registered again.
    registering: Arc<Mutex<()>>,
}

impl Enrolment {
    /// A service that was just registered, and got `service_id`.
    pub(super) fn new(
        registration: &Registration,
        service_id: &str,
        addresses: &dyn HostAddresses,
    ) -> Self {
        Self {
            registration: registration.clone().service_id(service_id),
            service_id: service_id.to_owned(),
            home: Home::of(registration.host(), addresses),
        }
    }

    pub(super) fn service_id(&self) -> &str {
        &self.service_id
    }

    /// What to say of the service when it is registered again: its host is where it is now.
    pub(super) fn current(&self, addresses: &dyn HostAddresses) -> Registration {
        let moved = self.home.as_ref().and_then(|home| home.new_address(addresses));
        let registration = self.registration.clone();
        moved.map_or(registration.clone(), |address| registration.at_host(address.to_string()))
    }

    /// The service was registered again, with `registration`.
    pub(super) fn registered_again(
        &mut self,
        registration: Registration,
        addresses: &dyn HostAddresses,
    ) {
        if registration.host() != self.registration.host() {
            self.home = Home::of(registration.host(), addresses);
        }
        self.registration = registration;
    }
}

impl Heartbeat {
    /// Starts sending heartbeats, the first at once.
    pub(super) fn start(
        settings: &ClientSettings,
        enrolment: Arc<Mutex<Enrolment>>,
        addresses: Arc<dyn HostAddresses>,
        monitor: Monitor,
    ) -> io::Result<Self> {
        let mut beating = Beating::new(settings, enrolment, addresses, monitor.clone());
        let registering = beating.registering();
        let start = || Thread::start("heartbeat", move |stop| beating.run(stop));
        let thread = monitor.note_if_started(HeartbeatState::Starting, start)?;
        Ok(Self { thread, registering })
    }

    /// Ends them. The answer to a registration that is on its way is waited for: otherwise it
    /// could come true after what is asked next, a deregistration say.
    pub(super) fn stop(mut self) {
        let _registered = self.registering.lock().unwrap_or_else(PoisonError::into_inner);
        self.thread.tell_to_stop();
    }
}

/// What is enrolled is replaced in one piece, so it is whole even where its last user panicked.
pub(super) fn lock(enrolment: &Mutex<Enrolment>) -> MutexGuard<'_, Enrolment> {
    enrolment.lock().unwrap_or_else(PoisonError::into_inner)
}
