//! A registry that the test plays itself, where a real one would have to misbehave.

use serde_json::Value;
use service_registry::client::{RegistryClient, RegistryClientBuilder, RegistryEndpoints};

use crate::support::DEADLINE;

/// The request and the heartbeat socket of a registry. Events go nowhere.
pub(crate) struct Stub {
    requests: zmq::Socket,
    heartbeats: zmq::Socket,
}

/// A request, or a heartbeat, and whom to answer.
pub(crate) struct Question {
    /// Of the connection that it came over.
    pub(crate) identity: Vec<u8>,
    pub(crate) body: Value,
}

impl Stub {
    pub(crate) fn bind() -> Self {
        let [requests, heartbeats] = [(); 2].map(|()| {
            let socket = zmq::Context::new().socket(zmq::ROUTER).unwrap();
            socket.set_linger(0).unwrap();
            socket.set_rcvtimeo(DEADLINE.as_millis().try_into().unwrap()).unwrap();
            socket.bind("tcp://127.0.0.1:*").unwrap();
            socket
        });
        Self { requests, heartbeats }
    }

    pub(crate) fn endpoints(&self) -> RegistryEndpoints {
        let at = |socket: &zmq::Socket| socket.get_last_endpoint().unwrap().unwrap();
        let (requests, heartbeats) = (at(&self.requests), at(&self.heartbeats));
        RegistryEndpoints::parse(&requests, "tcp://127.0.0.1:1", &heartbeats).unwrap()
    }

    pub(crate) fn builder(&self) -> RegistryClientBuilder {
        RegistryClient::builder().endpoints(self.endpoints())
    }

    /// Whether there are requests or heartbeats that nobody took.
    pub(crate) fn has_more(&self) -> bool {
        [&self.requests, &self.heartbeats]
            .iter()
            .any(|socket| socket.poll(zmq::POLLIN, 0).unwrap() > 0)
    }

    /// The next request.
    #[track_caller]
    pub(crate) fn question(&self) -> Question {
        received(&self.requests)
    }

    /// The next heartbeat.
    #[track_caller]
    pub(crate) fn heartbeat(&self) -> Question {
        received(&self.heartbeats)
    }

    /// Answers as a registry does that knows nothing of request ids.
    #[track_caller]
    pub(crate) fn answer(&self, question: &Question, reply: &Value) {
        self.answer_bytes(question, reply.to_string().as_bytes());
    }

    #[track_caller]
    pub(crate) fn answer_bytes(&self, question: &Question, body: &[u8]) {
        self.requests
            .send_multipart([&question.identity, b"RESPONSE".as_slice(), body], 0)
            .unwrap();
    }

    #[track_caller]
    pub(crate) fn answer_heartbeat(&self, heartbeat: &Question, reply: &Value) {
        let reply = reply.to_string();
        self.heartbeats.send_multipart([&heartbeat.identity, reply.as_bytes()], 0).unwrap();
    }
}

#[track_caller]
fn received(socket: &zmq::Socket) -> Question {
    let mut frames = socket.recv_multipart(0).expect("a message comes within the deadline");
    let body = serde_json::from_slice(&frames.pop().unwrap()).unwrap();
    Question { identity: frames.swap_remove(0), body }
}
