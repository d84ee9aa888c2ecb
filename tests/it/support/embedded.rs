//! A registry inside the test's own process, with a backend of the test's.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use service_registry::backend::Backend;
use service_registry::config::Config;
use service_registry::limits::{Limit, Limits};
use service_registry::server::{Server, ServerError, StopHandle};

use super::{
    Client, DEADLINE, Endpoints, Gate, HeartbeatClient, ScriptedBackend, Subscriber, Transcript,
    has_a_limit, registration,
};

/// A server that runs on ports picked by the system and cleans up only when it must.
pub(crate) struct Embedded {
    server: Option<Server>,
    endpoints: Endpoints,
    transcript: Transcript,
}

/// The settings of every embedded server, which shares its process, and so its memory, with those
/// of all other tests.
pub(crate) fn embedded_config() -> Config {
    let (_, most) = Limit::MemoryBytes.range();
    Config {
        limits: Limits::default().with(Limit::MemoryBytes, most).expect("it is in the range"),
        req_port: 0,
        pub_port: 0,
        hb_port: 0,
        cleanup_interval: Duration::from_secs(3_600),
        ..Config::default()
    }
}

impl Embedded {
    #[track_caller]
    pub(crate) fn start(backend: ScriptedBackend) -> Self {
        Self::start_with(embedded_config(), backend)
    }

    #[track_caller]
    pub(crate) fn start_cleaning_up_every_second(backend: ScriptedBackend) -> Self {
        let cleanup_interval = Duration::from_secs(1);
        Self::start_with(Config { cleanup_interval, ..embedded_config() }, backend)
    }

    /// On any backend.
    #[track_caller]
    pub(crate) fn start_on(backend: impl Backend + 'static) -> Self {
        Self::start_with(embedded_config(), backend)
    }

    #[track_caller]
    pub(crate) fn start_with(config: Config, backend: impl Backend + 'static) -> Self {
        has_a_limit();
        let server = Server::start_with_backend(config, Box::new(backend)).expect("it starts");
        let endpoints = server.endpoints();
        let endpoints = Endpoints {
            requests: endpoints.requests.clone(),
            events: endpoints.events.clone(),
            heartbeats: endpoints.heartbeats.clone(),
        };
        Self { server: Some(server), endpoints, transcript: Transcript::default() }
    }

    /// With these limits, on a disk that stands still until `gate` is opened; with the client whose
    /// registration waits for it.
    #[track_caller]
    pub(crate) fn start_stuck(limits: &str, gate: &Gate) -> (Self, Client) {
        let limits = embedded_config().limits.with_text(limits).expect("they are limits");
        let config = Config { limits, ..embedded_config() };
        let server = Self::start_with(config, ScriptedBackend::behind(gate));
        gate.close();
        let first = server.client();
        first.send(&registration("first", ""));
        gate.wait_for_arrival();
        (server, first)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.endpoints.requests, &self.transcript)
    }

    pub(crate) fn heartbeat_client(&self) -> HeartbeatClient {
        HeartbeatClient::connect(&self.endpoints.heartbeats, &self.transcript)
    }

    /// A subscriber whose subscription is active. Its probes are commits like any other.
    #[track_caller]
    pub(crate) fn subscriber(&self) -> Subscriber {
        Subscriber::connect(&self.endpoints, &self.transcript)
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Where it is looked at over HTTP.
    #[track_caller]
    pub(crate) fn http(&self) -> SocketAddr {
        self.server.as_ref().and_then(Server::http).expect("it runs, with HTTP")
    }

    pub(crate) fn stop_handle(&self) -> StopHandle {
        self.server.as_ref().expect("it runs").stop_handle()
    }

    /// Asks it to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn stop(self) -> Result<(), ServerError> {
        self.stop_handle().stop();
        self.wait()
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn wait(self) -> Result<(), ServerError> {
        self.wait_in_background().wait()
    }

    /// Asks it to stop, which takes until the test opens a gate.
    pub(crate) fn stop_in_background(self) -> Ending {
        self.stop_handle().stop();
        self.wait_in_background()
    }

    fn wait_in_background(mut self) -> Ending {
        let server = self.server.take().expect("it runs");
        let (sender, outcome) = channel();
        let waiter = thread::spawn(move || {
            // Where nobody listens, the test has failed already.
            let _ = sender.send(server.wait());
        });
        Ending { outcome, waiter, _server: self }
    }
}

/// The end of a server that is waited for.
pub(crate) struct Ending {
    outcome: Receiver<Result<(), ServerError>>,
    waiter: JoinHandle<()>,
    /// Prints what was said where the test fails.
    _server: Embedded,
}

impl Ending {
    /// How it ended; one that goes on fails the test.
    #[track_caller]
    pub(crate) fn wait(self) -> Result<(), ServerError> {
        let outcome = self.outcome.recv_timeout(DEADLINE).expect("it ends within the deadline");
        self.waiter.join().expect("waiting does not panic");
        outcome
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if thread::panicking() {
            self.transcript.print();
        }
        if let Some(server) = self.server.take() {
            // How it ends is the subject of tests that wait for it.
            let _ = server.stop();
        }
    }
}
