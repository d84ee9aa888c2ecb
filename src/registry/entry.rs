//! One registered service with its lease and its place in the order of registration.

use crate::clock::{ListeningTime, Now, WallTime};
use crate::service::Service;

use super::expiry::Ticket;
use super::home::{Home, Horizon};
use super::lease::{Health, Lease};
use super::roster::Position;

/// A registered service. Its facts never change; only its lease lives.
#[derive(Debug)]
pub struct Entry {
    /// What was registered.
    pub service: Service,
    /// How long it counts as alive.
    pub lease: Lease,
    /// Its place in the order of registration, which outlives re-registrations.
    pub(super) position: Position,
    /// Where it stands in the queue of those to look at.
    pub(super) ticket: Ticket,
}

/// What a client is shown of an entry at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    /// What was registered.
    pub service: &'a Service,
    /// When it was last heard.
    pub last_heartbeat: WallTime,
    /// Whether it counts as alive.
    pub health: Health,
}

impl Entry {
    pub(super) fn new(service: Service, position: Position, now: Now) -> Self {
        let lease = Lease::new(service.description.ttl(), now);
        Self { service, lease, position, ticket: Ticket::default() }
    }

    pub(super) fn restored(
        service: Service,
        last_heartbeat: WallTime,
        position: Position,
        now: Now,
    ) -> Self {
        let lease = Lease::restored(service.description.ttl(), last_heartbeat, now);
        Self { service, lease, position, ticket: Ticket::default() }
    }

    /// The same, of a service that `home` watches over.
    pub(super) fn watched_by(self, home: Home, horizon: &Horizon) -> Self {
        Self { lease: self.lease.watched_by(home, horizon), ..self }
    }

    /// The entry as it stands at `now`.
    #[must_use]
    pub fn snapshot(&self, now: ListeningTime) -> Snapshot<'_> {
        Snapshot {
            service: &self.service,
            last_heartbeat: self.lease.last_heartbeat(),
            health: self.lease.health(now),
        }
    }
}
