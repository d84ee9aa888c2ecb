//! What is told on a disk that fails: everything that is stored, and what has come true of it.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};
use service_registry::backend::{Backend, SqliteBackend};

use crate::support::{DEADLINE, Impatient, Launch, assert_refused, assert_success, ids};

pub(super) const FILE: &str = "service_registry.db";
pub(super) const BACKUP: &str = "backup.db";

/// The service that nobody renews. When it expires is up to the timer.
const BRIEF: &str = "brief";

/// One thing that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A service takes about so many bytes: a part of a page, a page, or several.
    Register {
        id: &'static str,
        service_type: &'static str,
        bytes: u32,
        wish: Wish,
    },
    Deregister(&'static str),
    BackUp,
    /// Wait until the timer has cleaned up.
    Sweep,
}

/// What a registration says of sharing its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Company,
    /// Not to be alone any more.
    NotAlone,
}

/// At the beginning, "silent" of type SILENT is in the file, and that "away" wants to be alone.
pub(super) const STORY: [Step; 14] = [
    Step::Register { id: BRIEF, service_type: "BRIEF", bytes: 50, wish: Wish::Nothing },
    Step::Register { id: "a", service_type: "A", bytes: 300, wish: Wish::Nothing },
    Step::Register { id: "b", service_type: "B", bytes: 9_000, wish: Wish::Nothing },
    Step::Register { id: "a", service_type: "A", bytes: 4_000, wish: Wish::Nothing },
    Step::Register { id: "heir", service_type: "SILENT", bytes: 50, wish: Wish::Nothing },
    Step::Register { id: "twin", service_type: "A", bytes: 50, wish: Wish::Company },
    Step::Deregister("b"),
    Step::BackUp,
    Step::Register { id: "away", service_type: "AWAY", bytes: 50, wish: Wish::NotAlone },
    Step::Register { id: "b", service_type: "B", bytes: 2_000, wish: Wish::Nothing },
    Step::Deregister("twin"),
    Step::BackUp,
    Step::Sweep,
    Step::Register { id: "last", service_type: "LAST", bytes: 300, wish: Wish::Company },
];

const BEGINNING: &str = r#"
    INSERT INTO services VALUES (
        'silent', 'silent', '127.0.0.1', 6110, '{"type": "SILENT", "filler": ""}', 30, 0, '[]'
    );
    INSERT INTO policies VALUES ('away', 'singleton')"#;

/// What the file holds: services in the order of registration, each with its size, and what ids
/// said of sharing their type, in the order in which they said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Truth {
    pub(super) services: Vec<(String, u32)>,
    pub(super) policies: Vec<(String, String)>,
    pub(super) has_backup: bool,
}

/// How the telling of a story ended.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) truth: Truth,
    /// The step whose answer did not come, or whose refusal said that nothing is certain.
    pub(super) perhaps: Option<Step>,
    pub(super) refusals: usize,
}

/// Puts the file there from which the story begins.
#[track_caller]
pub(super) fn prepare(folder: &Path) {
    let path = folder.join(FILE);
    Box::new(SqliteBackend::open(&path).unwrap()).close().unwrap();
    let database = Connection::open(path).unwrap();
    database.execute_batch(BEGINNING).unwrap();
    database.close().unwrap();
}

impl Truth {
    pub(super) fn at_the_beginning() -> Self {
        Self {
            services: vec![("silent".to_owned(), 0)],
            policies: vec![("away".to_owned(), "singleton".to_owned())],
            has_backup: false,
        }
    }

    fn take_in(&mut self, step: Step) {
        match step {
            Step::Register { id, service_type, bytes, wish } => {
                if service_type == "SILENT" {
                    self.services.retain(|(known, _)| known != "silent");
                }
                match self.services.iter_mut().find(|(known, _)| known == id) {
                    Some(entry) => entry.1 = bytes,
                    None => self.services.push((id.to_owned(), bytes)),
                }
                if wish != Wish::Nothing {
                    self.policies.retain(|(known, _)| known != id);
                }
                if wish == Wish::Company {
                    self.policies.push((id.to_owned(), "allow_duplicates".to_owned()));
                }
            }
            Step::Deregister(id) => {
                self.services.retain(|(known, _)| known != id);
                self.policies.retain(|(known, _)| known != id);
            }
            Step::BackUp => self.has_backup = true,
            Step::Sweep => self.services.retain(|(known, _)| known != BRIEF),
        }
    }

    pub(super) fn with(&self, step: Step) -> Self {
        let mut truth = self.clone();
        truth.take_in(step);
        truth
    }

    fn knows(&self, id: &str) -> bool {
        self.services.iter().any(|(known, _)| known == id)
    }

    /// The timer may clean up before the story comes to it.
    fn lets_go_of_the_brief(&mut self, list: &Value) {
        if !ids(list).contains(&BRIEF) {
            self.take_in(Step::Sweep);
        }
    }

    /// What the database of `launch` holds. A page out of order fails here.
    #[track_caller]
    pub(super) fn in_file(launch: &Launch) -> Self {
        let database = Connection::open(launch.path(FILE)).unwrap();
        assert_in_order(&database);
        let mut services = database
            .prepare(
                "SELECT id, ifnull(length(metadata ->> 'filler'), 0) FROM services ORDER BY rowid",
            )
            .unwrap();
        let mut policies =
            database.prepare("SELECT id, policy FROM policies ORDER BY rowid").unwrap();
        let both = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        Self {
            services: services.query_map([], both).unwrap().map(Result::unwrap).collect(),
            policies: policies
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap()
                .map(Result::unwrap)
                .collect(),
            has_backup: launch.path(BACKUP).exists(),
        }
    }
}

#[track_caller]
pub(super) fn assert_in_order(database: &Connection) {
    let verdict: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

impl Step {
    fn request(self, launch: &Launch) -> Option<Value> {
        let request = match self {
            Self::Register { id, service_type, bytes, wish } => {
                let filler = "x".repeat(bytes as usize);
                let mut service_info = json!({
                    "name": id, "host": "127.0.0.1", "port": 6110, "id": id,
                    "type": service_type, "metadata": {"filler": filler},
                });
                match wish {
                    Wish::Nothing => {}
                    Wish::Company => service_info["allow_duplicate_service_type"] = json!(true),
                    Wish::NotAlone => service_info["singleton"] = json!(false),
                }
                let ttl = if id == BRIEF { 1 } else { 3_600 };
                json!({"action": "register", "ttl": ttl, "service_info": service_info})
            }
            Self::Deregister(id) => json!({"action": "deregister", "service_id": id}),
            Self::BackUp => {
                json!({"action": "backup", "destination": launch.path(BACKUP), "force": true})
            }
            Self::Sweep => return None,
        };
        Some(request)
    }

    /// What a refusal must say when the disk is the reason.
    #[track_caller]
    fn assert_refused(self, reply: &Value) {
        let (code, file) = match self {
            Self::BackUp => ("backup_failed", BACKUP),
            _ => ("storage_failed", FILE),
        };
        assert_refused(reply, code, &[]);
        let message = reply["message"].as_str().unwrap_or_default();
        for word in [file, "cannot", "error"] {
            assert!(message.contains(word), "{word:?} is not in {message:?}");
        }
    }
}

/// Tells the story. Where the disk fails only now and then (`is_lasting` is false), what it
/// refuses succeeds when it is repeated. Ends early when the registry is killed.
#[track_caller]
pub(super) fn tell(
    mut client: Impatient,
    launch: &Launch,
    is_lasting: bool,
    killed: &AtomicBool,
) -> Told {
    let mut ask = |request: &Value| client.ask(request, DEADLINE, || killed.load(Ordering::SeqCst));
    let mut told = Told { truth: Truth::at_the_beginning(), perhaps: None, refusals: 0 };

    for step in STORY {
        let Some(request) = step.request(launch) else {
            if !is_lasting && !wait_for_sweep(&mut ask) {
                return told;
            }
            continue;
        };
        for is_repeated in [false, true] {
            let Some(reply) = ask(&request) else {
                told.perhaps = Some(step);
                return told;
            };
            let is_unknown = matches!(step, Step::Deregister(id) if !told.truth.knows(id));
            if is_unknown {
                // On a busy host it shares a commit with a sweep, which may fail.
                if reply["code"] == "storage_failed" {
                    step.assert_refused(&reply);
                } else {
                    assert_refused(&reply, "service_not_found", &[]);
                }
                break;
            } else if reply["success"] == true {
                told.truth.take_in(step);
                told.perhaps = None;
                break;
            }
            step.assert_refused(&reply);
            assert!(!is_repeated || is_lasting, "{step:?} is refused again: {reply}");
            told.refusals += 1;
            if reply["message"].as_str().unwrap().contains("this may have come true") {
                assert!(told.perhaps.is_none(), "one commit at a time can be in doubt");
                told.perhaps = Some(step);
            }
        }
        let Some(list) = ask(&json!({"action": "list"})) else { return told };
        told.truth.lets_go_of_the_brief(&list);
        assert_eq!(services_in(&list), told.truth.services, "after {step:?}");
    }
    told
}

/// True when it is over, and false where the registry is killed before.
#[track_caller]
fn wait_for_sweep(ask: &mut impl FnMut(&Value) -> Option<Value>) -> bool {
    let started = Instant::now();
    loop {
        // So that heartbeats are stored together with the expiry.
        let Some(reply) = ask(&json!({"action": "renew", "service_id": "a"})) else { return false };
        assert_success(&reply);
        let Some(list) = ask(&json!({"action": "list"})) else { return false };
        if !ids(&list).contains(&BRIEF) {
            return true;
        }
        assert!(started.elapsed() < DEADLINE, "{BRIEF} does not expire");
        // Asking without a pause would only keep the registry busy.
        thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn services_in(list: &Value) -> Vec<(String, u32)> {
    let size = |service: &Value| {
        let filler = service["metadata"]["filler"].as_str().expect("the filler is a text");
        (service["id"].as_str().unwrap().to_owned(), filler.len() as u32)
    };
    list["services"].as_array().expect("the answer has services").iter().map(size).collect()
}

/// No file is left beside the database but its own, the backup and what the tests put there.
#[track_caller]
pub(super) fn assert_nothing_left_behind(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.contains(".partial-"), "{name} is left behind");
    }
}
