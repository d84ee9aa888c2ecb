//! The state of a service's heartbeats, as its program sees it.

use std::time::Instant;

use crate::client::endpoints::Endpoint;
use crate::client::error::Refusal;

/// The state of the heartbeats of a service.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// let client = RegistryClient::with_endpoints(endpoints);
/// let service = client.register_scoped(&Registration::new("Camera", "localhost", 6110).ttl(1))?;
/// let changes = service.heartbeat_changes();
///
/// client.deregister_service(service.id())?;
///
/// let forgotten = HeartbeatState::ReRegistered(ReRegistration::Forgotten);
/// assert!(changes.iter().any(|state| state == forgotten));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HeartbeatState {
    /// No heartbeats are sent.
    Stopped,
    /// The first heartbeat has not been answered yet.
    Starting,
    /// The registry answered the last one.
    Healthy,
    /// Another registry answered than before, because that was silent or cut off. Heartbeats go
    /// there from now on.
    ChangedRegistry {
        /// The one before.
        from: Endpoint,
        /// The one that answered.
        to: Endpoint,
    },
    /// The registry has been silent since its last answer, for less than the service's ttl.
    Late {
        /// When the registry answered last.
        since: Instant,
    },
    /// The registry has been silent for so long that the service may have expired. Heartbeats go
    /// on, and it will be registered again where that is needed.
    Unreachable {
        /// When the registry answered last.
        since: Instant,
    },
    /// The service was registered again, under its id, as it was registered the first time.
    ReRegistered(ReRegistration),
    /// The registry answered, and said no. Heartbeats go on.
    Refused(Refusal),
}

/// Why a service was registered again. There is an example at [`HeartbeatState`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReRegistration {
    /// The registry did not know it any more.
    Forgotten,
    /// The host has another address.
    Moved {
        /// Where the service was reached before.
        from: String,
        /// Where it is reached now.
        to: String,
    },
}
