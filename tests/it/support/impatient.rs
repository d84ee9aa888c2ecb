//! A client that gives up: where an answer does not come in time, or the registry is killed, it
//! goes on under another identity, as the real clients do.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::answer_in;
use super::{Peer, Transcript};

/// How long an answer is waited for before the client looks whether all is over.
const GLANCE: Duration = Duration::from_millis(10);

/// One client of the request socket that expects nothing.
pub(crate) struct Impatient {
    endpoint: String,
    transcript: Transcript,
    peer: Peer,
}

impl Impatient {
    #[track_caller]
    pub(crate) fn connect(endpoint: &str, transcript: &Transcript) -> Self {
        let peer = peer(endpoint, transcript);
        Self { endpoint: endpoint.to_owned(), transcript: transcript.clone(), peer }
    }

    #[track_caller]
    pub(crate) fn send(&self, request: &Value) {
        self.peer.send(&[b"REQ".as_slice(), request.to_string().as_bytes()]);
    }

    /// The next answer, if one comes within `milliseconds`.
    #[track_caller]
    pub(crate) fn answer_within(&self, milliseconds: i64) -> Option<Value> {
        self.peer.receive_within(milliseconds).map(answer_in)
    }

    /// The answer to `request`, if it comes within `patience` and before `is_over`. Otherwise the
    /// request may have been carried out or not, or will be later; its answer finds nobody.
    #[track_caller]
    pub(crate) fn ask(
        &mut self,
        request: &Value,
        patience: Duration,
        is_over: impl Fn() -> bool,
    ) -> Option<Value> {
        let asked = Instant::now();
        self.send(request);
        loop {
            // Looked at first: what arrived before it was over is an answer.
            let is_last = is_over() || asked.elapsed() >= patience;
            let glance = patience.saturating_sub(asked.elapsed()).min(GLANCE);
            if let Some(answer) = self.answer_within(glance.as_millis() as i64) {
                return Some(answer);
            }
            if is_last {
                self.peer = peer(&self.endpoint, &self.transcript);
                return None;
            }
        }
    }
}

#[track_caller]
fn peer(endpoint: &str, transcript: &Transcript) -> Peer {
    Peer::connect("impatient", zmq::DEALER, endpoint, transcript)
}
