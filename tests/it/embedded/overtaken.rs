//! What becomes of a request when another registry, with which the list is shared, was first.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::json;
use service_registry::backend::BackendError;
use service_registry::backend::shared::{
    Beat, Follower, Herald, Lives, Missed, News, Picture, Proposal, SharedBackend, SharedStore,
    Standing, Transaction, TransactionPlace,
};
use service_registry::clock::{Now, WallTime};
use service_registry::json::Json;
use service_registry::registry::{Change, Epoch, Fact, Sequence};
use service_registry::server::Server;
use service_registry::service::{Parts, Service, ServiceId};

use crate::support::{Client, Transcript, assert_refused, embedded_config, registration};

/// A store in which another registry stores what a test says, just before each decision.
struct Rival {
    number: u64,
    /// Before each decision in its turn; nothing, where there is none any more.
    first: Box<dyn FnMut() -> Option<Vec<Fact>> + Send>,
}

impl SharedBackend for Rival {
    fn load(&mut self) -> Result<Picture, BackendError> {
        Ok(Picture {
            sequence: Sequence { epoch: Epoch::new("shared"), seq: 41 },
            services: Vec::new(),
            policies: Vec::new(),
            registries: vec!["own".into(), "rival".into()],
            revision: 0,
        })
    }

    fn propose(&mut self, _changes: &[&Change], at: WallTime) -> Result<Proposal, BackendError> {
        let Some(first) = self.first(at) else {
            self.number += 1;
            return Ok(Proposal::Stored);
        };
        Ok(Proposal::Overtaken(Missed::Transactions(vec![first])))
    }

    fn missed(&mut self) -> Result<Missed, BackendError> {
        Ok(Missed::Transactions(self.first(WallTime::from_unix_seconds(0)).into_iter().collect()))
    }

    fn lives(&mut self) -> Result<Lives, BackendError> {
        Ok(Lives { heard: Vec::new(), registries: Vec::new() })
    }

    fn follow(&mut self, transaction: &Transaction) -> TransactionPlace {
        assert_eq!(transaction.number, self.number + 1);
        self.number += 1;
        TransactionPlace::Next
    }

    fn knows_all_of(&self, _standing: &Standing) -> bool {
        true
    }

    fn number(&self) -> u64 {
        self.number
    }
}

impl Rival {
    fn first(&mut self, at: WallTime) -> Option<Transaction> {
        let facts = (self.first)()?;
        Some(Transaction {
            epoch: Epoch::new("shared"),
            number: self.number + 1,
            mark: "".into(),
            behind: "".into(),
            revision: 0,
            by: "rival".into(),
            at,
            facts,
        })
    }
}

/// Sends beats on their way round.
struct Out(Sender<Beat>);

/// Where they come back.
struct Back(Receiver<Beat>);

impl Herald for Out {
    fn beat(&mut self, now: Now, _heard: &[(&ServiceId, WallTime)]) -> Result<(), BackendError> {
        let own = Some((now.listening, now.pauses));
        let beat = Beat { by: "own".into(), own, heard: Vec::new() };
        self.0.send(beat).map_err(|_| BackendError::new("nobody listens"))
    }

    fn say_goodbye(&mut self) {}
}

impl Follower for Back {
    fn begin_behind(&mut self, _revision: u64) {}

    fn listen(&mut self) -> Result<Vec<News>, BackendError> {
        Ok(self.0.recv_timeout(Duration::from_millis(100)).map(News::Beat).into_iter().collect())
    }
}

/// A server that shares its list; it stops when it is dropped.
struct Sharing(Server);

impl Sharing {
    fn client(&self) -> Client {
        Client::connect(&self.0.endpoints().requests, &Transcript::default())
    }
}

#[track_caller]
fn start(first: impl FnMut() -> Option<Vec<Fact>> + Send + 'static) -> Sharing {
    let (out, back) = channel();
    let shared = SharedStore {
        name: "own".into(),
        backend: Box::new(Rival { number: 0, first: Box::new(first) }),
        follower: Box::new(Back(back)),
        herald: Box::new(Out(out)),
    };
    let server = Server::start_with_shared_backend(embedded_config(), shared);
    Sharing(server.expect("it starts"))
}

fn registered(id: &str, service_type: &str) -> Fact {
    let parts = Parts { service_type: Some(service_type.into()), ..Parts::new(id, "elsewhere", 1) };
    let service_info = Json::from(&json!({"id": id}));
    let id = ServiceId::new(id).unwrap();
    let service = Service { id, description: parts.into(), owner: None };
    Fact::Registered { service, service_info }
}

#[test]
fn who_comes_second_is_judged_by_what_the_first_has_stored() {
    let mut firsts = VecDeque::from([vec![registered("theirs", "T")]]);
    let registry = start(move || firsts.pop_front());
    let client = registry.client();

    let reply = client.request(&registration("ours", "T"));

    assert_refused(&reply, "duplicate_service_type", &[]);
    assert_eq!(reply["existing_service_id"], "theirs");
    assert_eq!(client.discover("T")["service"]["host"], "elsewhere");
    let health = client.health();
    assert_eq!((&health["epoch"], &health["seq"]), (&"shared".into(), &42.into()));
}

#[test]
fn nobody_is_refused_for_one_whom_another_registry_has_let_go() {
    let id = ServiceId::new("theirs").unwrap();
    let mut firsts = VecDeque::from([
        Some(vec![registered("theirs", "T")]),
        None,
        Some(vec![Fact::Deregistered { id }]),
    ]);
    let registry = start(move || firsts.pop_front().flatten());
    let client = registry.client();

    assert_refused(&client.deregister("nobody"), "service_not_found", &[]);
    assert_eq!(client.discover("T")["service"]["id"], "theirs");
    let reply = client.request(&registration("ours", "T"));

    assert_eq!(reply["success"], true, "{reply}");
    assert_eq!(client.discover("T")["service"]["id"], "ours");
}

#[test]
fn all_that_was_overtaken_is_planned_again_in_its_order() {
    let mut firsts: VecDeque<Vec<Fact>> =
        (0..3).map(|number| vec![registered(&format!("theirs{number}"), "")]).collect();
    let registry = start(move || firsts.pop_front());
    let client = registry.client();

    client.send(&registration("a", "A"));
    client.send(&registration("b", "A"));
    client.send(&serde_json::json!({"action": "deregister", "service_id": "a"}));
    client.send(&registration("b", "A"));

    assert_eq!(client.receive()["success"], true);
    assert_refused(&client.receive(), "duplicate_service_type", &[]);
    assert_eq!(client.receive()["success"], true);
    assert_eq!(client.receive()["success"], true);
    assert_eq!(client.list()["services"].as_array().unwrap().len(), 4);
}

#[test]
fn who_is_overtaken_again_and_again_is_refused_in_the_end() {
    let registry = start(|| Some(Vec::new()));

    let reply = registry.client().request(&registration("ours", "T"));

    assert_refused(&reply, "storage_failed", &[]);
    let message = reply["message"].as_str().unwrap();
    assert!(message.starts_with("other registries were first"), "{message}");
}
