//! Random frames, and recorded requests with something wrong in them: always an answer where one
//! is due, and nothing stored, in memory or in the database, that was not acknowledged.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use serde_json::{Value, json};
use service_registry::protocol::envelope::{Envelope, open_request};

use super::Unharmed;
use crate::support::{Chance, Peer, ids, json_in, repetitions};

const CASES_VARIABLE: &str = "SERVICE_REGISTRY_BAD_INPUT_CASES";
const CASES: u64 = 400;

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");

/// What an answer to a request of its own has in it.
const LAST: &str = "the last one";

/// All requests that were recorded, but those that end the registry.
fn recorded_requests() -> Vec<Value> {
    let mut requests = Vec::new();
    for file in fs::read_dir(RECORDED).unwrap() {
        let case: Value =
            serde_json::from_str(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap();
        let steps = case["steps"].as_array().unwrap();
        requests.extend(
            steps
                .iter()
                .map(|step| step["request"].clone())
                .filter(|request| request.is_object() && request["action"] != "terminate"),
        );
    }
    assert!(requests.len() > 50, "the recorded cases have requests");
    requests
}

/// Any JSON value that is not too large.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((".{0,8}", inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// How many values there are in `value`, itself among them.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Puts `new` in the place of one value in `value`: the one of this number, or none.
fn replace(value: &mut Value, number: usize, new: &Value) -> usize {
    if number == 0 {
        *value = new.clone();
        return 1;
    }
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    let mut passed = 1;
    for value in inner {
        if passed > number {
            break;
        }
        passed += replace(value, number - passed, new);
    }
    passed
}

/// A recorded request of which one value is another one.
fn changed_request() -> impl Strategy<Value = Value> {
    (select(recorded_requests()), any::<Index>(), any_json()).prop_map(|(mut request, at, new)| {
        let number = at.index(count(&request));
        replace(&mut request, number, &new);
        request
    })
}

/// A recorded request of which a few bytes are others, fewer or more.
fn damaged_body() -> impl Strategy<Value = Vec<u8>> {
    let damage = (any::<Index>(), 0..3_usize, vec(any::<u8>(), 0..3));
    (select(recorded_requests()), vec(damage, 1..4)).prop_map(|(request, damages)| {
        let mut body = request.to_string().into_bytes();
        for (at, removed, added) in damages {
            let at = at.index(body.len() + 1);
            let end = (at + removed).min(body.len());
            body.splice(at..end, added);
        }
        body
    })
}

fn any_frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let known = select(vec!["REQ", "REQ_NO_REPLY", "HB", "NOTIF", "RESPONSE", "", "{}"]);
    let frame = prop_oneof![
        known.prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..40),
        damaged_body(),
    ];
    vec(frame, 1..7)
}

/// Whether a message of these frames is to be answered.
fn is_answered(frames: &[Vec<u8>]) -> bool {
    let with_sender: Vec<&[u8]> =
        [b"me".as_slice()].into_iter().chain(frames.iter().map(Vec::as_slice)).collect();
    open_request(&with_sender).envelope != Envelope::Silent
}

/// Sends `frames`, and gives back the answers to them: one or none.
fn answers_to(peer: &Peer, frames: &[Vec<u8>]) -> Vec<Value> {
    peer.send(frames);
    let last = json!({"action": "health", "request_id": LAST}).to_string();
    peer.send(&[b"REQ".as_slice(), last.as_bytes()]);
    let mut answers = Vec::new();
    loop {
        let answer = json_in(peer.receive().last().unwrap());
        if answer["request_id"] == LAST {
            return answers;
        }
        answers.push(answer);
    }
}

/// Sends what `frames` makes, so many times, and checks after each what came of it.
fn assert_unharmed_by(frames: impl Strategy<Value = Vec<Vec<u8>>>) {
    let chance = Chance::new();
    let registry = Unharmed::start();
    let endpoints = registry.registry.endpoints();
    let transcript = registry.registry.transcript();
    let peer = Peer::connect("random", zmq::DEALER, &endpoints.requests, transcript);
    let mut runner = TestRunner::new(Config {
        cases: u32::try_from(repetitions(CASES_VARIABLE, CASES)).unwrap(),
        rng_seed: RngSeed::Fixed(chance.seed()),
        failure_persistence: None,
        ..Config::default()
    });

    let result = runner.run(&frames, |frames| {
        let before = registry.client.list();
        let answers = answers_to(&peer, &frames);
        let after = registry.client.list();
        check(&frames, &answers, &before, &after)?;
        restore(&registry);
        Ok(())
    });

    if let Err(difference) = result {
        panic!("{difference}");
    }
    registry.assert_stored_as_listed();
}

/// One answer where one is due; what was refused has changed nothing.
fn check(
    frames: &[Vec<u8>],
    answers: &[Value],
    before: &Value,
    after: &Value,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(answers.len(), usize::from(is_answered(frames)), "{:?}", answers);
    for answer in answers {
        if answer["success"] == true {
            prop_assert!(answer["error"].is_null(), "{}", answer);
        } else {
            prop_assert_eq!(&answer["success"], false);
            prop_assert!(answer["error"].is_string() && answer["code"].is_string(), "{}", answer);
            prop_assert_eq!(after, before, "what was refused is stored: {}", answer);
        }
    }
    Ok(())
}

/// Takes out whatever was registered, and keeps the one alive that was there first.
fn restore(registry: &Unharmed) {
    for id in ids(&registry.client.list()) {
        if id != "keeper" {
            registry.client.deregister(id);
        }
    }
    if registry.client.renew("keeper")["success"] == false {
        registry.client.register("keeper", "KEPT");
    }
}

#[test]
fn random_frames_are_answered_and_leave_nothing_behind() {
    assert_unharmed_by(any_frames());
}

#[test]
fn recorded_requests_with_a_wrong_value_are_answered_and_leave_nothing_behind() {
    let frames = changed_request()
        .prop_map(|request| vec![b"REQ".to_vec(), request.to_string().into_bytes()]);
    assert_unharmed_by(frames);
}

#[test]
fn recorded_requests_with_wrong_bytes_are_answered_and_leave_nothing_behind() {
    assert_unharmed_by(damaged_body().prop_map(|body| vec![b"REQ".to_vec(), body]));
}
