//! The threads and what joins them: wired up and started here, and stopped in the order in which
//! requests pass through them.

use std::io;
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use zmq::Socket;

use crate::backend::Backend;
use crate::clock::Clock;
use crate::limits::Limits;
use crate::mailbox::{Postbox, mailbox};
use crate::protocol::reply::Ports;
use crate::registry::Registry;

use super::StopHandle;
use super::descriptors::{Connections, DescriptorWatch};
use super::doors::Doors;
use super::events::Events;
use super::gatekeeper::Gatekeeper;
use super::guard::Guard;
use super::heard::Heard;
use super::heartbeats::Heartbeats;
use super::http::{Http, Pages};
use super::lanes::Lanes;
use super::memory::{Memory, ProcessMemory};
use super::messages::{EVENTS_WAITING_MAX, REPLIES_WAITING_MAX, Stop, ToRequests};
use super::recent_events::RecentEvents;
use super::requests::Requests;
use super::shared::SharedRegistry;
use super::sockets::Bound;
use super::statistics::Statistics;
use super::storage::{Outage, Storage};
use super::storage_health::StorageHealth;
use super::thread::{Ended, Failure, spawn};
use super::timer::Timer;
use super::vitals::{
    EVENTS, GATEKEEPER, GUARD, HEARTBEATS, HTTP, REQUESTS, STORAGE, TIMER, Vitals, Watch,
};

/// How many threads there are at the most, each with one last word.
const THREADS: usize = 8;

/// What the threads work with.
pub(super) struct Parts {
    pub(super) gatekeeper: Socket,
    pub(super) doors: Doors,
    pub(super) requests: Bound,
    pub(super) events: Bound,
    pub(super) heartbeats: Bound,
    /// None, where HTTP is off.
    pub(super) http: Option<TcpListener>,
    pub(super) backend: Box<dyn Backend>,
    pub(super) registry: Registry,
    pub(super) clock: Clock,
    pub(super) cleanup_interval: Duration,
    pub(super) limits: Limits,
    pub(super) stop: StopHandle,
}

impl Parts {
    const fn ports(&self) -> Ports {
        Ports {
            requests: self.requests.port,
            events: self.events.port,
            heartbeats: self.heartbeats.port,
        }
    }
}

/// The running threads, and what it takes to stop them. Dropping it stops them.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// None when the threads were told to stop.
    controls: Option<Controls>,
    threads: Vec<JoinHandle<()>>,
    last_words: Sender<Ended>,
    ended: Receiver<Ended>,
}

#[derive(Debug)]
struct Controls {
    /// Nobody sends here: the timer and the guard end when this is dropped.
    _clockwork: Sender<()>,
    requests: Postbox<ToRequests>,
    heartbeats: Postbox<Stop>,
    http: Postbox<Stop>,
}

impl Pipeline {
    /// Starts all threads. Should one of them not start, those that did are stopped.
    pub(super) fn start(parts: Parts) -> io::Result<(Self, Vitals)> {
        let ports = parts.ports();
        let registry = SharedRegistry::new(parts.registry);
        let clock = parts.clock;
        // Bounded by the lanes of the request thread. A channel that is bounded itself would take
        // the memory of all the jobs that it has room for at once.
        let (jobs_sender, jobs) = unbounded();
        // One is enough: a second word to clean up says nothing new.
        let (clean_up_sender, clean_up) = bounded(1);
        let (events_sender, events) = bounded(EVENTS_WAITING_MAX);
        let (to_requests, requests_mailbox) = mailbox(REPLIES_WAITING_MAX)?;
        let (to_heartbeats, heartbeats_mailbox) = mailbox(1)?;
        let (to_http, http_mailbox) = mailbox(1)?;
        let (clockwork, clockwork_stop) = bounded(0);
        let (requests_bell, heartbeats_bell) = (to_requests.bell(), to_heartbeats.bell());
        let mut watch = Watch::default();
        let controls = Controls {
            _clockwork: clockwork,
            requests: to_requests.clone(),
            heartbeats: to_heartbeats,
            http: to_http,
        };

        // Made before the parts of the threads, so that it is dropped behind them: the storage
        // thread ends when nobody holds a sender of jobs.
        let mut pipeline = Self::idle(controls);
        let (keeps_gatekeeper, sockets) = mailbox(1)?;
        let doors = parts.doors.clone();
        let pulse = watch.over_mailbox(GATEKEEPER, keeps_gatekeeper.bell());
        let statistics = Statistics::default();
        let heard = Heard::default();
        let gatekeeper = Gatekeeper::new(
            parts.gatekeeper,
            sockets,
            doors,
            Connections::new(&parts.limits),
            statistics.clone(),
            clock.clone(),
            pulse,
        );
        let pulse = watch.over_channels(EVENTS);
        let recent = RecentEvents::new(parts.http.is_some());
        let storage_health = StorageHealth::default();
        let events = Events {
            socket: parts.events.socket,
            events,
            recent: recent.clone(),
            statistics: statistics.clone(),
            pulse,
        };
        let storage = Storage {
            backend: parts.backend,
            registry: registry.clone(),
            clock: clock.clone(),
            ports,
            doors: parts.doors.clone(),
            jobs,
            clean_up,
            replies: to_requests,
            events: events_sender,
            outage: Outage::default(),
            health: storage_health.clone(),
            statistics: statistics.clone(),
            pulse: watch.over_channels(STORAGE),
        };
        let heartbeats = Heartbeats {
            socket: parts.heartbeats.socket,
            mailbox: heartbeats_mailbox,
            registry: registry.clone(),
            clock: clock.clone(),
            ports,
            doors: parts.doors.clone(),
            keeps_storage: jobs_sender.clone(),
            limits: parts.limits,
            heard: heard.clone(),
            statistics: statistics.clone(),
            pulse: watch.over_mailbox(HEARTBEATS, heartbeats_bell),
        };
        let requests = Requests {
            socket: parts.requests.socket,
            mailbox: requests_mailbox,
            jobs: jobs_sender,
            registry: registry.clone(),
            clock: clock.clone(),
            ports,
            doors: parts.doors.clone(),
            stop: parts.stop,
            lanes: Lanes::new(parts.limits),
            limits: parts.limits,
            heard: heard.clone(),
            memory: Memory::new(parts.limits, ProcessMemory::open()),
            statistics: statistics.clone(),
            pulse: watch.over_mailbox(REQUESTS, requests_bell),
        };
        let pages = Pages::new(
            registry.clone(),
            parts.doors.clone(),
            statistics.clone(),
            storage_health,
            recent,
            clock.now(),
        );
        let doors = parts.doors.clone();
        let http = parts
            .http
            .map(|listener| Http::new(listener, http_mailbox, doors, clock.clone(), pages));
        let guard = Guard {
            ports,
            doors: parts.doors.clone(),
            heard,
            limits: parts.limits,
            memory: ProcessMemory::open(),
            statistics: statistics.clone(),
            clock: clock.clone(),
            pulse: watch.over_channels(GUARD),
            stop: clockwork_stop.clone(),
        };
        let timer = Timer {
            clock,
            cleanup_interval: parts.cleanup_interval,
            clean_up: clean_up_sender,
            stop: clockwork_stop,
            statistics: statistics.clone(),
            descriptors: DescriptorWatch::default(),
            pulse: watch.over_clockwork(TIMER),
        };

        pipeline.spawn(GATEKEEPER, || gatekeeper.run())?;
        pipeline.spawn(GUARD, || guard.run())?;
        pipeline.spawn(EVENTS, holding(keeps_gatekeeper.clone(), || events.run()))?;
        pipeline.spawn(STORAGE, || storage.run())?;
        pipeline.spawn(HEARTBEATS, holding(keeps_gatekeeper.clone(), || heartbeats.run()))?;
        pipeline.spawn(REQUESTS, holding(keeps_gatekeeper, || requests.run()))?;
        pipeline.spawn(TIMER, || timer.run())?;
        if let Some(http) = http {
            pipeline.spawn(HTTP, || http.run())?;
        }
        Ok((pipeline, watch.vitals(registry, parts.doors)))
    }

    /// Where each thread that ends says its last word.
    pub(super) const fn ended(&self) -> &Receiver<Ended> {
        &self.ended
    }

    /// Stops the threads and waits for them: no new requests, then the storage thread runs dry,
    /// then the last events leave. The first failure on the way, if there was one.
    pub(super) fn stop(&mut self) -> Result<(), Ended> {
        if let Some(controls) = self.controls.take() {
            controls.requests.send(ToRequests::Stop);
            controls.heartbeats.send(Stop);
            controls.http.send(Stop);
            // Should the storage thread be dead, the mailboxes close now, with their last sender.
        }
        while let Some(thread) = self.threads.pop() {
            // A panic was caught and reported in the thread itself.
            let _ = thread.join();
        }
        self.ended.try_iter().find(|ended| ended.result.is_err()).map_or(Ok(()), Err)
    }

    fn idle(controls: Controls) -> Self {
        let (last_words, ended) = bounded(THREADS);
        Self { controls: Some(controls), threads: Vec::new(), last_words, ended }
    }

    fn spawn(
        &mut self,
        name: &'static str,
        run: impl FnOnce() -> Result<(), Failure> + Send + 'static,
    ) -> io::Result<()> {
        self.threads.push(spawn(name, self.last_words.clone(), run)?);
        Ok(())
    }
}

/// `run`, with a hold on something until it has returned and closed its socket.
fn holding<Held, Run: FnOnce() -> Result<(), Failure>>(
    held: Held,
    run: Run,
) -> impl FnOnce() -> Result<(), Failure> {
    move || {
        let ended = run();
        drop(held);
        ended
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if let Err(Ended { thread, result: Err(reason) }) = self.stop() {
            log::error!("the {thread} thread failed: {reason}");
        }
    }
}
