//! Each commit of a story in turn goes wrong, or takes its time: clients, subscribers, memory and
//! file tell the same story without it, or with it, and nothing in between. So do the commits
//! that no client asks for, which are in `each_commit/timer.rs`.

mod timer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::{Connection, params};
use serde_json::{Value, json};
use service_registry::backend::{Backend, BackendError, Record, SqliteBackend, StoredService};
use service_registry::service::{ServiceId, TypePolicy};

use crate::support::{
    Client, Embedded, Event, Gate, HeartbeatClient, Subscriber, assert_refused, assert_success,
    ids, registration,
};

const FILE: &str = "registry.db";
const TROUBLE: &str = "the disk is in trouble";

/// What happens to the commit that is chosen.
#[derive(Clone)]
enum Fate {
    Fails,
    /// And so does each one behind it, while the gate is closed.
    FailsWhileClosed(Gate),
    WaitsAt(Gate),
}

/// A database of which one commit, counted from when it is armed, meets its fate.
struct Fateful {
    database: SqliteBackend,
    /// Which commits count.
    counts: fn(&[Record<'_>]) -> bool,
    countdown: Countdown,
    fate: Fate,
}

/// How many commits are still to come until the chosen one, and how many were stored.
#[derive(Clone, Default)]
struct Countdown(Arc<[AtomicU32; 2]>);

impl Countdown {
    fn arm(&self, commits: u32) {
        self.0[0].store(commits, Ordering::SeqCst);
    }

    /// Whether this is the chosen commit.
    fn is_now(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.0[0].fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) == Ok(1)
    }

    fn left(&self) -> u32 {
        self.0[0].load(Ordering::SeqCst)
    }

    fn stored(&self) -> u32 {
        self.0[1].load(Ordering::SeqCst)
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
        let counts = (self.counts)(records);
        let is_chosen = counts && self.countdown.is_now();
        match &self.fate {
            Fate::Fails if is_chosen => return Err(BackendError::new(TROUBLE)),
            Fate::FailsWhileClosed(gate) if counts && gate.is_closed() => {
                return Err(BackendError::new(TROUBLE));
            }
            Fate::WaitsAt(gate) if is_chosen => gate.pass(),
            _ => {}
        }
        self.database.commit(records)?;
        self.countdown.0[1].fetch_add(counts.into(), Ordering::SeqCst);
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), BackendError> {
        Box::new(self.database).close()
    }
}

fn is_of_no_probe(records: &[Record<'_>]) -> bool {
    !records.iter().any(|record| match record {
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
    /// The same, where it says this of sharing its type.
    Say(&'static str, &'static str, Option<TypePolicy>),
    Deregister(&'static str),
}

/// Everything that is stored: new services, one again, one in the place of another that is
/// silent, gone ones, and what they say of sharing their type, for as long as it counts. At the
/// beginning, "silent" of type SILENT is in the file.
const STORY: [Step; 14] = [
    Step::Register("a", "A", None),
    Step::Register("b", "B", None),
    Step::Register("a", "A", None),
    Step::Say("twin", "A", Some(TypePolicy::AllowDuplicates)),
    Step::Say("alone", "ALONE", Some(TypePolicy::Singleton)),
    Step::Register("heir", "SILENT", Some("silent")),
    // It says nothing now, and may share the type for what it said.
    Step::Register("twin", "A", None),
    Step::Deregister("b"),
    Step::Say("alone", "ALONE", None),
    Step::Register("b", "B", None),
    Step::Deregister("twin"),
    Step::Deregister("a"),
    Step::Say("company", "B", Some(TypePolicy::AllowDuplicates)),
    Step::Register("last", "LAST", None),
];

/// What has come true.
#[derive(Debug, Default, PartialEq, Eq)]
struct Truth {
    services: Vec<String>,
    policies: Vec<(String, TypePolicy)>,
    events: Vec<(String, String)>,
}

impl Truth {
    fn at_the_beginning() -> Self {
        Self { services: vec!["silent".to_owned()], ..Self::default() }
    }

    fn take_in(&mut self, step: Step) {
        match step {
            Step::Register(id, _, makes_room) => {
                if let Some(gone) = makes_room {
                    self.tell("expire", gone);
                    self.services.retain(|known| known != gone);
                }
                self.register(id);
            }
            Step::Say(id, _, said) => {
                self.register(id);
                self.policies.retain(|(known, _)| known != id);
                self.policies.extend(said.map(|policy| (id.to_owned(), policy)));
            }
            Step::Deregister(id) => {
                self.tell("deregister", id);
                self.services.retain(|known| known != id);
                self.policies.retain(|(known, _)| known != id);
            }
        }
    }

    fn register(&mut self, id: &str) {
        self.tell("register", id);
        if !self.services.iter().any(|known| known == id) {
            self.services.push(id.to_owned());
        }
    }

    fn tell(&mut self, kind: &str, id: &str) {
        self.events.push((kind.to_owned(), id.to_owned()));
    }
}

impl Step {
    fn request(self) -> Value {
        match self {
            Self::Register(id, service_type, _) => registration(id, service_type),
            Self::Say(id, service_type, said) => {
                let mut request = registration(id, service_type);
                let service_info = &mut request["service_info"];
                match said {
                    Some(TypePolicy::AllowDuplicates) => {
                        service_info["allow_duplicate_service_type"] = json!(true);
                    }
                    said => service_info["singleton"] = json!(said.is_some()),
                }
                request
            }
            Self::Deregister(id) => json!({"action": "deregister", "service_id": id}),
        }
    }
}

/// A file in which these services are, each with its ttl, last heard in 1970.
fn file_with(folder: &Path, services: &[(&str, u32)]) -> SqliteBackend {
    let path = folder.join(FILE);
    Box::new(SqliteBackend::open(&path).unwrap()).close().unwrap();
    let connection = Connection::open(&path).unwrap();
    for (id, ttl) in services {
        let metadata = json!({"type": id.to_uppercase()}).to_string();
        connection
            .execute(
                "INSERT INTO services VALUES (?1, ?1, '127.0.0.1', 6110, ?2, ?3, 0, '[]')",
                params![id, metadata, ttl],
            )
            .unwrap();
    }
    connection.close().unwrap();
    SqliteBackend::open(&path).unwrap()
}

fn file_with_silent(folder: &Path) -> SqliteBackend {
    file_with(folder, &[("silent", 3_600)])
}

fn about(event: &Event) -> (String, String) {
    let (kind, id) = event.about();
    (kind.to_owned(), id.to_owned())
}

/// What the next registry on the file finds: services and policies.
#[track_caller]
fn assert_stored(folder: &Path, truth: &Truth, story: &str) {
    let mut database = SqliteBackend::open(&folder.join(FILE)).unwrap();
    let services = database.load().unwrap();
    let services: Vec<&str> = services.iter().map(|stored| stored.service.id.as_str()).collect();
    assert_eq!(services, truth.services, "{story}");
    let policies = database.load_policies().unwrap();
    let policies: Vec<(String, TypePolicy)> =
        policies.into_iter().map(|(id, policy)| (id.to_string(), policy)).collect();
    assert_eq!(policies, truth.policies, "{story}");
}

/// Tells the story while the n-th commit, if there is one, fails. Returns how many there were.
#[track_caller]
fn tell_the_story_with_failure(nth: Option<u32>) -> u32 {
    const MANY: u32 = 1_000;

    let folder = tempfile::tempdir().unwrap();
    let countdown = Countdown::default();
    let database = file_with_silent(folder.path());
    let server = Embedded::start_on(Fateful {
        database,
        counts: is_of_no_probe,
        countdown: countdown.clone(),
        fate: Fate::Fails,
    });
    let client = server.client();
    let mut subscriber = server.subscriber();
    subscriber.all_until_now();
    let mut truth = Truth::at_the_beginning();
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
    assert_stored(folder.path(), &truth, &format!("commit {nth:?}"));
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
        counts: is_of_no_probe,
        countdown: countdown.clone(),
        fate: Fate::WaitsAt(gate.clone()),
    });
    let (writer, reader, heart) = (server.client(), server.client(), server.heartbeat_client());
    let mut subscriber = server.subscriber();
    subscriber.all_until_now();
    let mut truth = Truth::at_the_beginning();
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
    assert_stored(folder.path(), &truth, "each commit stalled");
}
