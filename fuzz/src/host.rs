//! A registry without its threads: what the storage and socket threads do with the core, one
//! step at a time, and what must hold after each.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use service_registry::access::{Origin, Ownership};
use service_registry::backend::Record;
use service_registry::clock::{ListeningTime, Now, WallTime};
use service_registry::protocol::envelope::{Message, open_heartbeat, open_request};
use service_registry::protocol::event::encode_event;
use service_registry::protocol::fault::{RequestFailure, RequestFault};
use service_registry::protocol::reply;
use service_registry::protocol::request::{
    ParsedBody, Read, Renewal, Request, Write, read_heartbeat, read_request,
};
use service_registry::protocol::request_id::RequestId;
use service_registry::registry::{Change, Entry, Health, Outcome, Plan, Planned, Registry};
use service_registry::service::{Registration, Service, ServiceId, TypePolicy};
use uuid::Uuid;

use crate::json::{answer_in, object_in};
use crate::kept::Kept;

/// How many leases are looked at, and heartbeats stored, in one turn.
const CLEANUP_PER_TURN: usize = 3;

/// A registry that inputs drive, and what it must hold.
pub(crate) struct Host {
    unique: bool,
    ownership: Ownership,
    registry: Registry,
    kept: Kept,
    now: Now,
    /// Writes on their way to the disk.
    waiting: Vec<Job>,
    uuids: u128,
    random: u64,
}

struct Job {
    write: Write,
    request_id: Option<RequestId>,
}

/// Everything that clients can see, and that outlives a restart.
type Picture = (Vec<Service>, Vec<(ServiceId, TypePolicy)>);

impl Host {
    pub(crate) fn start(unique: bool, ownership: Ownership) -> Self {
        let now = Now {
            wall: WallTime::from_unix_seconds(1_700_000_000),
            listening: ListeningTime::START,
            pauses: 0,
        };
        let kept = Kept::default();
        let registry = kept.load(unique, ownership, now);
        Self { unique, ownership, registry, kept, now, waiting: Vec::new(), uuids: 0, random: 0 }
    }

    /// A message on the request socket.
    pub(crate) fn take_request(&mut self, frames: &[&[u8]], from: u8) {
        let Message { body, .. } = open_request(frames);
        let Some((request_id, request)) = question(body, read_request) else { return };
        match request {
            Request::Read(read) => {
                let answer = self.answer(&read);
                self.check_answer(answer, request_id.as_ref());
            }
            Request::Write(write) => {
                let address = Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, from)));
                let origin = Origin { address, is_admin: from & 0x80 != 0 };
                self.waiting.push(Job { write: write.asked_by(origin), request_id });
            }
            Request::Backup(_) | Request::Terminate => {}
        }
    }

    /// A message on the heartbeat socket.
    pub(crate) fn take_heartbeat(&mut self, frames: &[&[u8]]) {
        let Message { body, .. } = open_heartbeat(frames);
        if let Some((request_id, renewal)) = question(body, read_heartbeat) {
            let answer = self.answer(&Read::Renew(renewal));
            self.check_answer(answer, request_id.as_ref());
        }
    }

    /// Time passes while the registry listens.
    pub(crate) fn elapse(&mut self, step: Duration) {
        self.now.listening = self.now.listening.plus(step);
        self.set_clock(self.now.wall.unix_seconds().saturating_add(step.as_secs()));
    }

    /// Somebody sets the system's clock.
    pub(crate) fn set_clock(&mut self, unix_seconds: u64) {
        self.now.wall = WallTime::from_unix_seconds(unix_seconds);
    }

    /// The process stands still for a while, which counts as no time.
    pub(crate) fn stand_still(&mut self) {
        self.now.pauses += 1;
    }

    /// A turn of the storage thread; `commit` says whether the disk takes it.
    pub(crate) fn turn(&mut self, clean_up: bool, commit: bool) {
        let before = self.entries();
        let mut plan = Plan::new(&self.registry, self.now);
        let mut cleanup = Vec::new();
        if clean_up {
            cleanup.extend(plan.save_heartbeats(&self.registry, CLEANUP_PER_TURN).0);
            cleanup.extend(plan.expire(&self.registry, CLEANUP_PER_TURN).0);
        }
        let jobs = std::mem::take(&mut self.waiting);
        let steps: Vec<(Job, Planned)> = jobs
            .into_iter()
            .map(|job| {
                let planned = self.plan(&mut plan, &job.write);
                (job, planned)
            })
            .collect();
        assert!(self.holds(&before), "a plan changes nothing");

        if commit {
            for change in cleanup.iter().chain(steps.iter().flat_map(|(_, step)| &step.changes)) {
                self.kept.commit(&Record::from(change));
            }
            self.apply(cleanup);
            for (job, planned) in steps {
                self.release(&job, planned);
            }
        } else {
            plan.abandon(&self.registry);
            for (job, _) in steps {
                let reason = "the disk is full \"\u{0}\"".to_owned();
                let failure = match job.write {
                    Write::Register(_) => RequestFailure::RegistrationNotStored { reason },
                    Write::Deregister { .. } => RequestFailure::DeregistrationNotStored { reason },
                };
                self.check_answer(failure.reply().body(), job.request_id.as_ref());
            }
            assert!(self.holds(&before), "what was not stored never was");
        }
    }

    /// The registry ends as at a power cut, and starts again.
    pub(crate) fn restart(&mut self) {
        self.check();
        self.waiting.clear();
        self.registry = self.kept.load(self.unique, self.ownership, self.now);
    }

    /// Look-ups agree with each other, and with what starts on all that is stored.
    pub(crate) fn check(&self) {
        let all: Vec<&Arc<Entry>> = self.registry.list(None).collect();
        assert_eq!(all.len(), self.registry.len());
        for entry in &all {
            let found = self.registry.get(entry.service.id.as_str());
            assert!(found.is_some_and(|found| Arc::ptr_eq(found, entry)));
            for service_type in entry.service.types() {
                let holders: Vec<_> = self.registry.list(Some(&service_type)).collect();
                assert!(holders.iter().any(|holder| Arc::ptr_eq(holder, entry)));
                self.check_discovery(&service_type, &holders);
            }
        }
        let replayed = self.kept.load(self.unique, self.ownership, self.now);
        assert!(picture(&replayed) == picture(&self.registry), "a restart brings back all");
        let entries = self.registry.list(None).map(Arc::as_ref);
        answer_in(&reply::list(entries, self.registry.sequence(), self.now.listening, true.into()));
    }

    fn check_discovery(&self, service_type: &str, holders: &[&Arc<Entry>]) {
        let is_passing = |entry: &Entry| entry.lease.health(self.now.listening) == Health::Passing;
        match self.registry.discover(service_type, self.random, self.now) {
            Some(found) => {
                assert!(is_passing(found));
                assert!(holders.iter().any(|holder| Arc::ptr_eq(holder, found)));
            }
            None => assert!(!holders.iter().any(|holder| is_passing(holder))),
        }
    }

    fn plan(&mut self, plan: &mut Plan, write: &Write) -> Planned {
        self.uuids += 1;
        match write {
            Write::Register(registration) => {
                let unique = Uuid::from_u128(self.uuids);
                plan.register(&self.registry, Registration::clone(registration), unique)
            }
            Write::Deregister { service_id, from } => {
                plan.deregister(&self.registry, service_id, *from)
            }
        }
    }

    fn release(&mut self, job: &Job, planned: Planned) {
        self.apply(planned.changes);
        let answer = match (&job.write, planned.outcome) {
            (Write::Register(registration), Outcome::Registered(id)) => {
                self.check_registered(&id, registration);
                reply::registered(&id)
            }
            (Write::Deregister { service_id, .. }, Outcome::Deregistered) => {
                assert!(self.registry.get(service_id.as_str()).is_none());
                reply::deregistered()
            }
            (_, Outcome::Refused(refusal)) => RequestFailure::Refused(refusal).reply().body(),
            (write, outcome) => panic!("{outcome:?} is no answer to {write:?}"),
        };
        self.check_answer(answer, job.request_id.as_ref());
    }

    fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            let before = self.registry.sequence().seq;
            if let Some(event) = self.registry.apply(change, self.now) {
                assert_eq!(event.sequence.seq, before + 1);
                let frames = encode_event(&event);
                let body = object_in(&frames.body);
                assert_eq!(body["type"], frames.event_type);
                assert_eq!(body["seq"], event.sequence.seq);
            }
        }
    }

    /// What was registered comes back as it came.
    fn check_registered(&self, id: &ServiceId, registration: &Registration) {
        let entry = self.registry.get(id.as_str()).expect("what was acknowledged is there");
        let answer = answer_in(&reply::service(entry, self.now.listening));
        let service = &answer["service"];
        let received: Value = serde_json::from_str(registration.received.as_str())
            .expect("what was received is JSON");
        let mut metadata = received["metadata"].as_object().cloned().unwrap_or_default();
        if let Some(service_type) = received["type"].as_str().filter(|name| !name.is_empty()) {
            metadata.insert("type".to_owned(), service_type.into());
        }
        // The text has the keys in their order; equality alone does not ask for it.
        assert_eq!(service["metadata"].to_string(), Value::Object(metadata).to_string());
        assert_eq!(service["name"], received["name"]);
        assert_eq!(service["host"], received["host"]);
        assert_eq!(service["port"], received["port"]);
        assert_eq!(service["health"], "passing");
    }

    fn answer(&mut self, read: &Read) -> Vec<u8> {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (registry, now) = (&self.registry, self.now);
        let sequence = registry.sequence();
        match read {
            Read::Renew(Renewal { service_id }) => {
                let is_renewed = registry.renew(service_id, now);
                assert_eq!(is_renewed, registry.get(service_id).is_some());
                if is_renewed {
                    reply::renewed(true.into())
                } else {
                    RequestFailure::NothingToRenew.reply().body()
                }
            }
            Read::Get { service_id } => match registry.get(service_id) {
                Some(entry) => reply::service(entry, now.listening),
                None => RequestFailure::ServiceNotFound.reply().body(),
            },
            Read::List { service_type } => {
                let entries = registry.list(service_type.as_deref()).map(Arc::as_ref);
                reply::list(entries, sequence, now.listening, true.into())
            }
            Read::Discover { service_type } => {
                match registry.discover(service_type, self.random, now) {
                    Some(entry) => reply::service(entry, now.listening),
                    None => RequestFailure::NoHealthyService { service_type: service_type.clone() }
                        .reply()
                        .body(),
                }
            }
            // What `info` counts is the server's.
            Read::Health | Read::Info => reply::health(sequence, now.wall, true.into(), None),
        }
    }

    fn check_answer(&self, mut answer: Vec<u8>, request_id: Option<&RequestId>) {
        if let Some(request_id) = request_id {
            request_id.echo(&mut answer);
        }
        let answer = answer_in(&answer);
        assert_eq!(answer.contains_key("request_id"), request_id.is_some());
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        self.registry.list(None).cloned().collect()
    }

    /// Whether the registry holds just these.
    fn holds(&self, entries: &[Arc<Entry>]) -> bool {
        let mut pairs = self.registry.list(None).zip(entries);
        self.registry.len() == entries.len() && pairs.all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

/// What was asked with which id, or none where it was refused.
fn question<T>(
    body: Result<&[u8], RequestFault>,
    read: impl FnOnce(&[u8]) -> ParsedBody<T>,
) -> Option<(Option<RequestId>, T)> {
    let ParsedBody { request_id, request, .. } = read(body.ok()?);
    Some((request_id, request.ok()?))
}

fn picture(registry: &Registry) -> Picture {
    let services = registry.list(None).map(|entry| entry.service.clone()).collect();
    let policies = registry.policies().map(|(id, policy)| (id.clone(), policy)).collect();
    (services, policies)
}
