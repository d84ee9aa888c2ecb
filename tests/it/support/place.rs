//! A registry that is started again at the same endpoints.

use service_registry::client::{AsyncRegistryClient, RegistryClient, RegistryEndpoints};

use super::{DEADLINE, Endpoints, Launch, Registry, port_of};

/// The endpoints and the folder of a registry that comes and goes.
pub(crate) struct Place {
    launch: Launch,
    endpoints: Endpoints,
}

impl Place {
    /// A registry, and the place where it can be started again when it is gone.
    #[track_caller]
    pub(crate) fn start() -> (Self, Registry) {
        Self::start_with(Launch::new())
    }

    #[track_caller]
    pub(crate) fn start_with(launch: Launch) -> (Self, Registry) {
        let registry = launch.start();
        let endpoints = registry.endpoints().clone();
        let port = |endpoint: &str| port_of(endpoint).to_string();
        let launch = launch
            .flag("--req-port", &port(&endpoints.requests))
            .flag("--pub-port", &port(&endpoints.events))
            .flag("--hb-port", &port(&endpoints.heartbeats));
        (Self { launch, endpoints }, registry)
    }

    /// Starts the next registry here.
    #[track_caller]
    pub(crate) fn start_again(&self) -> Registry {
        self.launch.start()
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// A client of whichever registry is here.
    #[track_caller]
    pub(crate) fn client(&self) -> RegistryClient {
        client_of(&self.endpoints)
    }

    /// The endpoints, as clients are set up with them.
    #[track_caller]
    pub(crate) fn client_endpoints(&self) -> RegistryEndpoints {
        client_endpoints(&self.endpoints)
    }

    /// As [`Self::client`], for futures.
    #[track_caller]
    pub(crate) fn async_client(&self) -> AsyncRegistryClient {
        AsyncRegistryClient::with_endpoints(client_endpoints(&self.endpoints)).unwrap()
    }

    /// A client that hears events from elsewhere.
    #[track_caller]
    pub(crate) fn client_with_events_from(&self, events: &str) -> RegistryClient {
        let endpoints = Endpoints { events: events.to_owned(), ..self.endpoints.clone() };
        client_of(&endpoints)
    }
}

/// A client that is as patient as the tests are.
#[track_caller]
fn client_of(endpoints: &Endpoints) -> RegistryClient {
    let endpoints = client_endpoints(endpoints);
    RegistryClient::builder().endpoints(endpoints).request_timeout(DEADLINE).build()
}

#[track_caller]
fn client_endpoints(endpoints: &Endpoints) -> RegistryEndpoints {
    RegistryEndpoints::parse(&endpoints.requests, &endpoints.events, &endpoints.heartbeats)
        .expect("a registry's endpoints are endpoints")
}
