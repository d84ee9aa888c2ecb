//! The real registry, driven as the storage thread drives it, on a backend that keeps what is
//! committed.

use std::sync::{Arc, Mutex};

use service_registry::access::Ownership;
use service_registry::backend::{Backend, BackendError, Contents, Record, StoredService};
use service_registry::registry::{
    Change, Entry, Epoch, Event, EventKind, Health, Outcome, Plan, Refusal, Registry,
};
use service_registry::service::{ServiceId, TypePolicy};
use uuid::Uuid;

use super::action::{IDS, Id, Turn, Write, service_id};
use super::committed::commit;
use super::words::{Answered, CleanedUp, Picked, Picture, Shown, Times, Told};

type Open = Box<dyn Fn() -> Box<dyn Backend>>;

/// Opens the backend anew at every start; it finds what was committed before.
pub(super) struct Kept(Open);

/// A plan with what it will change, and what its clients will be told.
pub(super) struct RealPlan {
    pub(super) answers: Vec<Answered>,
    plan: Plan,
    changes: Vec<Change>,
}

/// A registry and its backend, asked as the model is.
pub(super) struct Real {
    enforce: bool,
    ownership: Ownership,
    registry: Registry,
    /// None only while it is opened anew: a file can be opened once at a time.
    backend: Option<Box<dyn Backend>>,
    open: Open,
    events: Vec<Told>,
}

impl Kept {
    pub(super) fn by(open: impl Fn() -> Box<dyn Backend> + 'static) -> Self {
        Self(Box::new(open))
    }

    pub(super) fn in_memory() -> Self {
        let kept = InMemory::default();
        Self::by(move || Box::new(kept.clone()))
    }
}

impl Real {
    pub(super) fn start(enforce: bool, ownership: Ownership, Kept(open): Kept, now: Times) -> Self {
        let mut backend = open();
        let registry = load(enforce, ownership, backend.as_mut(), now);
        Self { enforce, ownership, registry, backend: Some(backend), open, events: Vec::new() }
    }

    pub(super) fn restart(&mut self, now: Times) {
        self.backend = None;
        let mut backend = (self.open)();
        self.registry = load(self.enforce, self.ownership, backend.as_mut(), now);
        self.backend = Some(backend);
    }

    pub(super) fn renew(&self, id: Id, now: Times) -> bool {
        self.registry.renew(id, now.now())
    }

    /// Plans a turn, and tells what the rules leave open: whom it cleans up.
    pub(super) fn plan(&mut self, turn: &Turn, now: Times) -> (RealPlan, CleanedUp) {
        let mut plan = Plan::new(&self.registry, now.now());
        let mut changes = Vec::new();
        let mut cleaned_up = CleanedUp::default();
        if let Some(limit) = turn.clean_up {
            let (heard, more_to_save) = plan.save_heartbeats(&self.registry, limit);
            let (expired, more_to_expire) = plan.expire(&self.registry, limit);
            assert!(heard.len() <= limit && expired.len() <= limit);
            let picked = |changes: &[Change], more| Picked {
                ids: changes.iter().map(about).collect(),
                more,
            };
            cleaned_up.saved = picked(&heard, more_to_save);
            cleaned_up.expired = picked(&expired, more_to_expire);
            changes.extend(heard);
            changes.extend(expired);
        }
        let mut answers = Vec::new();
        for write in &turn.writes {
            let planned = match write {
                Write::Register(said) => {
                    plan.register(&self.registry, said.registration(), Uuid::nil())
                }
                Write::Deregister { id, from } => {
                    plan.deregister(&self.registry, &service_id(id), *from)
                }
            };
            changes.extend(planned.changes);
            answers.push(answered(&planned.outcome));
        }
        (RealPlan { answers, plan, changes }, cleaned_up)
    }

    pub(super) fn abandon(&self, real_plan: RealPlan) {
        real_plan.plan.abandon(&self.registry);
    }

    /// Stores what is planned, as it stands when the commit begins.
    pub(super) fn commit(&mut self, real_plan: &RealPlan) {
        self.store(&real_plan.changes);
    }

    pub(super) fn apply(&mut self, real_plan: RealPlan, now: Times) {
        for change in real_plan.changes {
            if let Some(event) = self.registry.apply(change, now.now()) {
                assert_eq!(event.sequence, *self.registry.sequence());
                self.events.push(told(&event));
            }
        }
    }

    /// Stores every heartbeat, as a clean stop does.
    pub(super) fn save_all(&mut self, now: Times) {
        let mut plan = Plan::new(&self.registry, now.now());
        let (heard, _) = plan.save_heartbeats(&self.registry, usize::MAX);
        self.store(&heard);
    }

    /// The events since the last time.
    pub(super) fn events(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn picture(&self, now: Times) -> Picture {
        picture(&self.registry, now)
    }

    /// The picture of a registry that starts now on all that is stored.
    pub(super) fn replayed(&mut self, now: Times) -> Picture {
        let backend = self.backend.as_mut().expect("it is open");
        picture(&load(self.enforce, self.ownership, backend.as_mut(), now), now)
    }

    pub(super) fn holders(&self, service_type: &str, now: Times) -> Vec<Shown> {
        shown(self.registry.list(Some(service_type)), now)
    }

    pub(super) fn discover(&self, service_type: &str, pick: u64, now: Times) -> Option<Id> {
        self.registry.discover(service_type, pick, now.now()).map(|entry| name(&entry.service.id))
    }

    fn store(&mut self, changes: &[Change]) {
        let records: Vec<Record<'_>> = changes.iter().map(Record::from).collect();
        self.backend.as_mut().expect("it is open").commit(&records).unwrap();
    }
}

fn load(enforce: bool, ownership: Ownership, backend: &mut dyn Backend, now: Times) -> Registry {
    let mut registry = Registry::new(Epoch::new("epoch"), enforce).with_ownership(ownership);
    for StoredService { service, last_heartbeat } in backend.load().unwrap() {
        registry.restore(service, last_heartbeat, now.now());
    }
    for (id, policy) in backend.load_policies().unwrap() {
        registry.restore_policy(id, policy);
    }
    registry
}

fn picture(registry: &Registry, now: Times) -> Picture {
    assert_eq!(registry.len(), registry.list(None).count());
    Picture {
        services: shown(registry.list(None), now),
        policies: registry.policies().map(|(id, policy)| (name(id), policy)).collect(),
        seq: registry.sequence().seq,
    }
}

fn shown<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>, now: Times) -> Vec<Shown> {
    let listening = now.now().listening;
    let shown = |entry: &Arc<Entry>| Shown {
        id: name(&entry.service.id),
        port: entry.service.description.port(),
        ttl: entry.service.description.ttl().seconds().into(),
        owner: entry.service.owner,
        last_heartbeat: entry.lease.last_heartbeat().unix_seconds(),
        passing: entry.lease.health(listening) == Health::Passing,
        over: entry.lease.over_after() < listening,
    };
    entries.map(shown).collect()
}

fn name(id: &ServiceId) -> Id {
    IDS.into_iter().find(|known| *known == id.as_str()).expect("it is one of ours")
}

fn about(change: &Change) -> Id {
    match change {
        Change::Heard { entry } | Change::Expired { entry, .. } => name(&entry.service.id),
        other => panic!("cleaning up does not {other:?}"),
    }
}

fn answered(outcome: &Outcome) -> Answered {
    match outcome {
        Outcome::Registered(_) | Outcome::Deregistered => Answered::Done,
        Outcome::Refused(Refusal::NotRegistered) => Answered::NotRegistered,
        Outcome::Refused(Refusal::NotOwner { owner }) => Answered::OwnedBy(*owner),
        Outcome::Refused(Refusal::DuplicateServiceType { existing, .. }) => {
            Answered::TakenBy(name(existing))
        }
        Outcome::Refused(other) => panic!("{other:?}"),
    }
}

fn told(event: &Event) -> Told {
    match &event.kind {
        EventKind::Register { entry, .. } => Told::Registered(name(&entry.service.id)),
        EventKind::Deregister { entry } => Told::Deregistered(name(&entry.service.id)),
        EventKind::Expire { entry, silence } => Told::Expired {
            id: name(&entry.service.id),
            milliseconds: silence.duration.as_millis() as u64,
            restarted: silence.restarted,
            paused: silence.paused,
        },
    }
}

/// Keeps everything for as long as one of its clones lives.
#[derive(Clone, Default)]
struct InMemory(Arc<Mutex<Contents>>);

impl Backend for InMemory {
    fn load(&mut self) -> Result<Vec<StoredService>, BackendError> {
        Ok(self.0.lock().unwrap().services.clone())
    }

    fn load_policies(&mut self) -> Result<Vec<(ServiceId, TypePolicy)>, BackendError> {
        Ok(self.0.lock().unwrap().policies.clone())
    }

    fn commit(&mut self, records: &[Record<'_>]) -> Result<(), BackendError> {
        let mut contents = self.0.lock().unwrap();
        for record in records {
            commit(&mut contents, record);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), BackendError> {
        Ok(())
    }
}
