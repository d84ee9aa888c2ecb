//! The real registry, driven as the storage thread drives it, on a backend that keeps what is
//! committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use service_registry::backend::{Backend, BackendError, Record, StoredService};
use service_registry::registry::{
    Change, Entry, Epoch, Event, EventKind, Health, Outcome, Plan, Refusal, Registry,
};
use service_registry::service::{ServiceId, TypePolicy};
use uuid::Uuid;

use super::action::{Turn, Write, service_id};
use super::words::{Answered, Selection, Shown, Times, Told, sort_sweeps};

type Open = Box<dyn Fn() -> Box<dyn Backend>>;

/// Opens the backend anew at every start; it finds what was committed before.
pub(super) struct Kept(Open);

/// A plan with what it will change, and what its clients will be told.
pub(super) struct RealPlan {
    pub(super) outcomes: Vec<Answered>,
    plan: Plan,
    changes: Vec<Change>,
}

/// See the module's page.
pub(super) struct Real {
    enforce: bool,
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
    pub(super) fn start(enforce: bool, Kept(open): Kept, now: Times) -> Self {
        let mut backend = open();
        let registry = load(enforce, backend.as_mut(), now);
        Self { enforce, registry, backend: Some(backend), open, events: Vec::new() }
    }

    pub(super) fn restart(&mut self, now: Times) {
        self.backend = None;
        let mut backend = (self.open)();
        self.registry = load(self.enforce, backend.as_mut(), now);
        self.backend = Some(backend);
    }

    pub(super) fn renew(&self, id: &str, now: Times) -> bool {
        self.registry.renew(id, now.now())
    }

    /// Plans a turn, and what the rules leave open: whom it cleans up.
    pub(super) fn plan(&self, turn: &Turn, now: Times) -> (RealPlan, Selection) {
        let mut plan = Plan::new(&self.registry, now.now());
        let mut changes = Vec::new();
        let mut selection = Selection::default();
        if let Some(limit) = turn.clean_up {
            let (heard, more_to_save) = plan.save_heartbeats(&self.registry, limit);
            let (expired, more_to_expire) = plan.expire(&self.registry, limit);
            assert!(heard.len() <= limit && expired.len() <= limit);
            selection = Selection {
                saved: heard.iter().map(about).collect(),
                expired: expired.iter().map(about).collect(),
                more_to_save,
                more_to_expire,
            };
            changes.extend(heard);
            changes.extend(expired);
        }
        let mut outcomes = Vec::new();
        for write in &turn.writes {
            let planned = match write {
                Write::Register(said) => {
                    plan.register(&self.registry, said.registration(), Uuid::nil())
                }
                Write::Deregister { id } => plan.deregister(&self.registry, &service_id(id)),
            };
            changes.extend(planned.changes);
            outcomes.push(answered(&planned.outcome));
        }
        (RealPlan { outcomes, plan, changes }, selection)
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
        let mut events = std::mem::take(&mut self.events);
        sort_sweeps(&mut events);
        events
    }

    pub(super) fn seq(&self) -> u64 {
        self.registry.sequence().seq
    }

    pub(super) fn services(&self, now: Times) -> Vec<Shown> {
        let shown = |entry: &Arc<Entry>| Shown {
            id: entry.service.id.to_string(),
            port: entry.service.port,
            ttl: entry.service.ttl.seconds().into(),
            last_heartbeat: entry.lease.last_heartbeat().unix_seconds(),
            passing: entry.lease.health(now.now().listening) == Health::Passing,
        };
        assert_eq!(self.registry.len(), self.registry.list(None).count());
        self.registry.list(None).map(shown).collect()
    }

    pub(super) fn holders(&self, name: &str) -> Vec<String> {
        self.registry.list(Some(name)).map(|entry| entry.service.id.to_string()).collect()
    }

    pub(super) fn discover(&self, name: &str, pick: u64, now: Times) -> Option<String> {
        self.registry.discover(name, pick, now.now()).map(|entry| entry.service.id.to_string())
    }

    pub(super) fn policies(&self) -> BTreeMap<String, TypePolicy> {
        self.registry.policies().map(|(id, policy)| (id.to_string(), policy)).collect()
    }

    /// What the backend would find at the next start.
    pub(super) fn stored(&mut self) -> Vec<(String, u16, u64)> {
        let row = |stored: StoredService| {
            let heard = stored.last_heartbeat.unix_seconds();
            (stored.service.id.to_string(), stored.service.port, heard)
        };
        let backend = self.backend.as_mut().expect("it is open");
        backend.load().unwrap().into_iter().map(row).collect()
    }

    fn store(&mut self, changes: &[Change]) {
        let records: Vec<Record<'_>> = changes.iter().map(Record::from).collect();
        self.backend.as_mut().expect("it is open").commit(&records).unwrap();
    }
}

fn load(enforce: bool, backend: &mut dyn Backend, now: Times) -> Registry {
    let mut registry = Registry::new(Epoch::new("epoch"), enforce);
    for StoredService { service, last_heartbeat } in backend.load().unwrap() {
        registry.restore(service, last_heartbeat, now.now());
    }
    for (id, policy) in backend.load_policies().unwrap() {
        registry.restore_policy(id, policy);
    }
    registry
}

fn about(change: &Change) -> String {
    match change {
        Change::Heard { entry } | Change::Expired { entry, .. } => entry.service.id.to_string(),
        other => panic!("cleaning up does not {other:?}"),
    }
}

fn answered(outcome: &Outcome) -> Answered {
    match outcome {
        Outcome::Registered(_) | Outcome::Deregistered => Answered::Done,
        Outcome::Refused(Refusal::NotRegistered) => Answered::NotRegistered,
        Outcome::Refused(Refusal::DuplicateServiceType { existing, .. }) => {
            Answered::TakenBy(existing.to_string())
        }
        Outcome::Refused(other) => panic!("{other:?}"),
    }
}

fn told(event: &Event) -> Told {
    match &event.kind {
        EventKind::Register { entry, .. } => Told::Registered(entry.service.id.to_string()),
        EventKind::Deregister { entry } => Told::Deregistered(entry.service.id.to_string()),
        EventKind::Expire { entry, silence, .. } => Told::Expired {
            id: entry.service.id.to_string(),
            silent_milliseconds: silence.duration.as_millis() as u64,
            restarted: silence.restarted,
        },
    }
}

/// Keeps everything for as long as one of its clones lives.
#[derive(Clone, Default)]
struct InMemory(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    services: Vec<StoredService>,
    policies: Vec<(ServiceId, TypePolicy)>,
}

impl Backend for InMemory {
    fn load(&mut self) -> Result<Vec<StoredService>, BackendError> {
        Ok(self.0.lock().unwrap().services.clone())
    }

    fn load_policies(&mut self) -> Result<Vec<(ServiceId, TypePolicy)>, BackendError> {
        Ok(self.0.lock().unwrap().policies.clone())
    }

    fn commit(&mut self, records: &[Record<'_>]) -> Result<(), BackendError> {
        let mut content = self.0.lock().unwrap();
        for record in records {
            content.keep(record);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), BackendError> {
        Ok(())
    }
}

impl Content {
    fn keep(&mut self, record: &Record<'_>) {
        match *record {
            Record::Stored { service, last_heartbeat } => {
                let new = StoredService { service: service.clone(), last_heartbeat };
                match self.services.iter_mut().find(|known| known.service.id == service.id) {
                    Some(known) => *known = new,
                    None => self.services.push(new),
                }
            }
            Record::Renewed { id, last_heartbeat } => {
                let known = self.services.iter_mut().filter(|known| known.service.id == *id);
                known.for_each(|known| known.last_heartbeat = last_heartbeat);
            }
            Record::Removed { id } => self.services.retain(|known| known.service.id != *id),
            Record::PolicyStored { id, policy } => {
                self.policies.retain(|(known, _)| known != id);
                self.policies.push((id.clone(), policy));
            }
            Record::PolicyRemoved { id } => self.policies.retain(|(known, _)| known != id),
        }
    }
}
