//! The model: a list of services that is searched from its beginning for everything. A turn is
//! carried out on a copy, which takes the place of the original if the commit succeeds.

use std::collections::BTreeMap;
use std::net::IpAddr;

use service_registry::access::{Origin, Ownership};
use service_registry::service::TypePolicy;

use super::action::{Id, Registered, Turn, Write};
use super::words::{Answered, CleanedUp, Shown, Times, Told};

#[derive(Clone, Default)]
pub(super) struct Naive {
    enforce: bool,
    ownership: Ownership,
    services: Vec<Service>,
    pub(super) policies: BTreeMap<Id, TypePolicy>,
    /// To be taken after every action.
    pub(super) events: Vec<Told>,
}

#[derive(Clone)]
struct Service {
    said: Registered,
    /// When it was heard last, and what a restart would find of that.
    heard: u64,
    stored: u64,
    unsaved: bool,
    /// When it was heard last in listening time, or restored, and what was left of its ttl.
    since: u64,
    left: Option<u64>,
    restored: bool,
    /// How often the process had stood still by then.
    pauses: u64,
}

impl Service {
    fn heard(said: Registered, now: Times) -> Self {
        let (heard, left) = (now.wall_seconds(), Some(said.ttl));
        let Times { listening: since, pauses, .. } = now;
        Self { said, heard, stored: heard, unsaved: false, since, left, restored: false, pauses }
    }

    fn shown(&self, now: Times) -> Shown {
        let silent = now.listening - self.since;
        let passing = self.left.is_some_and(|left| silent <= left * 1_000);
        let Registered { id, port, ttl, from, .. } = self.said;
        let (owner, last_heartbeat) = (from.address, self.heard);
        let over = silent > ttl * 1_000;
        Shown { id, port, ttl, owner, last_heartbeat, passing, over }
    }
}

impl Naive {
    pub(super) fn new(enforce: bool, ownership: Ownership) -> Self {
        Self { enforce, ownership, ..Self::default() }
    }

    /// All of them, or those that have a type.
    pub(super) fn services(&self, service_type: Option<&str>, now: Times) -> Vec<Shown> {
        let of_type = |s: &&Service| service_type.is_none_or(|name| s.said.has_type(name));
        self.services.iter().filter(of_type).map(|service| service.shown(now)).collect()
    }

    pub(super) fn renew(&mut self, id: Id, now: Times) -> bool {
        let Some(place) = self.place(id) else { return false };
        let Service { said, stored, .. } = self.services[place].clone();
        self.services[place] = Service { stored, unsaved: true, ..Service::heard(said, now) };
        true
    }

    pub(super) fn save(&mut self, includes: impl Fn(Id) -> bool) {
        for service in self.services.iter_mut().filter(|s| s.unsaved && includes(s.said.id)) {
            (service.stored, service.unsaved) = (service.heard, false);
        }
    }

    pub(super) fn restart(&mut self, now: Times) {
        for service in &mut self.services {
            let Service { said, stored, .. } = service.clone();
            let left = said.ttl.checked_sub(now.wall_seconds().saturating_sub(stored));
            let (heard, new) = (stored, Service::heard(said, now));
            *service = Service { heard, stored, left, restored: true, ..new };
        }
    }

    /// A turn that is planned at one time and committed, or not, at a later one. What its
    /// requests are answered, and whether the heartbeats that come in between are welcome.
    pub(super) fn turn(
        &mut self,
        turn: &Turn,
        cleaned_up: &CleanedUp,
        [planned, committed]: [Times; 2],
    ) -> (Vec<Answered>, Vec<bool>) {
        let mut next = self.clone();
        next.save(|id| cleaned_up.saved.includes(id));
        for Shown { id, over, .. } in next.services(None, planned) {
            if over && cleaned_up.expired.includes(id) {
                next.expire(id, planned);
            }
        }
        let answers = turn.writes.iter().map(|write| next.write(write, planned)).collect();
        let told = next.events.clone();
        let hear = |id: &Id| {
            next.renew(id, committed);
            !told.iter().any(|told| told.expires(id)) && self.renew(id, committed)
        };
        let heard = turn.heard_meanwhile.iter().map(hear).collect();
        for service in &mut next.services {
            if told.contains(&Told::Registered(service.said.id)) {
                *service = Service::heard(service.said.clone(), committed);
                service.stored = planned.wall_seconds();
            }
        }
        if !turn.fails {
            *self = next;
        }
        (answers, heard)
    }

    fn write(&mut self, write: &Write, now: Times) -> Answered {
        let told = match write {
            Write::Register(said) => {
                if let Some(owner) = self.other_owner(said.id, said.from, now) {
                    return Answered::OwnedBy(owner);
                }
                if let Some(holder) = self.make_room(said, now) {
                    return Answered::TakenBy(holder);
                }
                let new = Service::heard(said.clone(), now);
                match self.place(said.id) {
                    Some(place) => self.services[place] = new,
                    None => self.services.push(new),
                }
                match said.policy {
                    TypePolicy::Unspecified => None,
                    TypePolicy::ServerDecides => self.policies.remove(said.id),
                    policy => self.policies.insert(said.id, policy),
                };
                Told::Registered(said.id)
            }
            Write::Deregister { id, from } => {
                let Some(place) = self.place(id) else { return Answered::NotRegistered };
                if let Some(owner) = self.other_owner(id, *from, now) {
                    return Answered::OwnedBy(owner);
                }
                self.services.remove(place);
                self.policies.remove(id);
                Told::Deregistered(id)
            }
        };
        self.events.push(told);
        Answered::Done
    }

    /// Whose a living service is, where somebody else asks.
    fn other_owner(&self, id: Id, from: Origin, now: Times) -> Option<IpAddr> {
        let service = self.services[self.place(id)?].shown(now);
        let counts = self.ownership == Ownership::Host && service.passing && !from.is_admin;
        service.owner.filter(|owner| counts && from.address != Some(*owner))
    }

    /// Expires who has the type that should be unique and is not alive; the first who is.
    fn make_room(&mut self, said: &Registered, now: Times) -> Option<Id> {
        let policy = match said.policy {
            TypePolicy::Unspecified => self.policies.get(said.id).copied().unwrap_or_default(),
            policy => policy,
        };
        let by_default = self.enforce && policy != TypePolicy::AllowDuplicates;
        let alone = by_default || policy == TypePolicy::Singleton;
        let service_type = said.service_type.filter(|_| alone)?;
        for Shown { id, passing, .. } in self.services(Some(service_type), now) {
            if id == said.id {
                continue;
            }
            if passing {
                return Some(id);
            }
            self.expire(id, now);
        }
        None
    }

    fn expire(&mut self, id: Id, now: Times) {
        let service = self.services.remove(self.place(id).expect("it is there"));
        let milliseconds = now.listening - service.since;
        let paused = now.pauses > service.pauses;
        self.events.push(Told::Expired { id, milliseconds, restarted: service.restored, paused });
    }

    fn place(&self, id: Id) -> Option<usize> {
        self.services.iter().position(|service| service.said.id == id)
    }
}
