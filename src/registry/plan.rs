//! What a batch of requests will change, decided before anything is changed.
//!
//! A plan looks at the registry as it stands and remembers what its own requests change, so
//! that each request sees the ones before it. When the changes are stored they are applied;
//! otherwise the plan is abandoned.
//!
//! Heartbeats come while a plan is being stored. For their sake two things are done to the registry
//! at once, and taken back when the plan is abandoned. The lease of a service that expires is
//! closed: no heartbeat may be told that it renewed a lease which is gone a moment later. And
//! heartbeats that are about to be stored are noted as stored, so that the next ones are noted
//! again.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::access::Origin;
use crate::clock::{ListeningTime, Now};
use crate::limits::{Exceeded, Limit};
use crate::service::{Registration, Service, ServiceId, ServiceType, TypePolicy};

use super::Registry;
use super::change::Change;
use super::entry::Entry;
use super::home::Home;
use super::lease::{Closed, Health};
use super::roster::Position;

mod cleanup;
mod sharing;

/// What a request comes to, once its changes are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The service is registered under this id.
    Registered(ServiceId),
    /// The service is gone.
    Deregistered,
    /// The registry's rules forbid it.
    Refused(Refusal),
}

/// Why the registry's rules forbid a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No service has this id.
    NotRegistered,
    /// The service is alive and was registered from another host.
    NotOwner {
        /// From where.
        owner: IpAddr,
    },
    /// A living service has the type that should have been unique.
    DuplicateServiceType {
        /// The type.
        service_type: ServiceType,
        /// The service that has it.
        existing: ServiceId,
    },
    /// There is no room for it.
    Exceeded(Exceeded),
}

/// One request, decided.
#[derive(Debug)]
#[must_use]
pub struct Planned {
    /// What to store, then to apply, in this order.
    pub changes: Vec<Change>,
    /// What to answer when that is done.
    pub outcome: Outcome,
}

/// The changes that the requests of one batch will make.
#[derive(Debug)]
#[must_use]
pub struct Plan {
    now: Now,
    /// Up to here all heartbeats are known, also those that other registries heard. Whoever seems
    /// silent only since then may have been heard elsewhere.
    known_until: ListeningTime,
    /// What this plan's requests made of an id: None where they removed it.
    entries: HashMap<ServiceId, Option<Arc<Entry>>>,
    /// Entries that this plan's requests made, by type. Some may be replaced by later ones.
    by_type: HashMap<Box<str>, Vec<Arc<Entry>>>,
    /// What this plan's requests made of an id's policy: None where they forgot it.
    policies: HashMap<ServiceId, Option<TypePolicy>>,
    /// How many policies are remembered once this plan is applied.
    policies_after: usize,
    /// From which age on to look for policies of services that are gone, which make room first:
    /// among the older ones none is left.
    policies_searched_to: u64,
    next_position: Position,
    /// How many services there are once this plan is applied, and what they say of themselves, in
    /// bytes.
    services: usize,
    bytes: usize,
    /// The leases that this plan closed, and the heartbeats that it noted as stored: what is taken
    /// back when it is abandoned.
    closed: Vec<(Arc<Entry>, Closed)>,
    heard: Vec<Arc<Entry>>,
}

impl Plan {
    /// An empty plan on `registry`. Until it is applied or abandoned, nothing else may be
    /// applied to the registry.
    pub fn new(registry: &Registry, now: Now) -> Self {
        Self {
            now,
            known_until: now.listening,
            entries: HashMap::new(),
            by_type: HashMap::new(),
            policies: HashMap::new(),
            policies_after: registry.policies.len(),
            policies_searched_to: 0,
            next_position: registry.index.next_position(),
            services: registry.len(),
            bytes: registry.bytes,
            closed: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// The same, where other registries hear services, too, and what they heard is known until
    /// `time`: a service expires only if it had been silent for a full ttl by then.
    pub const fn knowing_until(mut self, time: ListeningTime) -> Self {
        self.known_until = time;
        self
    }

    /// Registers a service, or registers it again under its id. `unique` goes into the id of a
    /// service that does not bring one.
    pub fn register(
        &mut self,
        registry: &Registry,
        registration: Registration,
        unique: Uuid,
    ) -> Planned {
        let id = registration
            .id
            .clone()
            .unwrap_or_else(|| ServiceId::generate(&registration.description.name(), unique));
        let (from, said) = (registration.from, registration.policy);
        let (service, service_info) = registration.into_service(id.clone());

        let known = self.find(registry, id.as_str());
        let owner = known.as_ref().and_then(|known| self.owner_against(registry, known, from));
        if let Some(owner) = owner {
            return refused(Vec::new(), Refusal::NotOwner { owner });
        }

        let mut changes = Vec::new();
        let policy = self.policy(registry, &id, said);
        if let Some(service_type) = type_to_be_unique(registry, policy, &service) {
            let holder = self.make_room(registry, &id, &service_type, &mut changes);
            if let Some(existing) = holder {
                return refused(changes, Refusal::DuplicateServiceType { service_type, existing });
            }
        }
        // After the expiries just planned, which leave room.
        if let Err(exceeded) = self.find_room(registry, known.as_deref(), &service) {
            return refused(changes, Refusal::Exceeded(exceeded));
        }

        self.bytes += service.bytes();
        let position = match known {
            Some(known) => {
                self.bytes -= known.service.bytes();
                known.position
            }
            None => self.new_position(),
        };
        let entry = registry.new_entry(service, position, Home::HERE, self.now);
        self.remember(&entry);
        changes.push(Change::Registered { entry, service_info });
        self.note_policy(registry, id.clone(), said, &mut changes);
        Planned { changes, outcome: Outcome::Registered(id) }
    }

    /// Takes a service out, as `from` asks.
    pub fn deregister(&mut self, registry: &Registry, id: &ServiceId, from: Origin) -> Planned {
        let Some(entry) = self.find(registry, id.as_str()) else {
            return refused(Vec::new(), Refusal::NotRegistered);
        };
        if let Some(owner) = self.owner_against(registry, &entry, from) {
            return refused(Vec::new(), Refusal::NotOwner { owner });
        }
        self.forget(&entry);
        let mut changes = vec![Change::Deregistered { entry }];
        self.forget_policy(registry, id.clone(), &mut changes);
        Planned { changes, outcome: Outcome::Deregistered }
    }

    /// Takes the plan back, because its changes could not be stored.
    pub fn abandon(self, registry: &Registry) {
        for (entry, closed) in &self.closed {
            entry.lease.reopen(closed);
        }
        self.heard.iter().for_each(|entry| registry.unsaved.note(entry));
    }

    /// The owner of `entry`, where that keeps `from` from changing it. A service that is not alive
    /// is everybody's: its host may be gone, and it may have moved.
    fn owner_against(&self, registry: &Registry, entry: &Entry, from: Origin) -> Option<IpAddr> {
        let owner = entry.service.owner?;
        let is_alive = entry.lease.health(self.now.listening) == Health::Passing;
        (is_alive && !registry.ownership.permits(from, Some(owner))).then_some(owner)
    }

    /// Expires what has the type and is not alive; the id of the first that is alive.
    fn make_room(
        &mut self,
        registry: &Registry,
        id: &ServiceId,
        service_type: &ServiceType,
        changes: &mut Vec<Change>,
    ) -> Option<ServiceId> {
        for entry in self.holders(registry, id, service_type.as_str()) {
            match entry.lease.close_if_critical(self.time_of_expiry()) {
                Some(closed) => changes.push(self.expired(entry, closed)),
                None => return Some(entry.service.id.clone()),
            }
        }
        None
    }

    /// The entries of a type except the one that asks, in the order of registration: those of the
    /// registry up to the first that is passing, and those that this plan made.
    fn holders(
        &self,
        registry: &Registry,
        asking: &ServiceId,
        service_type: &str,
    ) -> Vec<Arc<Entry>> {
        let mut holders = Vec::new();
        for entry in registry.list(Some(service_type)) {
            let id = &entry.service.id;
            if id != asking && !self.entries.contains_key(id) {
                holders.push(Arc::clone(entry));
                if entry.lease.health(self.now.listening) == Health::Passing {
                    break;
                }
            }
        }
        let made_here = self.by_type.get(service_type).into_iter().flatten();
        let others = made_here.filter(|entry| entry.service.id != *asking && self.is_latest(entry));
        holders.extend(others.cloned());
        holders.sort_by_key(|entry| entry.position);
        holders
    }

    /// The time by which it is decided whether a lease is over.
    const fn time_of_expiry(&self) -> Now {
        Now { listening: self.known_until, ..self.now }
    }

    fn expired(&mut self, entry: Arc<Entry>, closed: Closed) -> Change {
        self.forget(&entry);
        let silence = closed.silence;
        self.closed.push((Arc::clone(&entry), closed));
        Change::Expired { entry, silence }
    }

    /// Whether `service` can be kept in place of the one that is `known` under its id. One that
    /// does not grow always can.
    fn find_room(
        &self,
        registry: &Registry,
        known: Option<&Entry>,
        service: &Service,
    ) -> Result<(), Exceeded> {
        let replaced = known.map_or(0, |known| known.service.bytes());
        if known.is_none() {
            registry.limits.check(Limit::Services, self.services + 1)?;
        }
        if service.bytes() > replaced {
            let bytes = self.bytes - replaced + service.bytes();
            registry.limits.check(Limit::RegistryBytes, bytes)?;
        }
        Ok(())
    }

    fn forget(&mut self, entry: &Entry) {
        self.services -= 1;
        self.bytes -= entry.service.bytes();
        self.entries.insert(entry.service.id.clone(), None);
    }

    fn remember(&mut self, entry: &Arc<Entry>) {
        for name in entry.service.types() {
            let holders = self.by_type.entry(name.into()).or_default();
            // A tag can be there twice.
            if !holders.last().is_some_and(|last| Arc::ptr_eq(last, entry)) {
                holders.push(Arc::clone(entry));
            }
        }
        self.entries.insert(entry.service.id.clone(), Some(Arc::clone(entry)));
    }

    /// The entry that has the id when all of this plan so far is applied.
    fn find(&self, registry: &Registry, id: &str) -> Option<Arc<Entry>> {
        match self.entries.get(id) {
            Some(planned) => planned.clone(),
            None => registry.get(id).cloned(),
        }
    }

    /// Whether `entry` is the registry's, and this plan leaves it alone.
    fn is_current(&self, registry: &Registry, entry: &Arc<Entry>) -> bool {
        let id = &entry.service.id;
        !self.entries.contains_key(id)
            && registry.get(id.as_str()).is_some_and(|current| Arc::ptr_eq(current, entry))
    }

    /// Whether `entry`, which this plan made, is what the plan makes of its id.
    fn is_latest(&self, entry: &Arc<Entry>) -> bool {
        let latest = self.entries.get(&entry.service.id);
        matches!(latest, Some(Some(latest)) if Arc::ptr_eq(latest, entry))
    }

    fn new_position(&mut self) -> Position {
        self.services += 1;
        let position = self.next_position;
        self.next_position = position.next();
        position
    }
}

const fn refused(changes: Vec<Change>, refusal: Refusal) -> Planned {
    Planned { changes, outcome: Outcome::Refused(refusal) }
}

fn type_to_be_unique(
    registry: &Registry,
    policy: TypePolicy,
    service: &Service,
) -> Option<ServiceType> {
    let unique = match policy {
        TypePolicy::AllowDuplicates => false,
        TypePolicy::Singleton => true,
        TypePolicy::ServerDecides | TypePolicy::Unspecified => {
            registry.enforce_unique_service_types
        }
    };
    // Its tags do not count here, although other services are found by theirs.
    if unique { service.description.service_type() } else { None }
}
