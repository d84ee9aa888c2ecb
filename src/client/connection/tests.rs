//! A connection against registries that do what real ones seldom do.

use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

use nix::sys::socket::sockopt::ReuseAddr;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, setsockopt, socket,
};

use serde_json::json;

use super::*;

const LONG: Duration = Duration::from_secs(60);

/// Within which a request arrives, over a connection that is there, on a machine that is busy.
const ARRIVAL: Duration = Duration::from_secs(1);

/// Plays a registry that does with each request what `answer` says. Tells the identities that
/// the requests came from.
fn registry(
    mut answer: impl FnMut(&zmq::Socket, Vec<Vec<u8>>) + Send + 'static,
    requests: usize,
) -> (NonZeroU16, thread::JoinHandle<Vec<Vec<u8>>>) {
    let (socket, port) = silent_registry();
    let player = thread::spawn(move || {
        let mut identities = Vec::new();
        for _ in 0..requests {
            let frames = socket.recv_multipart(0).unwrap();
            identities.push(frames[0].clone());
            answer(&socket, frames);
        }
        identities
    });
    (port, player)
}

fn silent_registry() -> (zmq::Socket, NonZeroU16) {
    let socket = zmq::Context::new().socket(zmq::ROUTER).unwrap();
    socket.set_rcvtimeo(60_000).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    let port = endpoint.rsplit(':').next().unwrap().parse().unwrap();
    (socket, port)
}

/// A port at which nobody listens, and which the system gives to nobody while the descriptor is
/// open: somebody is bound to it, in a way that lets others bind to it by its number.
pub(in crate::client) fn reserved_port() -> (OwnedFd, NonZeroU16) {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    setsockopt(&socket, ReuseAddr, &true).unwrap();
    bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    let address: SockaddrIn = getsockname(socket.as_raw_fd()).unwrap();
    (socket, NonZeroU16::new(address.port()).unwrap())
}

fn respond(socket: &zmq::Socket, identity: &[u8], body: &Value) {
    socket.send_multipart([identity, RESPONSE, body.to_string().as_bytes()], 0).unwrap();
}

fn number(frames: &[Vec<u8>]) -> u64 {
    let request: Value = serde_json::from_slice(&frames[2]).unwrap();
    request[REQUEST_ID].as_u64().unwrap()
}

fn ask(action: &str) -> Map<String, Value> {
    Map::from_iter([("action".to_owned(), json!(action))])
}

fn connection(port: NonZeroU16, timeout: Duration) -> Connection {
    Connection::new(&Host::localhost(), port, timeout)
}

fn refusal(frames: &[&[u8]]) -> &'static str {
    read_reply(&frames.iter().map(|frame| frame.to_vec()).collect::<Vec<_>>()).unwrap_err()
}

#[test]
fn a_request_is_marked_and_numbered_and_its_reply_comes_back() {
    let (port, player) = registry(
        |socket, frames| {
            let body = br#"{"action":"health","request_id":1}"#.to_vec();
            assert_eq!(frames[1..], [b"REQ".to_vec(), body]);
            let reply = br#"{"success":true,"z":1.50,"a":"x"}"#;
            socket.send_multipart([&frames[0], RESPONSE, reply], 0).unwrap();
        },
        1,
    );

    let reply = connection(port, LONG).request(&ask("health")).unwrap();

    assert_eq!(Value::Object(reply).to_string(), r#"{"success":true,"z":1.50,"a":"x"}"#);
    assert!(player.join().unwrap()[0].starts_with(b"service-registry-"));
}

#[test]
fn silence_ends_with_the_timeout_and_names_the_endpoint() {
    let (_nobody, port) = silent_registry();
    let started = Instant::now();

    let timeout = Duration::from_millis(150);
    let error = connection(port, timeout).request(&ask("health")).unwrap_err();

    assert_eq!(error.to_string(), format!("no answer from tcp://localhost:{port} within 0.15 s"));
    assert!(started.elapsed() >= timeout);
    assert!(started.elapsed() < LONG);
}

#[test]
fn a_reply_that_comes_too_late_does_not_answer_the_next_request() {
    let mut late = None;
    let (port, player) = registry(
        move |socket, frames| {
            let tell = |identity: &[u8], to: &str| {
                respond(socket, identity, &json!({"success": true, "to": to}));
            };
            match late.take() {
                _ if number(&frames) == 1 => tell(&frames[0], "first"),
                None => late = Some(frames[0].clone()),
                Some(late) => {
                    tell(&late, "late");
                    tell(&frames[0], "third");
                }
            }
        },
        3,
    );
    let mut connection = connection(port, LONG);
    connection.request(&ask("first")).unwrap();

    let late = connection.request_within(ARRIVAL, None, &ask("late"));
    let third = connection.request(&ask("third")).unwrap();

    assert!(matches!(late, Err(ConnectionError::Unreachable { .. })));
    assert_eq!(third["to"], "third");
    let identities = player.join().unwrap();
    assert_eq!(identities[0], identities[1]);
    assert_ne!(identities[1], identities[2]);
}

#[test]
fn a_reply_with_the_number_of_another_request_is_passed_over() {
    let (port, player) = registry(
        |socket, frames| {
            let number = number(&frames);
            for id in [json!(number - 1), json!(number.to_string()), json!(number)] {
                let reply = json!({"success": true, "to": id, "request_id": id});
                respond(socket, &frames[0], &reply);
            }
        },
        1,
    );

    let reply = connection(port, LONG).request(&ask("health")).unwrap();

    assert_eq!(Value::Object(reply), json!({"success": true, "to": 1}));
    player.join().unwrap();
}

#[test]
fn a_connection_that_answers_is_kept_and_one_with_something_unasked_is_replaced() {
    let (port, player) = registry(
        |socket, frames| {
            respond(socket, &frames[0], &json!({"success": true, "to": number(&frames)}));
            if number(&frames) == 2 {
                respond(socket, &frames[0], &json!({"success": true, "to": "nobody"}));
            }
        },
        3,
    );
    let mut connection = connection(port, LONG);

    connection.request(&ask("first")).unwrap();
    connection.request(&ask("second")).unwrap();
    let unasked = connection.socket.as_ref().unwrap().poll(zmq::POLLIN, 60_000).unwrap();
    let third = connection.request(&ask("third")).unwrap();

    assert_eq!(unasked, 1);
    assert_eq!(third["to"], 3);
    let identities = player.join().unwrap();
    assert_eq!(identities[0], identities[1]);
    assert_ne!(identities[1], identities[2]);
}

#[test]
fn nothing_is_sent_later_to_a_registry_that_was_not_there() {
    let (_reserved, port) = reserved_port();
    let mut connection = connection(port, Duration::from_millis(100));
    for _ in 0..3 {
        let error = connection.request(&ask("lost")).unwrap_err();
        assert!(matches!(error, ConnectionError::Unreachable { .. }), "{error}");
    }

    let late = zmq::Context::new().socket(zmq::ROUTER).unwrap();
    late.set_rcvtimeo(60_000).unwrap();
    late.bind(&format!("tcp://127.0.0.1:{port}")).unwrap();
    let player = thread::spawn(move || {
        let first = late.recv_multipart(0).unwrap();
        respond(&late, &first[0], &json!({"success": true, "to": number(&first)}));
        late.get_events().unwrap()
    });
    let reply = connection.request_within(LONG, None, &ask("heard")).unwrap();

    assert_eq!(reply["to"], 4);
    assert!(!player.join().unwrap().contains(zmq::POLLIN));
}

#[test]
fn an_answer_that_no_registry_sends_is_told_apart() {
    assert_eq!(refusal(&[b"{}"]), "its answer does not have two frames");
    assert_eq!(refusal(&[b"REQ", b"{}"]), "its answer is not marked as a response");
    assert_eq!(refusal(&[RESPONSE, b"[]"]), "its answer is not a JSON object");
    assert_eq!(refusal(&[RESPONSE, b"\xff"]), "its answer is not a JSON object");
    for body in [b"{}".as_slice(), br#"{"success":1}"#] {
        assert_eq!(refusal(&[RESPONSE, body]), "its answer does not say whether it succeeded");
    }
}
