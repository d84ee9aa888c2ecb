//! One client's answers come in the order of its questions, and each sees exactly the writes
//! before it, although reads are answered by one thread and writes by another.

use serde_json::{Value, json};

use crate::support::{Registry, ids};

const REQUESTS: usize = 600;
const SERVICES: u64 = 12;
const TYPES: u64 = 4;

/// What the registry must hold, kept the simplest way: ids with types, in order.
#[derive(Default)]
struct Model(Vec<(String, String)>);

impl Model {
    fn register(&mut self, id: &str, service_type: &str) {
        match self.0.iter_mut().find(|(known, _)| known == id) {
            Some(entry) => service_type.clone_into(&mut entry.1),
            None => self.0.push((id.to_owned(), service_type.to_owned())),
        }
    }

    fn deregister(&mut self, id: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(known, _)| known != id);
        self.0.len() < before
    }

    fn knows(&self, id: &str) -> bool {
        self.0.iter().any(|(known, _)| known == id)
    }

    fn of_type(&self, service_type: &str) -> Vec<String> {
        let matching = self.0.iter().filter(|(_, other)| other == service_type);
        matching.map(|(id, _)| id.clone()).collect()
    }

    fn all(&self) -> Vec<String> {
        self.0.iter().map(|(id, _)| id.clone()).collect()
    }
}

/// What an answer must be.
enum Expected {
    Registered(String),
    Success(bool),
    Service(String),
    OneOf(Vec<String>),
    Services(Vec<String>),
    Refusal(&'static str),
}

/// The same choices at every run, so that a failure can be repeated.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        // The multiplier of Knuth's MMIX; the high bits are the random ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn id(&mut self) -> String {
        format!("service-{}", self.below(SERVICES))
    }

    fn service_type(&mut self) -> String {
        format!("TYPE-{}", self.below(TYPES))
    }
}

/// A body to send and what must come back, after which the model has taken it in.
fn next(choices: &mut Choices, model: &mut Model) -> (String, Expected) {
    let id = choices.id();
    let service_type = choices.service_type();
    let (request, expected) = match choices.below(11) {
        0..=2 => {
            model.register(&id, &service_type);
            let service_info = json!({
                "name": id, "host": "h", "port": 1, "id": id, "type": service_type,
                "allow_duplicate_service_type": true,
            });
            (json!({"action": "register", "service_info": service_info}), Expected::Registered(id))
        }
        3 => {
            let known = model.deregister(&id);
            (json!({"action": "deregister", "service_id": id}), Expected::Success(known))
        }
        4 | 5 => {
            let request = json!({"action": "get", "service_id": id});
            let known = model.knows(&id);
            (request, if known { Expected::Service(id) } else { Expected::Success(false) })
        }
        6 => {
            let request = json!({"action": "renew", "service_id": id});
            (request, Expected::Success(model.knows(&id)))
        }
        7 => {
            let request = json!({"action": "discover", "service_type": service_type});
            (request, Expected::OneOf(model.of_type(&service_type)))
        }
        8 => {
            let request = json!({"action": "list", "service_type": service_type});
            (request, Expected::Services(model.of_type(&service_type)))
        }
        9 => (json!({"action": "list"}), Expected::Services(model.all())),
        _ => {
            let wrong = [
                ("{not json", "invalid_json"),
                ("[]", "not_an_object"),
                (r#"{"action": "nothing"}"#, "unknown_action"),
                (r#"{"action": "register"}"#, "missing_field"),
            ];
            let (body, code) = wrong[choices.below(4) as usize];
            return (body.to_owned(), Expected::Refusal(code));
        }
    };
    (request.to_string(), expected)
}

#[track_caller]
fn assert_answers(reply: &Value, expected: &Expected, question: &str) {
    match expected {
        Expected::Registered(id) => assert_eq!(reply["service_id"], id.as_str(), "{question}"),
        Expected::Success(success) => assert_eq!(reply["success"], *success, "{question}"),
        Expected::Service(id) => assert_eq!(reply["service"]["id"], id.as_str(), "{question}"),
        Expected::OneOf(among) if among.is_empty() => {
            assert_eq!(reply["code"], "no_healthy_service", "{question}");
        }
        Expected::OneOf(among) => {
            let id = reply["service"]["id"].as_str().unwrap_or_default();
            assert!(among.iter().any(|other| other == id), "{question}: {id:?} in {among:?}");
        }
        Expected::Services(services) => assert_eq!(&ids(reply), services, "{question}"),
        Expected::Refusal(code) => assert_eq!(reply["code"], *code, "{question}"),
    }
}

#[test]
fn a_burst_of_reads_and_writes_is_answered_in_order_and_each_sees_the_writes_before_it() {
    let registry = Registry::start();
    let client = registry.client();
    let mut choices = Choices(20_261_122);
    let mut model = Model::default();
    let questions: Vec<(String, Expected)> =
        (0..REQUESTS).map(|_| next(&mut choices, &mut model)).collect();

    for (body, _) in &questions {
        client.send_as("REQ", body);
    }

    for (number, (body, expected)) in questions.iter().enumerate() {
        assert_answers(&client.receive(), expected, &format!("question {number}, {body}"));
    }
    assert_eq!(ids(&client.list()), model.all());
    assert_eq!(client.received(), None, "there is one answer to a question");
}

#[test]
fn a_read_that_follows_a_write_at_once_sees_it_every_time() {
    let registry = Registry::start();
    let client = registry.client();

    for number in 0..100 {
        let id = format!("dev-{number}");
        client.send(&crate::support::registration(&id, ""));
        client.send(&json!({"action": "get", "service_id": id}));
        client.send(&json!({"action": "deregister", "service_id": id}));
        client.send(&json!({"action": "get", "service_id": id}));
    }

    for number in 0..100 {
        let id = format!("dev-{number}");
        assert_eq!(client.receive()["service_id"], id.as_str());
        assert_eq!(client.receive()["service"]["id"], id.as_str());
        assert_eq!(client.receive()["success"], true);
        assert_eq!(client.receive()["error"], "Service not found");
    }
}

#[test]
fn clients_do_not_wait_for_each_other_to_keep_their_own_order() {
    let registry = Registry::start();
    let clients: Vec<_> = (0..4).map(|_| registry.client()).collect();

    for round in 0..50 {
        for (number, client) in clients.iter().enumerate() {
            let id = format!("dev-{number}-{round}");
            client.send(&crate::support::registration(&id, ""));
            client.send(&json!({"action": "get", "service_id": id}));
        }
    }

    for round in 0..50 {
        for (number, client) in clients.iter().enumerate() {
            let id = format!("dev-{number}-{round}");
            assert_eq!(client.receive()["service_id"], id.as_str());
            assert_eq!(client.receive()["service"]["id"], id.as_str());
        }
    }
}
