//! Several doors to one registry: to their clients they are registries that share everything they
//! know, the numbers of their events included.

use fastrand::Rng;
use service_registry::client::RegistryEndpoints;

use super::super::counting_proxy::CountingProxy;
use crate::support::{Endpoints, EventProxy};

/// A door to a registry, for requests and for events. Dropped, it is to its clients as if its
/// registry had gone.
pub(super) struct Door {
    questions: CountingProxy,
    events: EventProxy,
}

impl Door {
    #[track_caller]
    pub(super) fn open(registry: &Endpoints) -> Self {
        let events = EventProxy::start(&registry.events, Rng::with_seed(0));
        Self { questions: CountingProxy::open(registry), events }
    }

    pub(super) fn endpoints(&self) -> RegistryEndpoints {
        let events = self.events.endpoint().parse().unwrap();
        RegistryEndpoints { events, ..self.questions.endpoints() }
    }

    /// How many events came through it.
    pub(super) fn passed(&self) -> u64 {
        self.events.passed()
    }
}
