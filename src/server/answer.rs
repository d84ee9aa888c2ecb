//! The answer to a request that stores nothing: from memory, by whichever thread is asked.

use std::sync::Arc;

use crate::clock::Now;
use crate::protocol::fault::{Failure, RequestFault};
use crate::protocol::reply::{self, About, Ports};
use crate::protocol::request::Read;

use super::doors::Doors;
use super::refusals::Refused;
use super::shared::SharedRegistry;
use super::statistics::Statistics;

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Answer {
    /// What the client is told.
    pub(super) body: Vec<u8>,
    /// Why it was refused, if it was.
    pub(super) refused: Option<Refused>,
}

impl Answer {
    /// The request was carried out.
    pub(super) const fn carried_out(body: Vec<u8>) -> Self {
        Self { body, refused: None }
    }
}

impl From<&Failure> for Answer {
    fn from(failure: &Failure) -> Self {
        Self { body: failure.body(), refused: Some(failure.into()) }
    }
}

impl From<&RequestFault> for Answer {
    fn from(fault: &RequestFault) -> Self {
        Self { body: fault.body(), refused: Some(fault.into()) }
    }
}

/// The answer to `read`, from the `shared` registry as it stands `now`.
pub(super) fn answer(
    shared: &SharedRegistry,
    now: Now,
    ports: &Ports,
    doors: &Doors,
    statistics: &Statistics,
    read: Read,
) -> Answer {
    let body = match read {
        Read::Renew { service_id } => {
            if !shared.read().renew(&service_id, now) {
                return Answer::from(&Failure::NothingToRenew);
            }
            reply::renewed(shared.in_contact(now.listening))
        }
        Read::Get { service_id } => match shared.read().get(&service_id) {
            Some(entry) => reply::service(entry, now.listening),
            None => return Answer::from(&Failure::ServiceNotFound),
        },
        Read::List { service_type } => {
            let (entries, sequence) = shared.list(service_type.as_deref());
            let entries = entries.iter().map(Arc::as_ref);
            reply::list(entries, &sequence, now.listening, shared.in_contact(now.listening))
        }
        Read::Discover { service_type } => {
            match shared.read().discover(&service_type, fastrand::u64(..), now) {
                Some(entry) => reply::service(entry, now.listening),
                None => return Answer::from(&Failure::NoHealthyService { service_type }),
            }
        }
        Read::Health => {
            let contact = shared.in_contact(now.listening);
            let trouble = shared.trouble(now.listening);
            reply::health(shared.read().sequence(), now.wall, contact, trouble.as_deref())
        }
        Read::Info => {
            let about = About {
                ports,
                enforce_unique_service_types: shared.read().enforces_unique_service_types(),
                refused_connections: doors.refused_connections(),
                counts: &statistics.counts(),
                cluster: shared.contact().map(|contact| contact.tell(now)),
                trouble: shared.trouble(now.listening),
            };
            let (entries, sequence) = shared.list(None);
            reply::info(&about, entries.iter().map(Arc::as_ref), &sequence, now.listening)
        }
    };
    Answer::carried_out(body)
}
