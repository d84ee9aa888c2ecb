//! Concurrent clients on few services, whose questions and answers make a history.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::history::{History, Line};
use super::specification::{Answer, Id, Question, Type, Version};
use crate::support::{DEADLINE, Endpoints, Impatient, Transcript, whole_number};

const CLIENTS: usize = 5;
const SERVICES: Id = 4;
const TYPES: Type = 2;

/// One client in so many does not wait for an answer for long.
const HASTY_ONE_IN: u8 = 20;

/// A hasty client gives up after no more milliseconds than this.
const HASTE_MILLISECONDS: u64 = 2;

/// A list as it was answered, with the number of the last event that it includes.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) epoch: Value,
    pub(super) seq: u64,
    pub(super) services: Vec<(Id, Version)>,
}

/// Everything about one history: the names of its services, and what was said.
pub(super) struct Recording {
    name: String,
    history: Mutex<History>,
    lists: Mutex<Vec<Listed>>,
    next_line: AtomicUsize,
    next_version: AtomicU16,
}

impl Recording {
    /// A history of services that no other history has.
    pub(super) fn new(number: u64) -> Self {
        Self {
            name: format!("history-{number}"),
            history: Mutex::default(),
            lists: Mutex::default(),
            next_line: AtomicUsize::new(0),
            next_version: AtomicU16::new(1),
        }
    }

    /// Lets clients ask the one registry so many questions each, or until `is_over`.
    pub(super) fn run(
        &self,
        endpoints: &Endpoints,
        questions: usize,
        chance: &mut fastrand::Rng,
        is_over: impl Fn() -> bool + Sync,
    ) {
        self.run_at(0, endpoints, questions, chance, is_over);
    }

    /// As [`Self::run`], where there are several registries.
    pub(super) fn run_at(
        &self,
        registry: usize,
        endpoints: &Endpoints,
        questions: usize,
        chance: &mut fastrand::Rng,
        is_over: impl Fn() -> bool + Sync,
    ) {
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                let mut chance = chance.fork();
                let is_over = &is_over;
                scope.spawn(move || {
                    let transcript = Transcript::default();
                    let mut client = Impatient::connect(&endpoints.requests, &transcript);
                    let mut line = self.new_line(registry);
                    for _ in 0..questions {
                        let question = self.question(&mut chance);
                        let patience = patience(&mut chance);
                        if is_over() {
                            break;
                        }
                        if !self.ask(&mut client, line, question, patience, is_over) {
                            line = self.new_line(registry);
                        }
                    }
                });
            }
        });
    }

    /// Asks for everything, when nothing else is asked.
    #[track_caller]
    pub(super) fn ask_for_all(&self, endpoints: &Endpoints) -> Vec<(Id, Version)> {
        self.ask_for_all_at(0, endpoints)
    }

    #[track_caller]
    pub(super) fn ask_for_all_at(
        &self,
        registry: usize,
        endpoints: &Endpoints,
    ) -> Vec<(Id, Version)> {
        let mut client = Impatient::connect(&endpoints.requests, &Transcript::default());
        let line = self.new_line(registry);
        let answered = self.ask(&mut client, line, Question::List, DEADLINE, &|| false);
        assert!(answered, "it answers");
        self.lists().pop().expect("that one").services
    }

    pub(super) fn history(&self) -> History {
        self.history.lock().unwrap().clone()
    }

    /// All lists that were answered.
    pub(super) fn lists(&self) -> Vec<Listed> {
        self.lists.lock().unwrap().clone()
    }

    /// Whether `id` is one of this history's, and which.
    pub(super) fn service(&self, id: &str) -> Option<Id> {
        id.strip_prefix(&self.name)?.strip_prefix("-service-")?.parse().ok()
    }

    /// False where no answer came in time.
    fn ask(
        &self,
        client: &mut Impatient,
        line: Line,
        question: Question,
        patience: Duration,
        is_over: &impl Fn() -> bool,
    ) -> bool {
        let request = self.request(question);
        self.history.lock().unwrap().ask(line, question);
        let answer = client.ask(&request, patience, is_over);
        let Some(answer) = answer else { return false };
        if leaves_open(&answer) {
            return false;
        }
        let understood = self.understand(question, &answer);
        if let Answer::Services(services) = &understood {
            let (epoch, seq) = (answer["epoch"].clone(), whole_number(&answer["seq"]));
            self.lists.lock().unwrap().push(Listed { epoch, seq, services: services.clone() });
            self.history.lock().unwrap().answer_as_of(line, understood, seq);
        } else {
            self.history.lock().unwrap().answer(line, understood);
        }
        true
    }

    fn question(&self, chance: &mut fastrand::Rng) -> Question {
        let id = chance.u8(..SERVICES);
        let service_type = chance.u8(..TYPES);
        match chance.u8(..12) {
            0..=3 => Question::Register {
                id,
                service_type,
                shared: chance.bool(),
                version: self.next_version.fetch_add(1, Ordering::Relaxed),
            },
            4 | 5 => Question::Deregister { id },
            6 => Question::Renew { id },
            7 | 8 => Question::Get { id },
            9 | 10 => Question::Discover { service_type },
            _ => Question::List,
        }
    }

    fn request(&self, question: Question) -> Value {
        let id_of = |id: Id| format!("{}-service-{id}", self.name);
        let name_of = |service_type: Type| format!("{}-type-{service_type}", self.name);
        match question {
            Question::Register { id, service_type, shared, version } => json!({
                "action": "register",
                "ttl": 3_600,
                "service_info": {
                    "id": id_of(id), "name": "n", "host": "h", "port": version,
                    "type": name_of(service_type), "allow_duplicate_service_type": shared,
                },
            }),
            Question::Deregister { id } => {
                json!({"action": "deregister", "service_id": id_of(id)})
            }
            Question::Renew { id } => json!({"action": "renew", "service_id": id_of(id)}),
            Question::Get { id } => json!({"action": "get", "service_id": id_of(id)}),
            Question::Discover { service_type } => {
                json!({"action": "discover", "service_type": name_of(service_type)})
            }
            Question::List => json!({"action": "list"}),
        }
    }

    #[track_caller]
    fn understand(&self, question: Question, answer: &Value) -> Answer {
        if answer["success"] == false {
            return match answer["code"].as_str().unwrap_or_default() {
                "service_not_found" | "no_healthy_service" => Answer::Nobody,
                "storage_failed" => Answer::NotStored,
                "duplicate_service_type" => {
                    Answer::TakenBy(self.known(&answer["existing_service_id"]))
                }
                _ => panic!("{question:?} is answered by {answer}"),
            };
        }
        let service = |service: &Value| {
            let version = Version::try_from(whole_number(&service["port"])).unwrap();
            (self.known(&service["id"]), version)
        };
        match question {
            Question::Get { .. } | Question::Discover { .. } => {
                let (id, version) = service(&answer["service"]);
                Answer::Service(id, version)
            }
            Question::List => {
                let all = answer["services"].as_array().expect("the answer has services").iter();
                let own = all.filter(|s| self.service(s["id"].as_str().unwrap()).is_some());
                Answer::Services(own.map(service).collect())
            }
            _ => Answer::Done,
        }
    }

    #[track_caller]
    fn known(&self, id: &Value) -> Id {
        self.service(id.as_str().unwrap()).unwrap_or_else(|| panic!("{id} is of {}", self.name))
    }

    fn new_line(&self, registry: usize) -> Line {
        Line { registry, number: self.next_line.fetch_add(1, Ordering::Relaxed) }
    }
}

/// Whether this is no better than no answer: etcd did not say in time whether it was stored.
fn leaves_open(answer: &Value) -> bool {
    answer["code"] == "storage_failed"
        && answer["message"].as_str().is_some_and(|reason| reason.contains("is not known"))
}

fn patience(chance: &mut fastrand::Rng) -> Duration {
    if chance.u8(..HASTY_ONE_IN) == 0 {
        Duration::from_millis(chance.u64(0..=HASTE_MILLISECONDS))
    } else {
        DEADLINE
    }
}
