//! The server: its threads, and how they start and stop.
//!
//! Each thread is in a file of its own, whose header says what it owns, receives and sends, and
//! when it ends; `docs/architecture.md` has a table of all files. A start goes through `loading`,
//! which makes the registry of what is kept, `sockets`, which opens all of them, `wiring`, which
//! makes the threads, and `pipeline`, which starts them, and stops them in the end. `messages` is
//! what they say to each other. This file is what a program that embeds a registry sees of it.
//! It takes the feature `server`.

use std::net::SocketAddr;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::access::{AllowList, KnownKeys};
use crate::backend::shared::SharedStore;
use crate::backend::{Backend, MemoryBackend, SqliteBackend, etcd};
use crate::config::{BackendKind, BindAddress, Config};
use crate::curve::{self, KeyPair};

mod answer;
mod asker;
mod contact;
mod descriptors;
mod doors;
mod error;
mod events;
mod follower;
mod gatekeeper;
mod guard;
mod handed_over;
mod heartbeats;
mod herald;
mod http;
mod journal;
mod keeper;
mod lanes;
mod loading;
mod memory;
mod messages;
mod pipeline;
mod recent_events;
mod refusals;
mod requests;
mod rules;
mod shared;
mod sock_diag;
mod sockets;
mod statistics;
mod storage;
mod storage_health;
mod thread;
mod timer;
mod transport;
mod vitals;
mod waiting;
mod wiring;

pub use descriptors::raise_descriptor_limit;
pub use error::{ServerError, SocketError, StartError};
pub use vitals::Vitals;

use doors::Doors;
use loading::Loaded;
use pipeline::Pipeline;
use sockets::{Sockets, probe_all, resolve};
use wiring::Materials;

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

/// Says who may connect to a running server, from any thread.
#[derive(Debug, Clone)]
pub struct AllowHandle(Doors);

impl AllowHandle {
    /// Lets those in `allow` in from now on, and nobody else. Requests and heartbeats of others are
    /// refused at once, and their connections closed soon after.
    pub fn set(&self, allow: AllowList) {
        self.0.set_allow(allow);
    }

    /// Lets the owners of `keys` in from now on, and nobody else. Requests and heartbeats of others
    /// are refused at once. Where a key was taken away all subscriptions are closed; those who may
    /// subscribe again do so by themselves. False, and nothing changes, where the server was
    /// started without keys.
    #[must_use]
    pub fn set_keys(&self, keys: KnownKeys) -> bool {
        self.0.set_keys(keys)
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
    http: Option<SocketAddr>,
    doors: Doors,
    vitals: Vitals,
    pipeline: Pipeline,
}

impl Server {
    /// Starts a registry on the backend that `config` names. When this returns, the services are
    /// loaded, the sockets are bound and the threads run.
    ///
    /// # Errors
    /// [`StartError`]; then nothing is left running.
    pub fn start(config: Config) -> Result<Self, StartError> {
        config.validate()?;
        // Before a database is made in vain.
        own_keys(&config)?;
        probe_all(&config)?;
        let backend: Box<dyn Backend> = match config.backend {
            BackendKind::Sqlite => {
                let backend = SqliteBackend::open(&config.db_path)?;
                Box::new(backend.with_durability(config.durability)?)
            }
            BackendKind::Memory => Box::new(MemoryBackend),
            BackendKind::Etcd => {
                let name = config.cluster_name();
                let shared = etcd::open(&config.etcd, &name).map_err(StartError::Cluster)?;
                return Self::start_with_shared_backend(config, shared);
            }
        };
        Self::start_with_backend(config, backend)
    }

    /// Starts a registry on a backend of one's own, whatever `config.backend` names.
    ///
    /// # Errors
    /// [`StartError`]; then nothing is left running.
    pub fn start_with_backend(
        config: Config,
        backend: Box<dyn Backend>,
    ) -> Result<Self, StartError> {
        config.validate()?;
        let keys = own_keys(&config)?;
        let loaded = Loaded::own(&config, backend).map_err(StartError::Load)?;
        Self::start_loaded(&config, keys.as_ref(), loaded)
    }

    /// Starts a registry on a list that it shares with others, whatever `config.backend` names.
    ///
    /// # Errors
    /// [`StartError`]; then nothing is left running.
    pub fn start_with_shared_backend(
        config: Config,
        shared: SharedStore,
    ) -> Result<Self, StartError> {
        config.validate()?;
        let keys = own_keys(&config)?;
        let loaded = Loaded::shared(&config, shared).map_err(StartError::Load)?;
        Self::start_loaded(&config, keys.as_ref(), loaded)
    }

    fn start_loaded(
        config: &Config,
        keys: Option<&KeyPair>,
        loaded: Loaded,
    ) -> Result<Self, StartError> {
        let services = loaded.registry.len();
        let address = resolve(&config.bind)?;
        let sockets = Sockets::open(config, &address, keys)?;
        let (endpoints, http) = (sockets.endpoints(), sockets.http_address());
        let doors = Doors::new(config);
        let (stop, stop_requested) = bounded(1);
        let stop_handle = StopHandle(stop);
        let (pipeline, vitals) = Pipeline::start(Materials {
            sockets,
            loaded,
            doors: doors.clone(),
            cleanup_interval: config.cleanup_interval,
            limits: config.limits,
            stop: stop_handle.clone(),
        })?;

        log::info!("listening; services loaded: {services}");
        if let Some(http) = http {
            log::info!("metrics and a page at http://{http}/");
        }
        if let (Some(keys), Some(curve)) = (keys, &config.curve) {
            let (public, clients) = (keys.public, curve.clients.len());
            log::info!("encrypted, with the public key {public}; {clients} keys may connect");
        }
        warn_of_open_doors(config, &address);
        Ok(Self { endpoints, stop_handle, stop_requested, http, doors, vitals, pipeline })
    }

    /// Where the server listens.
    #[must_use]
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Where it serves metrics and a page over HTTP, with the port resolved; none, where it does
    /// not.
    #[must_use]
    pub const fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// A handle by which any thread can ask the server to stop.
    #[must_use]
    pub fn stop_handle(&self) -> StopHandle {
        self.stop_handle.clone()
    }

    /// A handle by which any thread can say who may connect.
    #[must_use]
    pub fn allow_handle(&self) -> AllowHandle {
        AllowHandle(self.doors.clone())
    }

    /// How the server is doing, for any thread that watches over it.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        self.vitals.clone()
    }

    /// Waits until the server is asked to stop, by a handle or by a client, or until one of its
    /// threads fails; then stops it. What was accepted is answered, stored and published first.
    ///
    /// # Errors
    /// [`ServerError`], if the server ended because something failed.
    pub fn wait(self) -> Result<(), ServerError> {
        self.wait_and_tell(|| ())
    }

    /// As [`Self::wait`], and calls `stopping` when the server begins to stop.
    ///
    /// # Errors
    /// [`ServerError`], if the server ended because something failed.
    pub fn wait_and_tell(mut self, stopping: impl FnOnce()) -> Result<(), ServerError> {
        let ended = select! {
            recv(self.stop_requested) -> _ => None,
            recv(self.pipeline.ended()) -> ended => ended.ok(),
        };
        log::info!("stopping");
        stopping();
        let stopped = self.pipeline.stop();
        log::info!("stopped");
        match ended {
            Some(failed) if failed.result.is_err() => Err(failed.into()),
            // A thread that is done because another one failed can be heard before that one.
            Some(done) => Err(stopped.err().unwrap_or(done).into()),
            None => stopped.map_err(ServerError::from),
        }
    }

    /// Stops the server. What was accepted is answered, stored and published first.
    ///
    /// # Errors
    /// [`ServerError`], if something failed on the way.
    pub fn stop(self) -> Result<(), ServerError> {
        self.stop_handle.stop();
        self.wait()
    }
}

/// The keys of a server that takes keys. Where they cannot be used there is no server: it never
/// runs open instead.
fn own_keys(config: &Config) -> Result<Option<KeyPair>, StartError> {
    let Some(curve) = &config.curve else { return Ok(None) };
    curve::check_available().map_err(StartError::NoCurve)?;
    Ok(Some(KeyPair::load(&curve.key_file)?))
}

/// To listen beyond this host is a decision, and to let everybody in another one.
fn warn_of_open_doors(config: &Config, address: &BindAddress) {
    let is_reachable = !address.ip().is_some_and(|address| address.is_loopback());
    if is_reachable && config.allow.is_everybody() && config.curve.is_none() {
        log::warn!(
            "everybody who reaches {address} may register and deregister services; name the \
             networks that may, with `allow`"
        );
    }
    if let Some(http) = config.http
        && !http.ip().is_loopback()
        && config.allow.is_everybody()
    {
        log::warn!(
            "everybody who reaches {http} can see what is registered; name the networks that may, \
             with `allow`"
        );
    }
}
