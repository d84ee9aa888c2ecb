//! Each commit of a story in turn goes wrong, or takes its time: clients, subscribers, memory and
//! file tell the same story without it, or with it, and nothing in between.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use service_registry::backend::{Backend, BackendError, Record, SqliteBackend, StoredService};
use service_registry::clock::WallTime;
use service_registry::service::{Metadata, Service, ServiceId, Ttl, TypePolicy};

use crate::support::{
    Client, Embedded, Event, Gate, HeartbeatClient, Subscriber, assert_refused, assert_success,
    ids, registration,
};

const FILE: &str = "registry.db";

/// What happens to the commit that is chosen.
#[derive(Clone)]
enum Fate {
    Fails,
    WaitsAt(Gate),
}

/// A database of which one commit, counted from when it is armed, meets its fate.
struct Fateful {
    database: SqliteBackend,
    countdown: Countdown,
    fate: Fate,
}

/// How many commits are still to come until the chosen one. Those of probes do not count.
#[derive(Clone, Default)]
struct Countdown(Arc<AtomicU32>);

impl Countdown {
    fn arm(&self, commits: u32) {
        self.0.store(commits, Ordering::SeqCst);
    }

    /// Whether this is the chosen commit.
    fn is_now(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) == Ok(1)
    }

    fn left(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Backend for Fateful {
    fn load(&mut self) -> Result<Vec<StoredService>, BackendError> {
        self.database.load()
    }

    fn load_policies(&mut self) -> Result<Vec<(ServiceId, TypePolicy)>, BackendError> {
        self.database.load_policies()
    }

    fn commit(&mut self, records: &[Record<'_>]) -> Result<(), BackendError> {
        if !is_of_a_probe(records) && self.countdown.is_now() {
            match &self.fate {
                Fate::Fails => return Err(BackendError::new("the disk is in trouble")),
                Fate::WaitsAt(gate) => gate.pass(),
            }
        }
        self.database.commit(records)
    }

    fn close(self: Box<Self>) -> Result<(), BackendError> {
        Box::new(self.database).close()
    }
}

fn is_of_a_probe(records: &[Record<'_>]) -> bool {
    records.iter().any(|record| match record {
        Record::Stored { service, .. } => Subscriber::is_probe(service.id.as_str()),
        Record::Removed { id } => Subscriber::is_probe(id.as_str()),
        _ => false,
    })
}

/// One thing that a client asks for, and what becomes of the services by it.
#[derive(Clone, Copy)]
enum Step {
    /// The last is whom it expires to make room.
    Register(&'static str, &'static str, Option<&'static str>),
    Deregister(&'static str),
}

/// Everything that is stored: new services, one again, one in the place of another that is
/// silent, gone ones. At the beginning, "silent" of type SILENT is in the file.
const STORY: [Step; 8] = [
    Step::Register("a", "A", None),
    Step::Register("b", "B", None),
    Step::Register("a", "A", None),
    Step::Register("heir", "SILENT", Some("silent")),
    Step::Deregister("b"),
    Step::Register("b", "B", None),
    Step::Deregister("a"),
    Step::Register("last", "LAST", None),
];

/// What has come true.
#[derive(Debug, Default, PartialEq, Eq)]
struct Truth {
    services: Vec<String>,
    events: Vec<(String, String)>,
}

impl Truth {
    fn take_in(&mut self, step: Step) {
        let mut tell = |kind: &str, id: &str| self.events.push((kind.to_owned(), id.to_owned()));
        match step {
            Step::Register(id, _, makes_room) => {
                if let Some(gone) = makes_room {
                    tell("expire", gone);
                    self.services.retain(|known| known != gone);
                }
                tell("register", id);
                if !self.services.iter().any(|known| known == id) {
                    self.services.push(id.to_owned());
                }
            }
            Step::Deregister(id) => {
                tell("deregister", id);
                self.services.retain(|known| known != id);
            }
        }
    }
}

impl Step {
    fn request(self) -> Value {
        match self {
            Self::Register(id, service_type, _) => registration(id, service_type),
            Self::Deregister(id) => json!({"action": "deregister", "service_id": id}),
        }
    }
}

/// A file in which one service is, last heard in 1970.
fn file_with_silent(folder: &Path) -> SqliteBackend {
    let mut database = SqliteBackend::open(&folder.join(FILE)).unwrap();
    let service = Service {
        id: ServiceId::new("silent").unwrap(),
        name: "silent".into(),
        host: "127.0.0.1".into(),
        port: 6110,
        metadata: Metadata::from_json(r#"{"type": "SILENT"}"#).unwrap(),
        ttl: Ttl::DEFAULT,
        tags: Box::default(),
    };
    let last_heartbeat = WallTime::from_unix_seconds(0);
    database.commit(&[Record::Stored { service: &service, last_heartbeat }]).unwrap();
    database
}

fn about(event: &Event) -> (String, String) {
    let (kind, id) = event.about();
    (kind.to_owned(), id.to_owned())
}

fn stored(folder: &Path) -> Vec<String> {
    let mut database = SqliteBackend::open(&folder.join(FILE)).unwrap();
    let services = database.load().unwrap();
    services.into_iter().map(|stored| stored.service.id.to_string()).collect()
}

/// Tells the story while the n-th commit, if there is one, fails. Returns how many there were.
#[track_caller]
fn tell_the_story_with_failure(nth: Option<u32>) -> u32 {
    const MANY: u32 = 1_000;

    let folder = tempfile::tempdir().unwrap();
    let countdown = Countdown::default();
    let database = file_with_silent(folder.path());
    let server =
        Embedded::start_on(Fateful { database, countdown: countdown.clone(), fate: Fate::Fails });
    let client = server.client();
    let mut subscriber = server.subscriber();
    subscriber.all_until_now();
    let mut truth = Truth { services: vec!["silent".to_owned()], events: Vec::new() };
    countdown.arm(nth.unwrap_or(MANY));

    let mut refused = 0;
    for step in STORY {
        let reply = client.request(&step.request());
        if reply["success"] == false {
            assert_refused(&reply, "storage_failed", &[]);
            assert_eq!(ids(&client.list()), truth.services, "commit {nth:?}");
            refused += 1;
            // Nothing of the failure is left that could be in the way of the next attempt.
            assert_success(&client.request(&step.request()));
        }
        truth.take_in(step);
        assert_eq!(ids(&client.list()), truth.services, "commit {nth:?}");
    }
    let commits = nth.unwrap_or(MANY) - countdown.left();

    assert_eq!(refused, u32::from(nth.is_some()), "commit {nth:?}");
    let told: Vec<_> = subscriber.all_until_now().iter().map(about).collect();
    assert_eq!(told, truth.events, "commit {nth:?}");
    server.stop().unwrap();
    assert_eq!(stored(folder.path()), truth.services, "commit {nth:?}");
    commits
}

#[test]
fn whichever_commit_fails_exactly_its_request_is_refused_without_a_trace_and_can_be_repeated() {
    let commits = tell_the_story_with_failure(None);
    assert_eq!(commits as usize, STORY.len(), "each step is a commit");

    for nth in 1..=commits {
        tell_the_story_with_failure(Some(nth));
    }
}

/// Reads and heartbeats are answered as ever.
#[track_caller]
fn assert_at_ease(client: &Client, heart: &HeartbeatClient, truth: &Truth) {
    assert_eq!(ids(&client.list()), truth.services);
    for id in truth.services.iter().filter(|id| *id != "silent") {
        assert_success(&client.get(id));
        assert_success(&heart.renew(id));
    }
    assert_success(&client.health());
}

#[test]
fn whichever_commit_stalls_only_its_client_waits_and_nobody_sees_it_before_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let (countdown, gate) = (Countdown::default(), Gate::default());
    let server = Embedded::start_on(Fateful {
        database: file_with_silent(folder.path()),
        countdown: countdown.clone(),
        fate: Fate::WaitsAt(gate.clone()),
    });
    let (writer, reader, heart) = (server.client(), server.client(), server.heartbeat_client());
    let mut subscriber = server.subscriber();
    subscriber.all_until_now();
    let mut truth = Truth { services: vec!["silent".to_owned()], events: Vec::new() };
    let mut told = Vec::new();

    for step in STORY {
        countdown.arm(1);
        gate.close();
        writer.send(&step.request());
        gate.wait_for_arrival();

        assert_at_ease(&reader, &heart, &truth);
        assert_eq!(writer.received(), None);
        assert!(subscriber.received().is_none());

        gate.open();
        assert_success(&writer.receive());
        truth.take_in(step);
        assert_at_ease(&reader, &heart, &truth);
        while told.len() < truth.events.len() {
            told.push(about(&subscriber.next()));
        }
    }

    assert_eq!(told, truth.events);
    assert!(subscriber.all_until_now().is_empty());
    server.stop().unwrap();
    assert_eq!(stored(folder.path()), truth.services);
}
