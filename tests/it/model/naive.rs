//! The model: all that a registry promises, without anything that makes it fast.

use std::collections::{BTreeMap, BTreeSet};

use service_registry::service::TypePolicy;

use super::action::{Registered, Turn, Write};
use super::words::{Answered, Selection, Shown, Times, Told, sort_sweeps};

#[derive(Debug, Clone)]
struct Service {
    said: Registered,
    last_heartbeat: u64,
    /// None where it was over before the registry started.
    passing_until: Option<u64>,
    /// When it was restored, until it is heard.
    restored_at: Option<u64>,
    kept_until: u64,
    is_unsaved: bool,
}

#[derive(Debug, Clone)]
enum Fact {
    Registered(Registered),
    Gone(Told),
    Policy(String, Option<TypePolicy>),
    Saved(String, u64),
}

/// What a turn would change.
pub(super) struct NaivePlan {
    pub(super) outcomes: Vec<Answered>,
    facts: Vec<Fact>,
    at: Times,
    /// What cannot be heard any more while its expiry is being stored.
    closed: BTreeSet<String>,
    saved: Vec<String>,
}

/// See the module's page.
#[derive(Debug, Clone)]
pub(super) struct Naive {
    enforce: bool,
    services: Vec<Service>,
    policies: BTreeMap<String, TypePolicy>,
    stored: Vec<(Registered, u64)>,
    seq: u64,
    events: Vec<Told>,
}

impl Service {
    fn new(said: Registered, now: Times) -> Self {
        Self {
            last_heartbeat: now.wall_seconds(),
            passing_until: Some(now.listening + said.ttl * 1_000),
            said,
            restored_at: None,
            kept_until: 0,
            is_unsaved: false,
        }
    }

    fn restored(said: Registered, last_heartbeat: u64, now: Times) -> Self {
        let age = now.wall_seconds().saturating_sub(last_heartbeat);
        Self {
            last_heartbeat,
            passing_until: said.ttl.checked_sub(age).map(|left| now.listening + left * 1_000),
            kept_until: now.listening + said.ttl * 1_000,
            said,
            restored_at: Some(now.listening),
            is_unsaved: false,
        }
    }

    fn is_passing(&self, now: Times) -> bool {
        self.passing_until.is_some_and(|until| now.listening <= until)
    }

    fn is_over(&self, now: Times) -> bool {
        !self.is_passing(now) && now.listening > self.kept_until
    }

    fn has_type(&self, name: &str) -> bool {
        self.said.service_type == Some(name) || self.said.tag == Some(name)
    }

    fn expired(&self, now: Times) -> Told {
        let heard = self.passing_until.unwrap_or_default().saturating_sub(self.said.ttl * 1_000);
        Told::Expired {
            id: self.said.id.to_owned(),
            silent_milliseconds: now.listening - self.restored_at.unwrap_or(heard),
            restarted: self.restored_at.is_some(),
        }
    }
}

impl Naive {
    pub(super) fn new(enforce: bool) -> Self {
        Self {
            enforce,
            services: Vec::new(),
            policies: BTreeMap::new(),
            stored: Vec::new(),
            seq: 0,
            events: Vec::new(),
        }
    }

    pub(super) fn renew(&mut self, id: &str, now: Times) -> bool {
        let Some(service) = self.services.iter_mut().find(|service| service.said.id == id) else {
            return false;
        };
        service.last_heartbeat = now.wall_seconds();
        service.passing_until = Some(now.listening + service.said.ttl * 1_000);
        service.restored_at = None;
        service.is_unsaved = true;
        true
    }

    pub(super) fn renew_meanwhile(&mut self, id: &str, plan: &NaivePlan, now: Times) -> bool {
        !plan.closed.contains(id) && self.renew(id, now)
    }

    /// Decides a turn. Fails where the selection is none that the rules allow.
    pub(super) fn plan(
        &mut self,
        turn: &Turn,
        selection: &Selection,
        now: Times,
    ) -> Result<NaivePlan, String> {
        let mut draft = self.clone();
        let mut plan = NaivePlan {
            outcomes: Vec::new(),
            facts: Vec::new(),
            at: now,
            closed: BTreeSet::new(),
            saved: selection.saved.clone(),
        };
        if turn.clean_up.is_some() {
            draft.clean_up(selection, &mut plan)?;
        }
        for write in &turn.writes {
            let outcome = match write {
                Write::Register(said) => draft.register(said, &mut plan),
                Write::Deregister { id } => draft.deregister(id, &mut plan),
            };
            plan.outcomes.push(outcome);
        }
        for service in &mut self.services {
            service.is_unsaved &= !plan.saved.iter().any(|id| id == service.said.id);
        }
        Ok(plan)
    }

    pub(super) fn abandon(&mut self, plan: &NaivePlan) {
        for service in &mut self.services {
            service.is_unsaved |= plan.saved.iter().any(|id| id == service.said.id);
        }
    }

    pub(super) fn apply(&mut self, plan: NaivePlan, now: Times) {
        for fact in plan.facts {
            match fact {
                Fact::Registered(said) => {
                    self.store(&said, plan.at.wall_seconds());
                    self.put(Service::new(said.clone(), now));
                    self.tell(Told::Registered(said.id.to_owned()));
                }
                Fact::Gone(told) => {
                    let (Told::Deregistered(id) | Told::Expired { id, .. } | Told::Registered(id)) =
                        &told;
                    self.stored.retain(|(said, _)| said.id != id);
                    self.services.retain(|service| service.said.id != id);
                    self.tell(told);
                }
                Fact::Policy(id, Some(policy)) => drop(self.policies.insert(id, policy)),
                Fact::Policy(id, None) => drop(self.policies.remove(&id)),
                Fact::Saved(id, last_heartbeat) => {
                    for stored in self.stored.iter_mut().filter(|(said, _)| said.id == id) {
                        stored.1 = last_heartbeat;
                    }
                }
            }
        }
    }

    /// Stores every heartbeat, as a clean stop does.
    pub(super) fn save_all(&mut self) {
        for service in self.services.iter_mut().filter(|service| service.is_unsaved) {
            for stored in self.stored.iter_mut().filter(|(said, _)| said.id == service.said.id) {
                stored.1 = service.last_heartbeat;
            }
        }
    }

    pub(super) fn restart(&mut self, now: Times) {
        let restored =
            |(said, heard): &(Registered, u64)| Service::restored(said.clone(), *heard, now);
        self.services = self.stored.iter().map(restored).collect();
        self.seq = 0;
    }

    pub(super) fn events(&mut self) -> Vec<Told> {
        let mut events = std::mem::take(&mut self.events);
        sort_sweeps(&mut events);
        events
    }

    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn services(&self, now: Times) -> Vec<Shown> {
        let shown = |service: &Service| Shown {
            id: service.said.id.to_owned(),
            port: service.said.port,
            ttl: service.said.ttl,
            last_heartbeat: service.last_heartbeat,
            passing: service.is_passing(now),
        };
        self.services.iter().map(shown).collect()
    }

    pub(super) fn policies(&self) -> BTreeMap<String, TypePolicy> {
        self.policies.clone()
    }

    pub(super) fn stored(&self) -> Vec<(String, u16, u64)> {
        let row = |(said, heard): &(Registered, u64)| (said.id.to_owned(), said.port, *heard);
        self.stored.iter().map(row).collect()
    }

    pub(super) fn holders(&self, name: &str) -> Vec<String> {
        let holders = self.services.iter().filter(|service| service.has_type(name));
        holders.map(|service| service.said.id.to_owned()).collect()
    }

    pub(super) fn passing(&self, name: &str, now: Times) -> Vec<String> {
        let holders = self.services.iter().filter(|service| service.has_type(name));
        holders.filter(|s| s.is_passing(now)).map(|s| s.said.id.to_owned()).collect()
    }

    fn clean_up(&mut self, selection: &Selection, plan: &mut NaivePlan) -> Result<(), String> {
        let due = |is_due: &dyn Fn(&Service) -> bool| -> BTreeSet<String> {
            let due = self.services.iter().filter(|service| is_due(service));
            due.map(|service| service.said.id.to_owned()).collect()
        };
        let unsaved = due(&|service| service.is_unsaved);
        let over = due(&|service| service.is_over(plan.at));
        check("saved", &selection.saved, &unsaved, selection.more_to_save)?;
        check("expired", &selection.expired, &over, selection.more_to_expire)?;
        for service in &self.services {
            if selection.saved.iter().any(|id| id == service.said.id) {
                plan.facts.push(Fact::Saved(service.said.id.to_owned(), service.last_heartbeat));
            }
        }
        for id in &selection.expired {
            self.expire(id, plan);
        }
        Ok(())
    }

    fn register(&mut self, said: &Registered, plan: &mut NaivePlan) -> Answered {
        let policy = match said.policy {
            TypePolicy::Unspecified => self.policies.get(said.id).copied().unwrap_or_default(),
            policy => policy,
        };
        let is_unique = match policy {
            TypePolicy::Singleton => true,
            TypePolicy::AllowDuplicates => false,
            TypePolicy::ServerDecides | TypePolicy::Unspecified => self.enforce,
        };
        if let Some(name) = said.service_type.filter(|_| is_unique) {
            for holder in self.holders(name).into_iter().filter(|id| id != said.id) {
                let is_alive =
                    self.services.iter().any(|s| s.said.id == holder && s.is_passing(plan.at));
                if is_alive {
                    return Answered::TakenBy(holder);
                }
                self.expire(&holder, plan);
            }
        }
        self.put(Service::new(said.clone(), plan.at));
        plan.facts.push(Fact::Registered(said.clone()));
        match said.policy {
            TypePolicy::Unspecified => {}
            TypePolicy::ServerDecides => self.note_policy(said.id, None, plan),
            policy => self.note_policy(said.id, Some(policy), plan),
        }
        Answered::Done
    }

    fn deregister(&mut self, id: &str, plan: &mut NaivePlan) -> Answered {
        if !self.services.iter().any(|service| service.said.id == id) {
            return Answered::NotRegistered;
        }
        self.services.retain(|service| service.said.id != id);
        plan.facts.push(Fact::Gone(Told::Deregistered(id.to_owned())));
        self.note_policy(id, None, plan);
        Answered::Done
    }

    fn expire(&mut self, id: &str, plan: &mut NaivePlan) {
        let place = self.services.iter().position(|service| service.said.id == id);
        let service = self.services.remove(place.expect("it is there"));
        plan.facts.push(Fact::Gone(service.expired(plan.at)));
        plan.closed.insert(id.to_owned());
    }

    fn note_policy(&mut self, id: &str, policy: Option<TypePolicy>, plan: &mut NaivePlan) {
        match policy {
            Some(policy) => self.policies.insert(id.to_owned(), policy),
            None => self.policies.remove(id),
        };
        plan.facts.push(Fact::Policy(id.to_owned(), policy));
    }

    fn put(&mut self, service: Service) {
        match self.services.iter_mut().find(|known| known.said.id == service.said.id) {
            Some(known) => *known = service,
            None => self.services.push(service),
        }
    }

    fn store(&mut self, said: &Registered, last_heartbeat: u64) {
        match self.stored.iter_mut().find(|(known, _)| known.id == said.id) {
            Some(known) => *known = (said.clone(), last_heartbeat),
            None => self.stored.push((said.clone(), last_heartbeat)),
        }
    }

    fn tell(&mut self, told: Told) {
        self.seq += 1;
        self.events.push(told);
    }
}

/// A selection is of those that are due, and of all of them unless it says that there are more.
fn check(
    what: &str,
    selected: &[String],
    due: &BTreeSet<String>,
    more: bool,
) -> Result<(), String> {
    let selected: BTreeSet<String> = selected.iter().cloned().collect();
    let is_right = selected.is_subset(due) && (more || selected == *due);
    if is_right { Ok(()) } else { Err(format!("{what} {selected:?} of {due:?}, more: {more}")) }
}
