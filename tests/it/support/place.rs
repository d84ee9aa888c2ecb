//! A registry that is started again at the same endpoints.

use std::time::Duration;

use service_registry::client::{
    AsyncRegistryClient, RegistryClient, RegistryClientBuilder, RegistryEndpoints,
};

use super::{Endpoints, Launch, Registry, ReservedPort};

/// How long the clients of these tests wait for an answer. A registry that is there needs nothing
/// like it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The endpoints and the folder of a registry that comes and goes. While it is gone, nobody else
/// listens there.
pub(crate) struct Place {
    launch: Launch,
    endpoints: Endpoints,
    _ports: [ReservedPort; 3],
}

impl Place {
    /// A registry, and the place where it can be started again when it is gone.
    #[track_caller]
    pub(crate) fn start() -> (Self, Registry) {
        Self::start_with(Launch::new())
    }

    #[track_caller]
    pub(crate) fn start_with(launch: Launch) -> (Self, Registry) {
        let ports = [(); 3].map(|()| ReservedPort::new());
        let launch = launch
            .flag("--req-port", &ports[0].text())
            .flag("--pub-port", &ports[1].text())
            .flag("--hb-port", &ports[2].text());
        let registry = launch.start();
        let endpoints = registry.endpoints().clone();
        (Self { launch, endpoints, _ports: ports }, registry)
    }

    /// Starts the next registry here.
    #[track_caller]
    pub(crate) fn start_again(&self) -> Registry {
        self.launch.start()
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// A client of whichever registry is here, as patient as the tests are.
    #[track_caller]
    pub(crate) fn client(&self) -> RegistryClient {
        self.builder().build()
    }

    /// The endpoints, as clients are set up with them.
    #[track_caller]
    pub(crate) fn client_endpoints(&self) -> RegistryEndpoints {
        client_endpoints(&self.endpoints)
    }

    /// As [`Self::client`], for futures.
    #[track_caller]
    pub(crate) fn async_client(&self) -> AsyncRegistryClient {
        self.builder().build_async().unwrap()
    }

    /// A patient client, to be told more of.
    #[track_caller]
    pub(crate) fn builder(&self) -> RegistryClientBuilder {
        builder_of(&self.endpoints)
    }

    /// A client that hears events from elsewhere.
    #[track_caller]
    pub(crate) fn client_with_events_from(&self, events: &str) -> RegistryClient {
        let endpoints = Endpoints { events: events.to_owned(), ..self.endpoints.clone() };
        builder_of(&endpoints).build()
    }
}

#[track_caller]
fn builder_of(endpoints: &Endpoints) -> RegistryClientBuilder {
    let builder = RegistryClient::builder().endpoints(client_endpoints(endpoints));
    builder.request_timeout(PATIENCE).heartbeat_timeout(PATIENCE)
}

#[track_caller]
fn client_endpoints(endpoints: &Endpoints) -> RegistryEndpoints {
    RegistryEndpoints::parse(&endpoints.requests, &endpoints.events, &endpoints.heartbeats)
        .expect("a registry's endpoints are endpoints")
}
