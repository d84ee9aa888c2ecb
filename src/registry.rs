//! The rules of the registry, and its state in memory.
//!
//! Everything here is pure: no socket, no database, no clock, no randomness, no logging, no
//! threads. Time, fresh UUIDs and random numbers are handed in; what comes back are entries,
//! outcomes and changes. A refusal is an outcome, not an error.
//!
//! Reading and renewing take `&self` and may happen in many threads at once. Changing goes in
//! two steps: a [`Plan`] decides what a request changes; when the changes are safely stored,
//! [`Registry::apply`] makes them true. A plan that is not applied leaves no trace; but for as long
//! as it stands, the services that it expires cannot be renewed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::access::Ownership;
use crate::clock::{Now, WallTime};
use crate::limits::Limits;
use crate::service::{Service, ServiceId, TypePolicy};

mod change;
mod elsewhere;
mod entry;
mod event;
mod expiry;
mod home;
mod index;
mod lease;
mod plan;
mod policies;
mod roster;
mod unsaved;

pub use change::{Change, Fact};
pub use entry::{Entry, Snapshot};
pub use event::{Epoch, Event, EventKind, Sequence};
pub use home::Home;
pub use lease::{Health, Lease, Silence};
pub use plan::{Outcome, Plan, Planned, Refusal};
pub use policies::POLICIES_MAX;

use expiry::Expiry;
use home::Horizon;
use index::Index;
use policies::Policies;
use unsaved::Unsaved;

/// All registered services, with the rules by which they change.
#[derive(Debug)]
pub struct Registry {
    enforce_unique_service_types: bool,
    ownership: Ownership,
    limits: Limits,
    index: Index,
    /// What all services say of themselves, in bytes.
    bytes: usize,
    policies: Policies,
    sequence: Sequence,
    expiry: Mutex<Expiry>,
    unsaved: Unsaved,
    horizon: Horizon,
}

impl Registry {
    /// An empty registry whose events carry `epoch`.
    #[must_use]
    pub fn new(epoch: Epoch, enforce_unique_service_types: bool) -> Self {
        Self {
            enforce_unique_service_types,
            ownership: Ownership::Open,
            limits: Limits::default(),
            index: Index::default(),
            bytes: 0,
            policies: Policies::default(),
            sequence: Sequence { epoch, seq: 0 },
            expiry: Mutex::default(),
            unsaved: Unsaved::default(),
            horizon: Horizon::movable(),
        }
    }

    /// The same, in which services belong to those that `ownership` says.
    #[must_use]
    pub fn with_ownership(self, ownership: Ownership) -> Self {
        Self { ownership, ..self }
    }

    /// The same, which takes no more than `limits` allow. What is restored is taken all the same.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Adds a service that was registered before this registry started and last heard at
    /// `last_heartbeat`, as the last in the order of registration. No event is made of it.
    pub fn restore(&mut self, service: Service, last_heartbeat: WallTime, now: Now) {
        let position = self.index.next_position();
        self.insert(Arc::new(Entry::restored(service, last_heartbeat, position, now)));
    }

    /// Adds what an id said about sharing its type before this registry started.
    pub fn restore_policy(&mut self, id: ServiceId, policy: TypePolicy) {
        self.policies.remember(id, policy);
    }

    /// What ids said about sharing their type, in the order in which they said it last.
    pub fn policies(&self) -> impl Iterator<Item = (&ServiceId, TypePolicy)> {
        self.policies.iter()
    }

    /// The service with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        self.index.get(id)
    }

    /// All services, or those that match a type, in the order of their registration.
    pub fn list(&self, service_type: Option<&str>) -> impl Iterator<Item = &Arc<Entry>> + Clone {
        let all = service_type.is_none().then(|| self.index.all().iter());
        let matching = service_type.and_then(|name| self.index.of_type(name)).map(|r| r.iter());
        all.into_iter().flatten().chain(matching.into_iter().flatten())
    }

    /// A passing service that matches the type; each has the same chance when `pick` is a random
    /// number.
    #[must_use]
    pub fn discover(&self, service_type: &str, pick: u64, now: Now) -> Option<&Arc<Entry>> {
        let passing = |entry: &Arc<Entry>| entry.lease.health(now.listening) == Health::Passing;
        self.index.of_type(service_type)?.pick(pick, passing)
    }

    /// Renews the lease of the service with this id; false where there is none.
    pub fn renew(&self, id: &str, now: Now) -> bool {
        let Some(entry) = self.index.get(id) else { return false };
        if !entry.lease.renew(now) {
            return false;
        }
        self.unsaved.note(entry);
        true
    }

    /// How many services there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.all().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.all().is_empty()
    }

    /// What all services say of themselves, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the events stand: the number of the last one.
    #[must_use]
    pub const fn sequence(&self) -> &Sequence {
        &self.sequence
    }

    /// Whether only one service may have a type, unless its registration says otherwise.
    #[must_use]
    pub const fn enforces_unique_service_types(&self) -> bool {
        self.enforce_unique_service_types
    }

    /// Makes a change true that has been stored, and gives back the event that tells of it. The
    /// lease of a service that registered starts at `now`: its client did not know sooner.
    pub fn apply(&mut self, change: Change, now: Now) -> Option<Event> {
        let kind = match change {
            Change::Heard { .. } => return None,
            Change::PolicyRemembered { id, policy } => {
                self.policies.remember(id, policy);
                return None;
            }
            Change::PolicyForgotten { id } => {
                self.policies.forget(&id);
                return None;
            }
            Change::Registered { entry, service_info } => {
                entry.lease.renew(now);
                self.insert(Arc::clone(&entry));
                EventKind::Register { entry, service_info }
            }
            Change::Deregistered { entry } => {
                self.remove(&entry);
                EventKind::Deregister { entry }
            }
            Change::Expired { entry, silence } => {
                self.remove(&entry);
                EventKind::Expire { entry, silence }
            }
        };
        self.sequence.seq += 1;
        Some(Event { sequence: self.sequence.clone(), at: now, kind })
    }

    fn insert(&mut self, entry: Arc<Entry>) {
        self.bytes += entry.service.bytes();
        let mut expiry = lock(&self.expiry);
        if let Some(replaced) = self.index.get(entry.service.id.as_str()) {
            self.bytes -= replaced.service.bytes();
            if replaced.position == entry.position {
                entry.lease.replace(&replaced.lease);
            }
            expiry.remove(replaced);
        }
        expiry.put(Arc::clone(&entry));
        drop(expiry);
        self.index.put(entry);
    }

    fn remove(&mut self, entry: &Entry) {
        if let Some(entry) = self.index.get(entry.service.id.as_str()) {
            self.bytes -= entry.service.bytes();
            lock(&self.expiry).remove(entry);
        }
        self.index.remove(&entry.service.id);
        self.unsaved.forget_removed(&self.index);
    }
}

/// Nothing that runs under these locks can leave a value half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
