//! The answer to a request that stores nothing: from memory, by whichever thread is asked.

use std::sync::Arc;

use crate::clock::Now;
use crate::protocol::fault::Failure;
use crate::protocol::reply::{self, Ports};
use crate::protocol::request::Read;
use crate::registry::Registry;

/// The body of the answer to `read`. `pick` is a random number.
pub(super) fn answer(
    registry: &Registry,
    read: Read,
    ports: &Ports,
    now: Now,
    pick: u64,
) -> Vec<u8> {
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
        Read::Discover { service_type } => match registry.discover(&service_type, pick, now) {
            Some(entry) => reply::service(entry, now.listening),
            None => Failure::NoHealthyService { service_type }.body(),
        },
        Read::Health => reply::health(sequence, now.wall),
        Read::Info => {
            let unique = registry.enforces_unique_service_types();
            let entries = registry.list(None).map(Arc::as_ref);
            reply::info(ports, unique, entries, sequence, now.listening)
        }
    }
}
