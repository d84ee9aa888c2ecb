//! Random walks of a registry and a follower, with events that are lost or late, restarts, and
//! times without an answer. Each walk has a number, its seed, which a failure names.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::client::events::Event;
use crate::client::service::{HealthReport, Sequence, Service, WallTime};
use crate::client::watch::backlog::Backlog;
use crate::client::watch::change::Change;
use crate::client::watch::follower::{Ask, Follower, Next, Pace};
use crate::client::watch::picture::Picture;

use super::samples::{deregister, expire, list, register, service};

const WALKS: u64 = 200;
const STEPS: usize = 300;

const PACE: Pace = Pace {
    check: Duration::from_secs(1),
    grace: Duration::from_millis(100),
    list: Duration::from_millis(20),
    list_timeout: Duration::from_secs(2),
};

/// A registry in its simplest form, which remembers how it was at every event.
struct Model {
    random: Rng,
    epoch: u64,
    seq: u64,
    services: Vec<Service>,
    history: HashMap<(String, u64), Vec<Service>>,
    /// Every change that there was.
    changes: usize,
    /// Events on their way to the follower.
    wire: VecDeque<Event>,
    /// How many of a hundred events are lost.
    loss: u8,
}

impl Model {
    fn new(random: Rng, loss: u8) -> Self {
        let mut model = Self {
            random,
            epoch: 0,
            seq: 0,
            services: Vec::new(),
            history: HashMap::new(),
            changes: 0,
            wire: VecDeque::new(),
            loss,
        };
        model.remember();
        model
    }

    fn epoch(&self) -> String {
        format!("epoch {}", self.epoch)
    }

    fn step(&mut self) {
        let id = format!("service-{}", self.random.u8(..8));
        let known = self.services.iter().position(|service| service.id == id);
        match (self.random.u8(..5), known) {
            (0..3, _) => self.register(&id, known),
            (3, Some(at)) => self.remove(at, deregister),
            (4, Some(at)) => self.remove(at, expire),
            _ => {}
        }
    }

    fn register(&mut self, id: &str, known: Option<usize>) {
        let kind = if self.random.bool() { "A" } else { "B" };
        let new = Service { port: self.random.u16(1..3), ..service(id, kind) };
        let event = register(&self.epoch(), self.seq + 1, &new);
        match known {
            Some(at) => {
                self.changes += usize::from(self.services[at] != new);
                self.services[at] = new;
            }
            None => {
                self.changes += 1;
                self.services.push(new);
            }
        }
        self.publish(event);
    }

    fn remove(&mut self, at: usize, event: fn(&str, u64, &str) -> Event) {
        let gone = self.services.remove(at);
        self.changes += 1;
        let event = event(&self.epoch(), self.seq + 1, &gone.id);
        self.publish(event);
    }

    fn publish(&mut self, event: Event) {
        self.seq += 1;
        self.remember();
        if self.random.u8(..100) >= self.loss {
            self.wire.push_back(event);
        }
    }

    /// Starts anew; whoever fell silent meanwhile may be gone without a word.
    fn restart(&mut self) {
        self.epoch += 1;
        self.seq = 0;
        let random = &mut self.random;
        self.services.retain(|_| random.u8(..10) > 0);
        self.remember();
    }

    fn remember(&mut self) {
        self.history.insert((self.epoch(), self.seq), self.services.clone());
    }
}

/// A follower of a model, and a user who takes the changes.
struct Walk {
    model: Model,
    follower: Follower,
    backlog: Backlog,
    wanted: Option<String>,
    now: Instant,
    /// What the changes that were taken add up to.
    told: HashMap<String, Arc<Service>>,
    changes: usize,
}

impl Walk {
    fn new(seed: u64, wanted: Option<&str>, loss: u8, room: usize) -> Self {
        let now = Instant::now();
        let wanted = wanted.map(str::to_owned);
        let picture = Picture::new(wanted.clone());
        let follower = Follower::new(picture, PACE, Rng::with_seed(seed), now);
        Self {
            model: Model::new(Rng::with_seed(seed), loss),
            follower,
            backlog: Backlog::with_room(room),
            wanted,
            now,
            told: HashMap::new(),
            changes: 0,
        }
    }

    /// Hands over some of the events that are on their way.
    fn deliver(&mut self, events: usize) {
        for _ in 0..events.min(self.model.wire.len()) {
            let event = self.model.wire.pop_front().unwrap();
            self.backlog.push(self.follower.on_event(&event));
        }
    }

    /// Lets the follower ask what it wants to ask now.
    fn ask(&mut self, is_silent: bool) {
        for _ in 0..10 {
            let Next::Ask(ask) = self.follower.next(self.now) else { return };
            if is_silent {
                self.follower.on_silence(ask, self.now, self.now);
                continue;
            }
            let (epoch, seq) = (self.model.epoch(), self.model.seq);
            match ask {
                Ask::List => {
                    let services = self.wanted_of(&self.model.services);
                    let took = Duration::from_millis(1);
                    let list = list(&epoch, seq, services);
                    self.backlog.push(self.follower.on_list(list, took, self.now));
                }
                Ask::Health => {
                    let timestamp = WallTime::from_unix_seconds(0);
                    let sequence = Some(Sequence { epoch, seq });
                    let report = HealthReport {
                        status: "ok".to_owned(),
                        timestamp,
                        sequence,
                        in_contact: None,
                        trouble: None,
                    };
                    self.follower.on_health(report, self.now);
                }
            }
        }
        panic!("it asks again and again");
    }

    /// Takes changes as a user does who keeps a table.
    fn take(&mut self, changes: usize) {
        for _ in 0..changes {
            let Some(change) = self.backlog.pop() else { return };
            self.changes += 1;
            let id = change.service().id.clone();
            let known = self.told.remove(&id);
            match change {
                Change::Registered(service) => {
                    assert_eq!(known, None, "{id} is told once");
                    self.told.insert(id, service);
                }
                Change::Changed { before, now } => {
                    assert_eq!(known, Some(Arc::clone(&before)), "{id} follows what was told");
                    assert_ne!(before, now, "{id} did change");
                    self.told.insert(id, now);
                }
                Change::Removed { service, .. } => {
                    assert_eq!(known, Some(service), "{id} was told of before");
                }
            }
        }
    }

    /// The picture is the registry as it was at one of its events.
    fn assert_consistent(&self) {
        let Some(Sequence { epoch, seq }) = self.follower.picture().sequence() else { return };
        let there = &self.model.history[&(epoch.clone(), *seq)];
        self.assert_shows(there);
    }

    /// After a quiet time nothing is missing, however it was lost.
    fn assert_complete(&mut self) {
        self.deliver(usize::MAX);
        for _ in 0..40 {
            self.now += Duration::from_millis(100);
            self.ask(false);
        }
        self.assert_shows(&self.model.services);
        self.take(usize::MAX);
        let told: Vec<Service> = self.told.values().map(|service| (**service).clone()).collect();
        assert_eq!(by_id(told), by_id(self.wanted_of(&self.model.services)), "it adds up");
    }

    #[track_caller]
    fn assert_shows(&self, services: &[Service]) {
        let shown = self.follower.picture().services();
        let shown: Vec<Service> = shown.map(|service| (**service).clone()).collect();
        let wanted = self.wanted_of(services);
        match self.wanted {
            None => assert_eq!(shown, wanted),
            // A service that comes back to the type comes last, wherever it is among all.
            Some(_) => assert_eq!(by_id(shown), by_id(wanted)),
        }
    }

    fn wanted_of(&self, services: &[Service]) -> Vec<Service> {
        let is_wanted = |service: &&Service| {
            self.wanted.as_deref().is_none_or(|wanted| service.matches(wanted))
        };
        services.iter().filter(is_wanted).cloned().collect()
    }
}

fn by_id(mut services: Vec<Service>) -> Vec<Service> {
    services.sort_by(|one, other| one.id.cmp(&other.id));
    services
}

#[test]
fn whatever_is_lost_the_picture_is_consistent_and_what_was_told_adds_up() {
    for seed in 0..WALKS {
        println!("seed {seed}");
        let mut random = Rng::with_seed(seed + WALKS);
        let wanted = (seed % 2 == 1).then_some("A");
        let mut walk = Walk::new(seed, wanted, random.u8(..60), random.usize(2..20));

        for _ in 0..STEPS {
            match random.u8(..40) {
                0 => walk.model.restart(),
                1..25 => walk.model.step(),
                _ => {}
            }
            walk.deliver(random.usize(..4));
            walk.now += Duration::from_millis(random.u64(..120));
            walk.ask(random.u8(..10) == 0);
            walk.assert_consistent();
            walk.take(random.usize(..3));
        }

        walk.assert_complete();
    }
}

#[test]
fn where_nothing_is_lost_every_single_change_is_told() {
    for seed in 0..WALKS {
        println!("seed {seed}");
        let mut random = Rng::with_seed(seed + WALKS);
        let mut walk = Walk::new(seed, None, 0, usize::MAX / 2);
        walk.ask(false);

        for _ in 0..STEPS {
            walk.model.step();
            walk.deliver(random.usize(..4));
            walk.now += Duration::from_millis(random.u64(..10));
            walk.ask(false);
            walk.assert_consistent();
        }

        walk.assert_complete();
        assert_eq!(walk.changes, walk.model.changes);
    }
}
