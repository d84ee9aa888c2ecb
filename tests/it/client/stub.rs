//! A registry that the test plays itself, where a real one would have to misbehave.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};
use service_registry::client::{RegistryClient, RegistryClientBuilder, RegistryEndpoints};

use crate::support::{DEADLINE, has_a_limit};

/// The request and the heartbeat socket of a registry. Events go nowhere.
pub(crate) struct Stub {
    requests: zmq::Socket,
    heartbeats: zmq::Socket,
}

/// How often a player looks whether the test is over, in milliseconds.
const GLANCE: i64 = 20;

/// A stub that answers by itself, until it is dropped.
pub(crate) struct Player {
    endpoints: RegistryEndpoints,
    askers: Arc<Mutex<HashSet<Vec<u8>>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A request, or a heartbeat, and whom to answer.
pub(crate) struct Question {
    /// Of the connection that it came over.
    pub(crate) identity: Vec<u8>,
    pub(crate) body: Value,
}

impl Stub {
    pub(crate) fn bind() -> Self {
        has_a_limit();
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

    /// Lets it answer every request with what `reply` makes of it, and its number.
    pub(crate) fn play(self, reply: impl Fn(&Value) -> Value + Send + 'static) -> Player {
        let (endpoints, is_over) = (self.endpoints(), Arc::new(AtomicBool::new(false)));
        let askers = Arc::new(Mutex::new(HashSet::new()));
        let (ends, known) = (Arc::clone(&is_over), Arc::clone(&askers));
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                if self.requests.poll(zmq::POLLIN, GLANCE).unwrap() == 0 {
                    continue;
                }
                let question = self.question();
                let mut reply = reply(&question.body);
                if let Some(number) = question.body.get("request_id") {
                    reply["request_id"] = number.clone();
                }
                known.lock().unwrap().insert(question.identity.clone());
                self.answer(&question, &reply);
            }
        });
        Player { endpoints, askers, is_over, thread: Some(thread) }
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

impl Player {
    pub(crate) fn endpoints(&self) -> RegistryEndpoints {
        self.endpoints.clone()
    }

    /// Over how many connections it was asked.
    pub(crate) fn connections(&self) -> usize {
        self.askers.lock().unwrap().len()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let played = self.thread.take().map(JoinHandle::join);
        assert!(matches!(played, Some(Ok(()))) || thread::panicking(), "the player panicked");
    }
}

/// What a registry says to `request` that has one service, `id`, and has lost the others that share
/// its list: what it knows, and that it cannot change it.
pub(crate) fn out_of_contact(request: &Value, id: &str) -> Value {
    let service = json!({"id": id, "name": id, "host": "lab", "port": 1, "health": "passing",
        "metadata": {"type": "DEVICE"}, "tags": ["DEVICE"], "ttl": 30, "last_heartbeat": 0});
    let place = json!({"success": true, "epoch": "e", "seq": 5, "in_contact": false});
    let mut reply = match request["action"].as_str().unwrap() {
        "list" => json!({"services": [service]}),
        "health" => json!({"status": "ok", "timestamp": 0}),
        _ => return json!({"success": false, "error": "no etcd", "code": "storage_failed"}),
    };
    reply.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
    reply
}

#[track_caller]
fn received(socket: &zmq::Socket) -> Question {
    let mut frames = socket.recv_multipart(0).expect("a message comes within the deadline");
    let body = serde_json::from_slice(&frames.pop().unwrap()).unwrap();
    Question { identity: frames.swap_remove(0), body }
}
