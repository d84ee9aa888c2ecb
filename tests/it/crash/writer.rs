//! One client that registers, replaces, renews and deregisters services of its own, several
//! requests at a time, with types to have alone or to share, and knows what it was told.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::json;

use super::picture::{Picture, Write, address_of};
use crate::support::{DEADLINE, Impatient, Transcript};

/// How long an answer is waited for before the writer looks whether the registry is dead.
const PATIENCE_MILLISECONDS: i64 = 20;

/// How many requests are on their way at once, at the most.
const WINDOW_MAX: usize = 16;

/// A client that changes services of its own, and remembers what it was told of them.
pub(super) struct Writer {
    prefix: String,
    services: u64,
    chance: fastrand::Rng,
    version: u64,
    /// All that was acknowledged, in the order in which it was.
    acknowledged: Picture,
    /// What was sent later and is not answered, in the order in which it was sent.
    unanswered: VecDeque<Request>,
    acknowledgements: u64,
}

enum Request {
    Write(Write),
    Renew { id: String },
}

/// What a crash test did.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) kills: u64,
    pub(super) acknowledged: u64,
    pub(super) unanswered: u64,
    /// How many of those without an answer were carried out.
    pub(super) carried_out: u64,
    /// How many services took the place of one that was not heard since a restart.
    pub(super) heirs: u64,
}

impl Writer {
    pub(super) fn new(number: usize, services: u64, chance: fastrand::Rng) -> Self {
        Self {
            prefix: format!("writer-{number}-"),
            services,
            chance,
            version: 0,
            acknowledged: Picture::default(),
            unanswered: VecDeque::new(),
            acknowledgements: 0,
        }
    }

    /// Keeps the registry busy until it is killed, and then takes what answers had left it.
    pub(super) fn write_until(&mut self, requests: &str, killed: &AtomicBool) {
        let from = format!("tcp://{}:0;", address_of(&self.prefix));
        let requests = requests.replacen("tcp://", &from, 1);
        let client = Impatient::connect(&requests, &Transcript::default());
        let window = self.chance.usize(1..=WINDOW_MAX);
        let mut last_answer = Instant::now();
        loop {
            let is_killed = killed.load(Ordering::Acquire);
            while !is_killed && self.unanswered.len() < window {
                let request = self.next_request();
                client.send(&request.message());
                self.unanswered.push_back(request);
            }
            if let Some(answer) = client.answer_within(PATIENCE_MILLISECONDS) {
                let request = self.unanswered.pop_front().expect("one answer to a request");
                let success = self.take_in(&request);
                assert_eq!(answer["success"], success, "{}: {answer}", request.message());
                last_answer = Instant::now();
            } else if is_killed {
                return;
            } else {
                assert!(last_answer.elapsed() < DEADLINE, "it neither answers nor is it dead");
            }
        }
    }

    /// Finds what happened to the requests without an answer. The requests of one client are
    /// carried out in their order, so it must have been some of the first of them.
    #[track_caller]
    pub(super) fn explain(&mut self, found: &Picture) -> Counts {
        let found = found.part(&self.prefix);
        let acknowledged = self.acknowledged.clone();
        let unanswered: Vec<Write> =
            self.unanswered.drain(..).filter_map(Request::into_write).collect();
        let mut carried_out = 0;
        while self.acknowledged != found {
            let Some(write) = unanswered.get(carried_out) else {
                panic!("found {found:?}\nacknowledged {acknowledged:?}\nunanswered {unanswered:?}");
            };
            self.acknowledged.take_in(write);
            carried_out += 1;
        }
        Counts {
            kills: 0,
            acknowledged: std::mem::take(&mut self.acknowledgements),
            unanswered: unanswered.len() as u64,
            carried_out: carried_out as u64,
            heirs: 0,
        }
    }

    fn next_request(&mut self) -> Request {
        let id = format!("{}{}", self.prefix, self.chance.u64(..self.services));
        match self.chance.u8(..8) {
            0 => Request::Renew { id },
            1 | 2 => Request::Write(Write::Deregister { id }),
            _ => {
                self.version += 1;
                Request::Write(Write::Register { id, version: self.version })
            }
        }
    }

    /// Whether an answered request must have succeeded.
    fn take_in(&mut self, request: &Request) -> bool {
        match request {
            Request::Renew { id } => self.acknowledged.knows(id),
            Request::Write(write) => {
                let success = self.acknowledged.take_in(write);
                self.acknowledgements += 1;
                success
            }
        }
    }
}

impl Request {
    fn message(&self) -> serde_json::Value {
        match self {
            Self::Write(write) => write.request(),
            Self::Renew { id } => json!({"action": "renew", "service_id": id}),
        }
    }

    fn into_write(self) -> Option<Write> {
        match self {
            Self::Write(write) => Some(write),
            Self::Renew { .. } => None,
        }
    }
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.acknowledged += other.acknowledged;
        self.unanswered += other.unanswered;
        self.carried_out += other.carried_out;
        self.heirs += other.heirs;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} kills, {} writes acknowledged, {} unanswered of which {} were carried out, \
             {} services in the place of silent ones",
            self.kills, self.acknowledged, self.unanswered, self.carried_out, self.heirs
        )
    }
}
