//! The frames around a request: who may leave which out, and where the answer goes.

use serde_json::{Value, json};

use crate::support::{Peer, Registry, assert_refused, assert_success, ids, registration};

const HEALTH: &str = r#"{"action": "health"}"#;

#[track_caller]
fn body_of(frames: &[Vec<u8>]) -> Value {
    serde_json::from_slice(frames.last().expect("a message has frames")).unwrap()
}

fn requests(registry: &Registry, name: &'static str, kind: zmq::SocketType) -> Peer {
    Peer::connect(name, kind, &registry.endpoints().requests, registry.transcript())
}

#[test]
fn a_plain_req_socket_is_answered_in_its_envelope() {
    let registry = Registry::start();
    let peer = requests(&registry, "req", zmq::REQ);

    // A second round shows that the first left the socket in step.
    for _ in 0..2 {
        peer.send(&[HEALTH]);
        let frames = peer.receive();
        assert_eq!(frames.len(), 1, "the envelope is taken off by the socket");
        assert_eq!(body_of(&frames)["status"], "ok");
    }
}

#[test]
fn a_req_socket_that_names_a_type_is_answered_with_a_type() {
    let registry = Registry::start();
    let peer = requests(&registry, "req", zmq::REQ);

    peer.send(&["REQ", HEALTH]);

    let frames = peer.receive();
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0], b"RESPONSE");
    assert_eq!(body_of(&frames)["status"], "ok");
}

#[test]
fn a_req_socket_is_told_what_is_wrong() {
    let registry = Registry::start();
    let peer = requests(&registry, "req", zmq::REQ);

    peer.send(&["{not json"]);
    assert_refused(&body_of(&peer.receive()), "invalid_json", &[]);

    peer.send(&["HELLO", HEALTH]);
    assert_refused(&body_of(&peer.receive()), "malformed_message", &["REQ"]);

    peer.send(&[HEALTH]);
    assert_success(&body_of(&peer.receive()));
}

#[test]
fn a_write_from_a_req_socket_is_answered_in_its_envelope() {
    let registry = Registry::start();
    let peer = requests(&registry, "req", zmq::REQ);

    peer.send(&[registration("dev", "DEV").to_string()]);

    let frames = peer.receive();
    assert_eq!(frames.len(), 1);
    assert_eq!(body_of(&frames)["service_id"], "dev");
}

#[test]
fn a_req_socket_is_answered_on_the_heartbeat_socket() {
    let registry = Registry::start();
    registry.client().register("dev", "DEV");
    let heartbeats = &registry.endpoints().heartbeats;
    let peer = Peer::connect("req", zmq::REQ, heartbeats, registry.transcript());

    peer.send(&[json!({"action": "renew", "service_id": "dev"}).to_string()]);
    let renewed = peer.receive();
    peer.send(&["{not json"]);
    let refused = peer.receive();

    assert_eq!(renewed.len(), 1);
    assert_success(&body_of(&renewed));
    assert_eq!(refused.len(), 1);
    assert_refused(&body_of(&refused), "invalid_json", &[]);
}

#[test]
fn requests_of_other_types_are_carried_out_and_not_answered() {
    let registry = Registry::start();
    let client = registry.client();

    for message_type in ["REQ_NO_REPLY", "HB", "NOTIF", "RESPONSE"] {
        client.send_as(message_type, registration(message_type, message_type).to_string());
    }

    // Answers come in order, so the first to come is the one to this.
    let list = client.list();
    assert_eq!(ids(&list), ["REQ_NO_REPLY", "HB", "NOTIF", "RESPONSE"]);
}

#[test]
fn frames_after_the_body_are_ignored() {
    let registry = Registry::start();
    let client = registry.client();

    client.send_frames(&["REQ", HEALTH, "more", ""]);

    assert_eq!(client.receive()["status"], "ok");
}

#[test]
fn an_answer_goes_to_the_client_that_asked() {
    let registry = Registry::start();
    let clients: Vec<_> = (0..10).map(|_| registry.client()).collect();
    for (number, client) in clients.iter().enumerate() {
        client.send(&registration(&format!("dev-{number}"), ""));
    }

    for (number, client) in clients.iter().enumerate() {
        assert_eq!(client.receive()["service_id"], format!("dev-{number}"));
        assert_eq!(client.received(), None);
    }
}

#[test]
fn a_client_that_comes_back_while_its_old_connection_lingers_is_answered() {
    let registry = Registry::start();
    let connect = |name| {
        let endpoint = &registry.endpoints().requests;
        Peer::connect_prepared(name, zmq::DEALER, endpoint, registry.transcript(), |socket| {
            socket.set_identity(b"power-supply")?;
            // The old one must not come back when the new one has taken over.
            socket.set_reconnect_ivl(-1)
        })
    };
    let old = connect("old");
    old.send(&["REQ", HEALTH]);
    old.receive();

    let new = connect("new");
    for request in [HEALTH.to_owned(), registration("dev", "DEV").to_string()] {
        new.send(&["REQ", &request]);
        assert_success(&body_of(&new.receive()));
    }

    assert_eq!(old.receive_within(0), None);
}

#[test]
fn a_heartbeat_client_that_comes_back_while_its_old_connection_lingers_is_answered() {
    let registry = Registry::start();
    registry.client().register("dev", "DEV");
    let renewal = json!({"action": "renew", "service_id": "dev"}).to_string();
    let connect = |name| {
        let endpoint = &registry.endpoints().heartbeats;
        Peer::connect_prepared(name, zmq::DEALER, endpoint, registry.transcript(), |socket| {
            socket.set_identity(b"power-supply")?;
            socket.set_reconnect_ivl(-1)
        })
    };
    let old = connect("old");
    old.send(&[&renewal]);
    old.receive();

    let new = connect("new");
    new.send(&[&renewal]);

    assert_success(&body_of(&new.receive()));
}
