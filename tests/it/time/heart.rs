//! Services that are alive: they send their heartbeats, whether anybody listens or not.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Endpoints, Peer, Registry, Transcript};

/// The time from one heartbeat of a service to the next.
const BEAT: Duration = Duration::from_millis(300);

/// Beats for some services until it is stopped.
pub(super) struct Heart {
    stop: Sender<()>,
    thread: JoinHandle<Vec<Value>>,
}

impl Heart {
    pub(super) fn start(registry: &Registry, ids: &[String]) -> Self {
        Self::start_at(registry.endpoints(), ids)
    }

    pub(super) fn start_at(endpoints: &Endpoints, ids: &[String]) -> Self {
        let bodies: Vec<String> = ids.iter().map(|id| heartbeat(id)).collect();
        let endpoint = endpoints.heartbeats.clone();
        let (stop, stopped) = channel();
        let thread = thread::spawn(move || {
            let peer = Peer::connect("heart", zmq::DEALER, &endpoint, &Transcript::default());
            let mut sent = 0;
            while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                bodies.iter().for_each(|body| peer.send(&[body]));
                sent += bodies.len();
            }
            // Not one is lost, however long it queued.
            let answers = (0..sent).map(|_| serde_json::from_slice(&peer.receive()[0]).unwrap());
            answers.collect()
        });
        Self { stop, thread }
    }

    /// Stops it, and expects that every heartbeat was welcome.
    #[track_caller]
    pub(super) fn stop(self) {
        drop(self.stop);
        let answers = self.thread.join().expect("every heartbeat is answered");
        assert!(!answers.is_empty(), "it was beating");
        for answer in answers {
            assert_eq!(answer["success"], true, "{answer}");
        }
    }
}

/// One heartbeat.
pub(super) fn heartbeat(id: &str) -> String {
    json!({"action": "renew", "service_id": id}).to_string()
}
