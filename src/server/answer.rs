//! The answer to a request that stores nothing: from memory, by whichever thread is asked.

use std::sync::Arc;

use crate::clock::Clock;
use crate::protocol::fault::Failure;
use crate::protocol::reply::{self, Ports};
use crate::protocol::request::Read;

use super::doors::Doors;
use super::shared::SharedRegistry;

/// The body of the answer to `read`, from the registry as it stands now.
pub(super) fn answer(
    registry: &SharedRegistry,
    clock: &Clock,
    ports: &Ports,
    doors: &Doors,
    read: Read,
) -> Vec<u8> {
    let registry = registry.read();
    let now = clock.now();
    let sequence = registry.sequence();
    match read {
        Read::Renew { service_id } => {
            if registry.renew(&service_id, now) {
                reply::renewed()
            } else {
                Failure::NothingToRenew.body()
            }
        }
        Read::Get { service_id } => match registry.get(&service_id) {
            Some(entry) => reply::service(entry, now.listening),
            None => Failure::ServiceNotFound.body(),
        },
        Read::List { service_type } => {
            let entries = registry.list(service_type.as_deref()).map(Arc::as_ref);
            reply::list(entries, sequence, now.listening)
        }
        Read::Discover { service_type } => {
            match registry.discover(&service_type, fastrand::u64(..), now) {
                Some(entry) => reply::service(entry, now.listening),
                None => Failure::NoHealthyService { service_type }.body(),
            }
        }
        Read::Health => reply::health(sequence, now.wall),
        Read::Info => {
            let unique = registry.enforces_unique_service_types();
            let entries = registry.list(None).map(Arc::as_ref);
            let refused = doors.refused_connections();
            reply::info(ports, unique, entries, refused, sequence, now.listening)
        }
    }
}
