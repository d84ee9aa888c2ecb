//! Clients as the Python ones are on the wire: a DEALER for requests, a DEALER for heartbeats.

use serde_json::{Value, json};

use super::{Peer, Transcript, wait_until};

/// A client of the request socket.
pub(crate) struct Client(Peer);

impl Client {
    #[track_caller]
    pub(crate) fn connect(endpoint: &str, transcript: &Transcript) -> Self {
        Self(Peer::connect("client", zmq::DEALER, endpoint, transcript))
    }

    /// Sends `request` and waits for its answer.
    #[track_caller]
    pub(crate) fn request(&self, request: &Value) -> Value {
        self.send(request);
        self.receive()
    }

    /// Sends `request` and waits for nothing.
    #[track_caller]
    pub(crate) fn send(&self, request: &Value) {
        self.send_as("REQ", request.to_string());
    }

    /// Sends any body under any message type.
    #[track_caller]
    pub(crate) fn send_as(&self, message_type: &str, body: impl AsRef<[u8]>) {
        self.0.send(&[message_type.as_bytes(), body.as_ref()]);
    }

    /// Sends any frames.
    #[track_caller]
    pub(crate) fn send_frames<F: AsRef<[u8]>>(&self, frames: &[F]) {
        self.0.send(frames);
    }

    /// The next answer.
    #[track_caller]
    pub(crate) fn receive(&self) -> Value {
        answer_in(self.0.receive())
    }

    /// The frames of the next answer.
    #[track_caller]
    pub(crate) fn receive_frames(&self) -> Vec<Vec<u8>> {
        self.0.receive()
    }

    /// The next answer, where one is there already.
    #[track_caller]
    pub(crate) fn received(&self) -> Option<Value> {
        self.0.receive_within(0).map(answer_in)
    }

    /// Registers a service named like its id, and expects that this works.
    #[track_caller]
    pub(crate) fn register(&self, id: &str, service_type: &str) {
        let reply = self.request(&registration(id, service_type));
        assert_eq!(reply["success"], true, "{id} registers: {reply}");
    }

    #[track_caller]
    pub(crate) fn deregister(&self, id: &str) -> Value {
        self.request(&json!({"action": "deregister", "service_id": id}))
    }

    #[track_caller]
    pub(crate) fn renew(&self, id: &str) -> Value {
        self.request(&json!({"action": "renew", "service_id": id}))
    }

    #[track_caller]
    pub(crate) fn get(&self, id: &str) -> Value {
        self.request(&json!({"action": "get", "service_id": id}))
    }

    #[track_caller]
    pub(crate) fn list(&self) -> Value {
        self.request(&json!({"action": "list"}))
    }

    #[track_caller]
    pub(crate) fn discover(&self, service_type: &str) -> Value {
        self.request(&json!({"action": "discover", "service_type": service_type}))
    }

    /// Asks until the service is past its ttl.
    #[track_caller]
    pub(crate) fn wait_until_critical(&self, id: &str) {
        let what = format!("{id} becomes critical");
        wait_until(&what, || self.get(id)["service"]["health"] == "critical");
    }

    /// Asks until so many requests of other clients wait to be stored, or to be answered behind one
    /// that does.
    #[track_caller]
    pub(crate) fn wait_for_jobs(&self, count: u64) {
        wait_until(&format!("{count} requests wait"), || self.info()["jobs_waiting"] == count);
    }

    #[track_caller]
    pub(crate) fn info(&self) -> Value {
        self.request(&json!({"action": "info"}))
    }

    #[track_caller]
    pub(crate) fn health(&self) -> Value {
        self.request(&json!({"action": "health"}))
    }
}

/// A client of the heartbeat socket.
pub(crate) struct HeartbeatClient(Peer);

impl HeartbeatClient {
    #[track_caller]
    pub(crate) fn connect(endpoint: &str, transcript: &Transcript) -> Self {
        Self(Peer::connect("heart", zmq::DEALER, endpoint, transcript))
    }

    /// Sends any body and waits for its answer.
    #[track_caller]
    pub(crate) fn request(&self, body: impl AsRef<[u8]>) -> Value {
        self.0.send(&[body]);
        self.receive()
    }

    #[track_caller]
    pub(crate) fn send_frames<F: AsRef<[u8]>>(&self, frames: &[F]) {
        self.0.send(frames);
    }

    #[track_caller]
    pub(crate) fn receive(&self) -> Value {
        let frames = self.0.receive();
        assert_eq!(frames.len(), 1, "an answer to a heartbeat is one frame");
        json_in(&frames[0])
    }

    #[track_caller]
    pub(crate) fn renew(&self, id: &str) -> Value {
        self.request(json!({"action": "renew", "service_id": id}).to_string())
    }
}

/// The request that registers a service named like its id; an empty type is none.
pub(crate) fn registration(id: &str, service_type: &str) -> Value {
    json!({
        "action": "register",
        "service_info": {
            "name": id, "host": "127.0.0.1", "port": 6110, "id": id, "type": service_type,
        },
    })
}

/// A registration that expires so many seconds after its last heartbeat.
pub(crate) fn short_lived(id: &str, service_type: &str, ttl: u32) -> Value {
    let mut request = registration(id, service_type);
    request["ttl"] = json!(ttl);
    request
}

/// A registration whose metadata is so many bytes long.
pub(crate) fn registration_of_size(id: &str, bytes: usize) -> Value {
    let mut request = short_lived(id, "", 3_600);
    request["service_info"]["metadata"] = json!({"filler": "x".repeat(bytes)});
    request
}

/// A registration that says of sharing its type what is remembered, with metadata that are easily
/// changed on their way.
pub(crate) fn singleton(id: &str, service_type: &str) -> Value {
    let mut request = registration(id, service_type);
    request["service_info"]["singleton"] = json!(true);
    request["service_info"]["metadata"] = json!({"z": u64::MAX, "a": [1, "µ\n"]});
    request
}

#[track_caller]
pub(crate) fn json_in(frame: &[u8]) -> Value {
    serde_json::from_slice(frame).expect("the body is JSON")
}

#[track_caller]
pub(crate) fn answer_in(frames: Vec<Vec<u8>>) -> Value {
    assert_eq!(frames.len(), 2, "an answer is a type and a body");
    assert_eq!(frames[0], b"RESPONSE");
    json_in(&frames[1])
}
