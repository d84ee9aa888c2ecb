//! Answers, and who gives those to requests that store nothing.

use std::sync::Arc;

use crate::clock::Now;
use crate::protocol::error_reply::ErrorReply;
use crate::protocol::fault::{RequestFailure, RequestFault};
use crate::protocol::reply::{self, About, Ports};
use crate::protocol::request::{Read, Renewal};

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

impl From<&RequestFailure> for Answer {
    fn from(failure: &RequestFailure) -> Self {
        failure.reply().into()
    }
}

impl From<&RequestFault> for Answer {
    fn from(fault: &RequestFault) -> Self {
        fault.reply().into()
    }
}

impl From<ErrorReply<'_>> for Answer {
    fn from(reply: ErrorReply<'_>) -> Self {
        Self { body: reply.body(), refused: Some((&reply).into()) }
    }
}

/// Answers requests that store nothing, from memory, in whichever thread takes them.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) registry: SharedRegistry,
    pub(super) ports: Ports,
    pub(super) doors: Doors,
    pub(super) statistics: Statistics,
}

impl Reader {
    /// The answer to `read`, as things stand `now`.
    pub(super) fn answer(&self, read: Read, now: Now) -> Answer {
        match read {
            Read::Renew(renewal) => self.renew(&renewal, now),
            Read::Get { service_id } => match self.registry.read().get(&service_id) {
                Some(entry) => Answer::carried_out(reply::service(entry, now.listening)),
                None => Answer::from(&RequestFailure::ServiceNotFound),
            },
            Read::List { service_type } => self.list(service_type.as_deref(), now),
            Read::Discover { service_type } => {
                match self.registry.read().discover(&service_type, fastrand::u64(..), now) {
                    Some(entry) => Answer::carried_out(reply::service(entry, now.listening)),
                    None => Answer::from(&RequestFailure::NoHealthyService { service_type }),
                }
            }
            Read::Health => self.health(now),
            Read::Info => self.info(now),
        }
    }

    /// The answer to `renewal`, which comes as a request or as a heartbeat.
    pub(super) fn renew(&self, renewal: &Renewal, now: Now) -> Answer {
        if self.registry.read().renew(&renewal.service_id, now) {
            Answer::carried_out(reply::renewed(self.registry.in_contact(now.listening)))
        } else {
            Answer::from(&RequestFailure::NothingToRenew)
        }
    }

    fn list(&self, service_type: Option<&str>, now: Now) -> Answer {
        let (entries, sequence) = self.registry.list(service_type);
        let entries = entries.iter().map(Arc::as_ref);
        let contact = self.registry.in_contact(now.listening);
        Answer::carried_out(reply::list(entries, &sequence, now.listening, contact))
    }

    fn health(&self, now: Now) -> Answer {
        let contact = self.registry.in_contact(now.listening);
        let trouble = self.registry.trouble(now.listening);
        let registry = self.registry.read();
        let body = reply::health(registry.sequence(), now.wall, contact, trouble.as_deref());
        Answer::carried_out(body)
    }

    fn info(&self, now: Now) -> Answer {
        let about = About {
            ports: &self.ports,
            enforce_unique_service_types: self.registry.read().enforces_unique_service_types(),
            refused_connections: self.doors.refused_connections(),
            counts: &self.statistics.counts(),
            cluster: self.registry.contact().map(|contact| contact.tell(now)),
            trouble: self.registry.trouble(now.listening),
        };
        let (entries, sequence) = self.registry.list(None);
        let entries = entries.iter().map(Arc::as_ref);
        Answer::carried_out(reply::info(&about, entries, &sequence, now.listening))
    }
}
