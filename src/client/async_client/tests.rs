//! Asking registries that do what real ones seldom do.

mod own;

use std::pin::{Pin, pin};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use futures::executor::block_on;
use futures::future::{FutureExt, join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::{Value, json};

use crate::client::{ClientError, RegistryEndpoints};

use super::super::connection::tests::reserved_port;
use super::super::operation;
use super::super::registries::Registries;
use super::super::settings::ClientSettings;
use super::asking::Asking;
use super::io_thread::WAITING_MAX;

/// Longer than a busy machine takes for anything.
const LONG: Duration = Duration::from_secs(60);

/// Within which a request arrives, over a connection that is there, on a machine that is busy.
const ARRIVAL: Duration = Duration::from_secs(1);

/// A registry that says what the test tells it to.
struct Stub {
    socket: zmq::Socket,
    endpoint: String,
}

/// What came from a client: under which identity, and the request.
struct Asked {
    identity: Vec<u8>,
    request: Value,
}

impl Stub {
    fn start() -> Self {
        Self::start_at("tcp://127.0.0.1:*")
    }

    fn start_at(endpoint: &str) -> Self {
        let socket = zmq::Context::new().socket(zmq::ROUTER).unwrap();
        socket.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
        socket.set_linger(0).unwrap();
        socket.bind(endpoint).unwrap();
        let endpoint = socket.get_last_endpoint().unwrap().unwrap();
        Self { socket, endpoint }
    }

    fn asking(&self) -> Asking {
        let endpoint = &self.endpoint;
        let endpoints = RegistryEndpoints::parse(endpoint, endpoint, endpoint).unwrap();
        let registries = Registries::new(endpoints, []);
        Asking::start(&ClientSettings { registries, ..ClientSettings::default() }).unwrap()
    }

    #[track_caller]
    fn receive(&self) -> Asked {
        let frames = self.socket.recv_multipart(0).expect("a request comes");
        let [identity, kind, body] = <[Vec<u8>; 3]>::try_from(frames).unwrap();
        assert_eq!(kind, b"REQ");
        Asked { identity, request: serde_json::from_slice(&body).unwrap() }
    }

    /// Whether a request is there already.
    fn has_request(&self) -> bool {
        self.socket.poll(zmq::POLLIN, 0).unwrap() > 0
    }

    fn send(&self, asked: &Asked, body: &str) {
        self.socket.send_multipart([&asked.identity[..], b"RESPONSE", body.as_bytes()], 0).unwrap();
    }

    /// Answers that the service is there, as our registry does: with the number of the request.
    fn reply(&self, asked: &Asked) {
        let mut reply = service(asked);
        reply["request_id"] = asked.request["request_id"].clone();
        self.send(asked, &reply.to_string());
    }

    /// Answers as the Python registry does.
    fn reply_without_number(&self, asked: &Asked) {
        self.send(asked, &service(asked).to_string());
    }
}

/// The service that was asked for, whose port is the number of the request.
fn service(asked: &Asked) -> Value {
    let id = asked.request["service_id"].clone();
    let service = json!({
        "id": id, "name": "n", "host": "h", "port": asked.request["request_id"],
    });
    json!({"success": true, "service": service})
}

/// Asks for the service with this id, and tells which id came back.
async fn get(asking: &Asking, id: &str, timeout: Duration) -> Result<String, ClientError> {
    let service = asking.ask(operation::get(id), timeout).await?;
    Ok(service.map(|service| service.id).unwrap_or_default())
}

fn is_pending(future: Pin<&mut impl Future>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

/// Lets a registry that sends numbers back prove that it does.
fn prove(stub: &Stub, asking: &Asking) {
    let mut first = pin!(get(asking, "first", LONG));
    assert!(is_pending(first.as_mut()));
    stub.reply(&stub.receive());
    assert_eq!(block_on(first).unwrap(), "first");
}

#[test]
fn many_requests_are_on_their_way_at_once_and_each_gets_its_own_answer() {
    let stub = Stub::start();
    let asking = stub.asking();
    prove(&stub, &asking);
    let ids: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let mut all = pin!(join_all(ids.iter().map(|id| get(&asking, id, LONG))));
    assert!(is_pending(all.as_mut()));

    let mut asked: Vec<Asked> = ids.iter().map(|_| stub.receive()).collect();
    asked.reverse();
    asked.iter().for_each(|asked| stub.reply(asked));

    let answers: Vec<String> = block_on(all).into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, ids);
    assert!(asked.iter().all(|one| one.identity == asked[0].identity));
}

#[test]
fn more_than_can_be_on_their_way_take_their_turns() {
    let stub = Stub::start();
    let asking = stub.asking();
    let ids: Vec<String> = (0..3_000).map(|number| number.to_string()).collect();
    let mut all = pin!(join_all(ids.iter().map(|id| get(&asking, id, LONG))));
    assert!(is_pending(all.as_mut()));

    for _ in &ids {
        stub.reply(&stub.receive());
    }

    let answers: Vec<String> = block_on(all).into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, ids);
}

#[test]
fn a_registry_that_sends_no_numbers_back_is_asked_one_thing_at_a_time() {
    let stub = Stub::start();
    let asking = stub.asking();
    let ids = ["a", "b", "c", "d"];
    let mut all = pin!(join_all(ids.iter().map(|id| get(&asking, id, LONG))));
    assert!(is_pending(all.as_mut()));

    for _ in ids {
        let asked = stub.receive();
        assert!(!stub.has_request());
        stub.reply_without_number(&asked);
    }

    let answers: Vec<String> = block_on(all).into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, ids);
}

#[test]
fn silence_ends_with_the_timeout_and_names_the_endpoint() {
    let stub = Stub::start();
    let asking = stub.asking();
    let timeout = Duration::from_millis(150);
    let started = Instant::now();

    let error = block_on(get(&asking, "a", timeout)).unwrap_err();

    let ClientError::Unreachable { endpoint, after } = error else { panic!("{error}") };
    assert_eq!((endpoint, after), (stub.endpoint.clone(), timeout));
    assert!(started.elapsed() >= timeout);
    assert!(started.elapsed() < LONG);
}

#[test]
fn a_reply_that_comes_too_late_answers_nobody() {
    for reply in [Stub::reply, Stub::reply_without_number] {
        let stub = Stub::start();
        let asking = stub.asking();
        let mut first = pin!(get(&asking, "first", LONG));
        assert!(is_pending(first.as_mut()));
        reply(&stub, &stub.receive());
        assert_eq!(block_on(first).unwrap(), "first");
        let late = block_on(get(&asking, "late", ARRIVAL));
        assert!(matches!(late, Err(ClientError::Unreachable { .. })));
        let late = stub.receive();

        let mut next = pin!(get(&asking, "next", LONG));
        assert!(is_pending(next.as_mut()));
        let asked = stub.receive();
        reply(&stub, &late);
        reply(&stub, &asked);

        assert_eq!(block_on(next).unwrap(), "next");
        assert_ne!(asked.identity, late.identity);
    }
}

#[test]
fn one_that_is_late_does_not_cost_the_others_their_answers() {
    let stub = Stub::start();
    let asking = stub.asking();
    prove(&stub, &asking);
    let mut patient = pin!(get(&asking, "patient", LONG));
    assert!(is_pending(patient.as_mut()));
    let patient_asked = stub.receive();

    let mut late = pin!(get(&asking, "late", ARRIVAL));
    let mut quick = pin!(get(&asking, "quick", LONG));
    assert!(is_pending(late.as_mut()) && is_pending(quick.as_mut()));
    let late_asked = stub.receive();
    stub.reply(&stub.receive());
    let late = block_on(late);
    let mut next = pin!(get(&asking, "next", LONG));
    assert!(is_pending(next.as_mut()));
    let next_asked = stub.receive();
    stub.reply(&next_asked);
    stub.reply(&patient_asked);

    assert!(late.is_err());
    assert_eq!(block_on(quick).unwrap(), "quick");
    assert_eq!(block_on(patient).unwrap(), "patient");
    assert_eq!(block_on(next).unwrap(), "next");
    assert_eq!(patient_asked.identity, late_asked.identity);
    assert_ne!(patient_asked.identity, next_asked.identity);
}

#[test]
fn what_changes_nothing_is_asked_again_where_the_registry_was_silent() {
    let stub = Stub::start();
    let asking = stub.asking();
    prove(&stub, &asking);
    let mut patient = pin!(get(&asking, "patient", LONG));
    assert!(is_pending(patient.as_mut()));
    let writing = asking.ask(operation::deregister("writing"), LONG);
    let asked = [stub.receive(), stub.receive()];

    let late = block_on(get(&asking, "late", ARRIVAL));
    let late_asked = stub.receive();
    let again = stub.receive();
    stub.reply(&again);

    assert!(late.unwrap_err().is_unreachable());
    assert_eq!(block_on(patient).unwrap(), "patient");
    let Err(ClientError::Unreachable { after, .. }) = block_on(writing) else { panic!("it is") };
    assert!((ARRIVAL..LONG).contains(&after), "{after:?}");
    assert_eq!(again.request, asked[0].request);
    assert_eq!(late_asked.identity, asked[0].identity);
    assert_ne!(again.identity, asked[0].identity);
    assert!(!stub.has_request());
}

#[test]
fn a_future_that_is_dropped_costs_the_next_one_nothing() {
    for reply in [Stub::reply, Stub::reply_without_number] {
        let stub = Stub::start();
        let asking = stub.asking();
        let mut dropped = Box::pin(get(&asking, "dropped", LONG));
        assert!(is_pending(dropped.as_mut()));
        let cancelled = stub.receive();

        drop(dropped);
        let mut next = pin!(get(&asking, "next", LONG));
        assert!(is_pending(next.as_mut()));
        reply(&stub, &cancelled);
        let asked = stub.receive();
        reply(&stub, &asked);

        assert_eq!(block_on(next).unwrap(), "next");
    }
}

#[test]
fn what_is_cancelled_before_it_was_sent_is_never_sent() {
    let stub = Stub::start();
    let asking = stub.asking();
    let mut first = pin!(get(&asking, "first", LONG));
    assert!(is_pending(first.as_mut()));
    let first_asked = stub.receive();

    assert!(get(&asking, "cancelled", LONG).now_or_never().is_none());
    let mut last = pin!(get(&asking, "last", LONG));
    assert!(is_pending(last.as_mut()));
    stub.reply(&first_asked);
    let last_asked = stub.receive();
    stub.reply(&last_asked);

    assert_eq!(block_on(first).unwrap(), "first");
    assert_eq!(block_on(last).unwrap(), "last");
    assert_eq!(last_asked.request["service_id"], "last");
}

#[test]
fn a_registry_that_came_back_is_asked_only_what_somebody_waits_for() {
    let (_reserved, port) = reserved_port();
    let endpoint = format!("tcp://127.0.0.1:{port}");
    let stub = Stub::start_at(&endpoint);
    let asking = stub.asking();
    prove(&stub, &asking);
    drop(stub);
    for _ in 0..3 {
        let error = block_on(get(&asking, "lost", Duration::from_millis(50))).unwrap_err();
        assert!(error.is_unreachable(), "{error}");
    }

    let stub = Stub::start_at(&endpoint);
    let mut next = pin!(get(&asking, "next", LONG));
    assert!(is_pending(next.as_mut()));
    let asked = stub.receive();
    stub.reply(&asked);

    assert_eq!(block_on(next).unwrap(), "next");
    assert_eq!(asked.request["service_id"], "next");
    assert!(!stub.has_request());
}

#[test]
fn another_registry_in_the_place_of_the_first_is_found_out() {
    let stub = Stub::start();
    let asking = stub.asking();
    prove(&stub, &asking);

    let mut confused = pin!(get(&asking, "confused", ARRIVAL));
    assert!(is_pending(confused.as_mut()));
    stub.reply_without_number(&stub.receive());
    assert!(block_on(confused).unwrap_err().is_unreachable());
    let mut next = pin!(get(&asking, "next", LONG));
    assert!(is_pending(next.as_mut()));
    stub.reply_without_number(&stub.receive());

    assert_eq!(block_on(next).unwrap(), "next");
}

#[test]
fn what_is_no_registry_is_told_to_all_who_asked_it() {
    let stub = Stub::start();
    let asking = stub.asking();
    prove(&stub, &asking);
    let mut both = pin!(join_all(["a", "b"].map(|id| get(&asking, id, LONG))));
    assert!(is_pending(both.as_mut()));

    let asked = [stub.receive(), stub.receive()];
    stub.send(&asked[0], "hello");

    for answer in block_on(both) {
        assert!(matches!(answer, Err(ClientError::NotARegistry { .. })), "{answer:?}");
    }
}

#[test]
fn closing_answers_whoever_waits_and_whoever_asks_later() {
    let stub = Stub::start();
    let asking = stub.asking();
    let mut waiting = pin!(join_all(["sent", "not sent"].map(|id| get(&asking, id, LONG))));
    assert!(is_pending(waiting.as_mut()));

    asking.close();

    for answer in block_on(waiting) {
        assert!(matches!(answer, Err(ClientError::Closed)), "{answer:?}");
    }
    assert!(matches!(block_on(get(&asking, "later", LONG)), Err(ClientError::Closed)));
}

#[test]
fn dropping_with_requests_on_their_way_to_nobody_returns_at_once() {
    let stub = Stub::start();
    let asking = stub.asking();
    drop(stub);
    for id in ["a", "b", "c"] {
        assert!(get(&asking, id, LONG).now_or_never().is_none());
    }
    let started = Instant::now();

    drop(asking);

    assert!(started.elapsed() < LONG);
}

#[test]
fn what_waits_is_bounded_and_one_more_is_refused_at_once() {
    let stub = Stub::start();
    let asking = stub.asking();
    // One of them is on its way.
    let too_many = WAITING_MAX + 2;

    let mut all: FuturesUnordered<_> = (0..too_many).map(|_| get(&asking, "a", LONG)).collect();
    let first = block_on(all.next()).unwrap();

    assert!(matches!(first, Err(ClientError::TooManyRequests)), "{first:?}");
}

#[test]
fn a_timeout_without_end_is_no_overflow() {
    let stub = Stub::start();
    let asking = stub.asking();
    let mut patient = pin!(get(&asking, "patient", Duration::MAX));
    assert!(is_pending(patient.as_mut()));

    stub.reply(&stub.receive());

    assert_eq!(block_on(patient).unwrap(), "patient");
}
