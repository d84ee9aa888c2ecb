//! Who gets in, and who may do what: several addresses of 127.0.0.0/8 are several hosts here.

mod allow;
mod crowds;
mod hostile_text;
mod owning;
mod reload;
mod terminating;
mod told;

use crate::support::{Peer, Registry, answer_in};
use serde_json::{Value, json};

/// How long somebody is waited for who should not answer: many times what an answer takes.
const SILENCE_MILLISECONDS: i64 = 500;

/// A client at an address of this host, which to the registry is another host.
struct Host {
    peer: Peer,
}

impl Host {
    #[track_caller]
    fn at(address: &str, registry: &Registry) -> Self {
        let requests = &registry.endpoints().requests;
        let peer = Peer::connect_prepared(
            "host",
            zmq::DEALER,
            &from(address, requests),
            registry.transcript(),
            |_| Ok(()),
        );
        Self { peer }
    }

    #[track_caller]
    fn send(&self, request: &Value) {
        self.peer.send(&[b"REQ".as_slice(), request.to_string().as_bytes()]);
    }

    #[track_caller]
    fn request(&self, request: &Value) -> Value {
        self.send(request);
        answer_in(self.peer.receive())
    }

    #[track_caller]
    fn health(&self) -> Value {
        self.request(&json!({"action": "health"}))
    }

    /// Whether a question is answered.
    #[track_caller]
    fn is_heard(&self) -> bool {
        self.send(&json!({"action": "health"}));
        self.peer.receive_within(SILENCE_MILLISECONDS).is_some()
    }
}

/// The endpoint, connected to from an address of this host.
fn from(address: &str, endpoint: &str) -> String {
    endpoint.replacen("tcp://", &format!("tcp://{address}:0;"), 1)
}
