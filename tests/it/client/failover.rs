//! Clients that have more than one registry to ask.

mod asynchronous;
mod cut_off;
mod doors;
mod following;
mod heartbeats;
mod many;
mod requests;

use std::time::Duration;

use service_registry::client::{RegistryClient, RegistryClientBuilder, RegistryEndpoints};

use crate::support::{Launch, Place, Registry};

/// A registry that shares nothing with any other.
#[track_caller]
fn start_registry() -> (Place, Registry) {
    Place::start_with(Launch::new().flag("--backend", "memory"))
}

/// How long two registries may take to answer on a busy machine, half of it each, and no longer:
/// who finds out that one is gone waits for it.
const PATIENCE: Duration = Duration::from_secs(6);

/// A patient client of two registries.
fn builder_for(first: RegistryEndpoints, second: RegistryEndpoints) -> RegistryClientBuilder {
    RegistryClient::builder().endpoints(first).fallback(second).request_timeout(PATIENCE)
}
