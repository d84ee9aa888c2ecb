//! What `top` asks the registry beside its watch: how old the heartbeats are, again and again,
//! and to deregister a service.
//!
//! A thread of its own, because an answer may be long in coming and the keyboard must not wait.
//! It ends when its [`Feed`] is dropped and the question under way is over.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryIter, bounded};
use serde_json::Value;
use service_registry::client::{Health, Service};
use service_registry::clock::WallTime;

use crate::cli::failure::Failure;
use crate::cli::registry::Registry;

/// How much waits in either direction. More than one person asks for.
const WAITING_MAX: usize = 64;

/// The thread, seen from the screen.
pub(super) struct Feed {
    orders: Sender<String>,
    news: Receiver<News>,
}

/// What the registry said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum News {
    /// How its services are.
    Signs {
        /// Of each, in any order.
        signs: Vec<Sign>,
        /// The time on the registry's clock.
        now: WallTime,
        /// When that was, on this host's.
        at: Instant,
    },
    /// It did not tell how they are.
    NoSigns(String),
    /// What came of deregistering a service.
    Deregistered {
        /// Which one.
        id: String,
        /// Why it was not done, where it was not.
        refusal: Option<String>,
    },
}

/// A service's sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sign {
    pub(super) id: String,
    pub(super) last_heartbeat: WallTime,
    pub(super) is_critical: bool,
}

impl Feed {
    /// Starts to ask `registry` at every `interval`.
    pub(super) fn start(registry: Registry, interval: Duration) -> io::Result<Self> {
        let (orders, taken) = bounded(WAITING_MAX);
        let (told, news) = bounded(WAITING_MAX);
        thread::Builder::new()
            .name("top-feed".to_owned())
            .spawn(move || run(registry, interval, &taken, &told))?;
        Ok(Self { orders, news })
    }

    /// Has the service deregistered.
    pub(super) fn deregister(&self, id: String) {
        // Full only while the registry is silent, and then nothing of it would come true.
        let _ = self.orders.try_send(id);
    }

    /// What has come in.
    pub(super) fn news(&self) -> TryIter<'_, News> {
        self.news.try_iter()
    }
}

fn run(mut registry: Registry, interval: Duration, orders: &Receiver<String>, told: &Sender<News>) {
    loop {
        let signs = signs(&mut registry).unwrap_or_else(|failure| News::NoSigns(failure.chain()));
        if told.send(signs).is_err() {
            return;
        }
        match orders.recv_timeout(interval) {
            Ok(id) => {
                let asked = registry.ask("deregister", &[("service_id", &id)]);
                let refusal = asked.err().map(|failure| failure.chain());
                if told.send(News::Deregistered { id, refusal }).is_err() {
                    return;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn signs(registry: &mut Registry) -> Result<News, Failure> {
    let reply = registry.ask("list", &[])?;
    let signs = registry.services(&reply)?.iter().filter_map(sign).collect();
    let now = registry.now()?;
    Ok(News::Signs { signs, now, at: Instant::now() })
}

fn sign(service: &Value) -> Option<Sign> {
    let Service { id, last_heartbeat, health, .. } = Service::from_json(service)?;
    Some(Sign { id, last_heartbeat, is_critical: health == Health::Critical })
}
