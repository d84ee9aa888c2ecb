//! Heartbeats: what keeps a service registered, and what is known of how that goes.
//!
//! `rhythm` decides when the next heartbeat is due, `home` whether the service's address is still
//! right, both without any I/O; `beating` is the thread that sends them.

mod beating;
pub(super) mod home;
mod monitor;
mod rhythm;
mod telling;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::endpoints::Endpoint;
use super::error::{ClientError, Refusal};
use super::registration::Registration;
use super::settings::ClientSettings;
use super::thread::{Stop, Thread};

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
    /// Another registry answered than before, because that was silent or cut off. Heartbeats go
    /// there from now on.
    ChangedRegistry {
        /// The one before.
        from: Endpoint,
        /// The one that answered.
        to: Endpoint,
    },
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
    /// Where it was when it was first registered: there it goes back to, whenever it can.
    given: Option<Home>,
    home: Option<Home>,
}

/// What the services of one client have in common when they are kept registered.
#[derive(Clone)]
pub(super) struct Upkeep {
    pub(super) settings: ClientSettings,
    pub(super) registrar: Arc<dyn Registrar>,
    pub(super) addresses: Arc<dyn HostAddresses>,
    pub(super) monitor: Monitor,
}

/// How heartbeats register a service again.
pub(super) trait Registrar: Send + Sync {
    /// Registers the service, and waits for the answer or for the word to `stop`. Keeps the
    /// `turn` until nothing that the owner asks for next can overtake the registration: it could
    /// come true after a deregistration otherwise.
    fn register(
        &self,
        registration: &Registration,
        turn: MutexGuard<'_, Turn>,
        stop: &Stop,
    ) -> Result<(), ClientError>;
}

/// Whose turn it is to register a service. Heartbeats lock it while they do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Turn {
    /// The registry may forget it, and the host move.
    #[default]
    Heartbeats,
    /// It is being registered, or another in its place.
    Owner,
}

/// Heartbeats that are being sent. Dropping them ends them at once, whatever they wait for.
#[derive(Debug)]
pub(super) struct Heartbeat {
    thread: Thread,
    turn: Arc<Mutex<Turn>>,
}

impl Enrolment {
    /// A service that was just registered, and got `service_id`.
    pub(super) fn new(
        registration: &Registration,
        service_id: &str,
        addresses: &dyn HostAddresses,
    ) -> Self {
        let home = Home::of(registration.host(), addresses);
        Self {
            registration: registration.clone().service_id(service_id),
            service_id: service_id.to_owned(),
            given: home.clone(),
            home,
        }
    }

    pub(super) fn service_id(&self) -> &str {
        &self.service_id
    }

    /// What to say of the service when it is registered again: its host is where it is now.
    pub(super) fn current(&self, addresses: &dyn HostAddresses) -> Registration {
        let given = self.given.as_ref().filter(|_| self.given != self.home);
        let back = given.filter(|given| given.is_here(addresses)).map(Home::address);
        let moved = || self.home.as_ref().and_then(|home| home.new_address(addresses));
        let registration = self.registration.clone();
        match back.or_else(moved) {
            Some(address) => registration.at_host(address.to_string()),
            None => registration,
        }
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
        upkeep: Upkeep,
        enrolment: Arc<Mutex<Enrolment>>,
        turn: Arc<Mutex<Turn>>,
    ) -> io::Result<Self> {
        let monitor = upkeep.monitor.clone();
        let mut beating = Beating::new(upkeep, enrolment, Arc::clone(&turn));
        let start = || Thread::start("heartbeat", move |stop| beating.run(stop));
        let thread = monitor.note_if_started(HeartbeatState::Starting, start)?;
        Ok(Self { thread, turn })
    }

    /// Ends them, when whatever they have asked for cannot be overtaken any more.
    pub(super) fn stop(mut self) {
        let _turn = lock(&self.turn);
        self.thread.tell_to_stop();
    }
}

/// What is shared here is replaced in one piece, so it is whole even where its last user panicked.
pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
