//! A registry that the test plays itself, where a real one would have to misbehave.

use serde_json::Value;
use service_registry::client::{RegistryClient, RegistryClientBuilder, RegistryEndpoints};

use crate::support::DEADLINE;

/// The request socket of a registry. Heartbeats and events go nowhere.
pub(crate) struct Stub(zmq::Socket);

/// A request and whom to answer.
pub(crate) struct Question {
    identity: Vec<u8>,
    pub(crate) body: Value,
}

impl Stub {
    pub(crate) fn bind() -> Self {
        let socket = zmq::Context::new().socket(zmq::ROUTER).unwrap();
        socket.set_linger(0).unwrap();
        socket.set_rcvtimeo(DEADLINE.as_millis().try_into().unwrap()).unwrap();
        socket.bind("tcp://127.0.0.1:*").unwrap();
        Self(socket)
    }

    pub(crate) fn builder(&self) -> RegistryClientBuilder {
        let requests = self.0.get_last_endpoint().unwrap().unwrap();
        let nowhere = "tcp://127.0.0.1:1";
        let endpoints = RegistryEndpoints::parse(&requests, nowhere, nowhere).unwrap();
        RegistryClient::builder().endpoints(endpoints)
    }

    /// The next request.
    #[track_caller]
    pub(crate) fn question(&self) -> Question {
        let frames = self.0.recv_multipart(0).expect("a request comes within the deadline");
        let body = serde_json::from_slice(&frames[2]).unwrap();
        Question { identity: frames[0].clone(), body }
    }

    /// Answers as a registry does that knows nothing of request ids.
    #[track_caller]
    pub(crate) fn answer(&self, question: &Question, reply: &Value) {
        self.answer_bytes(question, reply.to_string().as_bytes());
    }

    #[track_caller]
    pub(crate) fn answer_bytes(&self, question: &Question, body: &[u8]) {
        self.0.send_multipart([&question.identity, b"RESPONSE".as_slice(), body], 0).unwrap();
    }
}
