//! Peers that say who they are: all the same, or at great length.

use serde_json::json;

use super::Besieged;
use crate::support::{Peer, answer_in, assert_success};

/// The longest that ZeroMQ has.
const IDENTITY_MAX: usize = 255;

fn peer_named(besieged: &Besieged, identity: &[u8]) -> Peer {
    let endpoints = besieged.registry.endpoints();
    let transcript = besieged.registry.transcript();
    Peer::connect_prepared("named", zmq::DEALER, &endpoints.requests, transcript, |socket| {
        socket.set_identity(identity)
    })
}

fn ask_health(peer: &Peer) {
    peer.send(&[b"REQ".as_slice(), json!({"action": "health"}).to_string().as_bytes()]);
    assert_success(&answer_in(peer.receive()));
}

#[test]
fn identities_of_255_bytes_are_answered() {
    let besieged = Besieged::start();

    for number in 0..=u8::MAX {
        let mut identity = vec![0xff; IDENTITY_MAX];
        identity[0] = b'x';
        identity[IDENTITY_MAX - 1] = number;
        ask_health(&peer_named(&besieged, &identity));
    }

    besieged.assert_survived();
}

#[test]
fn peers_that_take_each_others_identity_in_turn_are_survived() {
    let besieged = Besieged::start();

    let mut thieves = Vec::new();
    for _ in 0..200 {
        let thief = peer_named(&besieged, b"the same");
        ask_health(&thief);
        thieves.push(thief);
    }
    besieged.assert_answers();
    drop(thieves);

    besieged.assert_survived();
}
