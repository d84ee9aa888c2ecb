//! The server: its threads, and how they start and stop.
//!
//! Each thread is in a file of its own, whose header says what it owns, receives and sends, and
//! when it ends: [`requests`], [`heartbeats`], [`storage`], [`events`], [`timer`]. What they say
//! to each other is in [`messages`]. This file starts them and stops them.

use std::io;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, select};
use thiserror::Error;
use uuid::Uuid;
use zmq::{Context, SocketType};

use crate::backend::{Backend, BackendError, MemoryBackend, SqliteBackend, SqliteError};
use crate::clock::Clock;
use crate::config::{BackendKind, Config};
use crate::protocol::reply::Ports;
use crate::registry::{Epoch, Registry};

mod answer;
mod events;
mod heartbeats;
mod lanes;
mod mailbox;
mod messages;
mod requests;
mod shared;
mod sockets;
mod storage;
mod thread;
mod timer;

pub use sockets::SocketError;

use events::Events;
use heartbeats::Heartbeats;
use lanes::Lanes;
use mailbox::{Postbox, mailbox};
use messages::{EVENTS_WAITING_MAX, JOBS_WAITING_MAX, REPLIES_WAITING_MAX, Stop, ToRequests};
use requests::Requests;
use shared::SharedRegistry;
use sockets::{Bound, bind};
use storage::{Outage, Storage};
use thread::{Ended, Failure, spawn};
use timer::Timer;

/// How many threads a server has.
const THREADS: usize = 5;

/// Why a server could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The database could not be opened.
    #[error(transparent)]
    Database(#[from] SqliteError),
    /// The backend could not tell what it holds.
    #[error("cannot load the registered services")]
    Load(#[source] BackendError),
    /// A socket could not be opened.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The operating system refused a thread or a pipe.
    #[error("cannot start the server's threads; the limits on processes or open files are too low")]
    Resources(#[from] io::Error),
}

/// Why a server that was running ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// One of its threads could not go on, so the server stopped rather than live on without it.
    #[error("the {thread} thread failed: {reason}")]
    ThreadFailed {
        /// The thread's name.
        thread: &'static str,
        /// Why.
        reason: String,
    },
}

/// Where a server listens, with resolved ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// For requests.
    pub requests: String,
    /// For subscriptions to events.
    pub events: String,
    /// For heartbeats.
    pub heartbeats: String,
}

/// Asks a server to stop, from any thread.
#[derive(Debug, Clone)]
pub struct StopHandle(Sender<()>);

impl StopHandle {
    /// Asks the server to stop, and returns at once. Asking again changes nothing.
    pub fn stop(&self) {
        // Full means that somebody asked before.
        let _ = self.0.try_send(());
    }
}

/// A running registry. Dropping it stops it and waits for its threads.
///
/// ```
/// use service_registry::config::{BackendKind, Config};
/// use service_registry::server::Server;
///
/// let config = Config {
///     req_port: 0,
///     pub_port: 0,
///     hb_port: 0,
///     backend: BackendKind::Memory,
///     ..Config::default()
/// };
/// let server = Server::start(config)?;
/// println!("ask me at {}", server.endpoints().requests);
/// server.stop()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    endpoints: Endpoints,
    stop_handle: StopHandle,
    stop_requested: Receiver<()>,
    ended: Receiver<Ended>,
    pipeline: Option<Pipeline>,
}

/// What it takes to stop the threads.
#[derive(Debug)]
struct Pipeline {
    timer: Sender<()>,
    requests: Postbox<ToRequests>,
    heartbeats: Postbox<Stop>,
    /// In the order in which they end.
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts a registry on the backend that `config` names. When this returns, the services are
    /// loaded, the sockets are bound and the threads run.
    ///
    /// # Errors
    /// [`StartError`]; then nothing is left running.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let backend: Box<dyn Backend> = match config.backend {
            BackendKind::Sqlite => Box::new(SqliteBackend::open(&config.db_path)?),
            BackendKind::Memory => Box::new(MemoryBackend),
        };
        Self::start_with_backend(config, backend)
    }

    /// Starts a registry on a backend of one's own. `config.backend` and `config.db_path` are
    /// not looked at.
    ///
    /// # Errors
    /// [`StartError`]; then nothing is left running.
    pub fn start_with_backend(
        config: Config,
        mut backend: Box<dyn Backend>,
    ) -> Result<Self, StartError> {
        let clock = Clock::start();
        let registry = load(&config, backend.as_mut(), &clock)?;
        let context = Context::new();
        let open =
            |socket_type, purpose, port| bind(&context, socket_type, purpose, &config.bind, port);
        let requests = open(SocketType::ROUTER, "requests", config.req_port)?;
        let events = open(SocketType::PUB, "events", config.pub_port)?;
        let heartbeats = open(SocketType::ROUTER, "heartbeats", config.hb_port)?;
        Ok(Self::run(&config, backend, clock, registry, Sockets { requests, events, heartbeats })?)
    }

    /// Where the server listens.
    #[must_use]
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// A handle by which any thread can ask the server to stop.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop_handle.clone()
    }

    /// Waits until the server is asked to stop, by a handle or by a client, or until one of its
    /// threads fails; then stops it. What was accepted is answered, stored and published first.
    ///
    /// # Errors
    /// [`ServerError`], if the server ended because something failed.
    pub fn wait(mut self) -> Result<(), ServerError> {
        let first = select! {
            recv(self.stop_requested) -> _ => None,
            recv(self.ended) -> ended => ended.ok(),
        };
        let failed = first.map(|ended| match ended.result {
            Err(reason) => ServerError::ThreadFailed { thread: ended.thread, reason },
            Ok(()) => ServerError::ThreadFailed {
                thread: ended.thread,
                reason: "it ended although nobody asked it to".to_owned(),
            },
        });
        let stopped = self.shut_down();
        failed.map_or(stopped, Err)
    }

    /// Stops the server. What was accepted is answered, stored and published first.
    ///
    /// # Errors
    /// [`ServerError`], if something failed on the way.
    pub fn stop(self) -> Result<(), ServerError> {
        self.stop_handle.stop();
        self.wait()
    }

    fn run(
        config: &Config,
        backend: Box<dyn Backend>,
        clock: Clock,
        registry: Registry,
        sockets: Sockets,
    ) -> io::Result<Self> {
        let endpoints = sockets.endpoints();
        let ports = sockets.ports();
        let registry = SharedRegistry::new(registry);
        let (stop, stop_requested) = bounded(1);
        let stop_handle = StopHandle(stop);
        let (ended_sender, ended) = bounded(THREADS);
        let (jobs_sender, jobs) = bounded(JOBS_WAITING_MAX);
        let (clean_up_sender, clean_up) = bounded(1);
        let (events_sender, events) = bounded(EVENTS_WAITING_MAX);
        let (to_requests, requests_mailbox) = mailbox(REPLIES_WAITING_MAX)?;
        let (to_heartbeats, heartbeats_mailbox) = mailbox(1)?;
        let (timer_stop, timer_stopped) = bounded(0);

        // Should a thread not start, the drop of this stops the ones that did.
        let mut server = Self {
            endpoints,
            stop_handle: stop_handle.clone(),
            stop_requested,
            ended,
            pipeline: Some(Pipeline {
                timer: timer_stop,
                requests: to_requests.clone(),
                heartbeats: to_heartbeats,
                threads: Vec::new(),
            }),
        };
        let mut start = |name, run: Box<dyn FnOnce() -> Result<(), Failure> + Send>| {
            let thread = spawn(name, ended_sender.clone(), run)?;
            if let Some(pipeline) = &mut server.pipeline {
                pipeline.threads.push(thread);
            }
            Ok::<(), io::Error>(())
        };

        let events = Events { socket: sockets.events.socket, events };
        let storage = Storage {
            backend,
            registry: registry.clone(),
            clock: clock.clone(),
            ports,
            jobs,
            clean_up,
            replies: to_requests,
            events: events_sender,
            outage: Outage::default(),
        };
        let heartbeats = Heartbeats {
            socket: sockets.heartbeats.socket,
            mailbox: heartbeats_mailbox,
            registry: registry.clone(),
            clock: clock.clone(),
            ports,
            keeps_storage: jobs_sender.clone(),
        };
        let requests = Requests {
            socket: sockets.requests.socket,
            mailbox: requests_mailbox,
            jobs: jobs_sender,
            registry,
            clock: clock.clone(),
            ports,
            stop: stop_handle,
            lanes: Lanes::default(),
        };
        let timer = Timer {
            clock,
            cleanup_interval: config.cleanup_interval,
            clean_up: clean_up_sender,
            stop: timer_stopped,
        };
        start("events", Box::new(|| events.run()))?;
        start("storage", Box::new(|| storage.run()))?;
        start("heartbeats", Box::new(|| heartbeats.run()))?;
        start("requests", Box::new(|| requests.run()))?;
        start("timer", Box::new(|| timer.run()))?;
        Ok(server)
    }

    /// Stops the threads in the order of the pipeline and waits for them: no new requests, then
    /// the storage thread runs dry, then the last events leave.
    fn shut_down(&mut self) -> Result<(), ServerError> {
        let Some(pipeline) = self.pipeline.take() else { return Ok(()) };
        drop(pipeline.timer);
        pipeline.requests.send(ToRequests::Stop);
        pipeline.heartbeats.send(Stop);
        // Should the storage thread be dead, its mailboxes close now that nobody can send.
        drop(pipeline.requests);
        drop(pipeline.heartbeats);
        for thread in pipeline.threads.into_iter().rev() {
            // A panic was caught and reported in the thread itself.
            let _ = thread.join();
        }
        match self.ended.try_iter().find_map(|ended| Some((ended.thread, ended.result.err()?))) {
            Some((thread, reason)) => Err(ServerError::ThreadFailed { thread, reason }),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            log::error!("{error}");
        }
    }
}

struct Sockets {
    requests: Bound,
    events: Bound,
    heartbeats: Bound,
}

impl Sockets {
    fn endpoints(&self) -> Endpoints {
        Endpoints {
            requests: self.requests.endpoint.clone(),
            events: self.events.endpoint.clone(),
            heartbeats: self.heartbeats.endpoint.clone(),
        }
    }

    const fn ports(&self) -> Ports {
        Ports {
            requests: self.requests.port,
            events: self.events.port,
            heartbeats: self.heartbeats.port,
        }
    }
}

fn load(config: &Config, backend: &mut dyn Backend, clock: &Clock) -> Result<Registry, StartError> {
    let epoch = Epoch::new(&Uuid::new_v4().to_string());
    let mut registry = Registry::new(epoch, config.enforce_unique_service_types);
    let stored = backend.load().map_err(StartError::Load)?;
    let now = clock.now();
    for service in stored {
        registry.restore(service.service, service.last_heartbeat, now);
    }
    Ok(registry)
}
