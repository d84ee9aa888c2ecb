//! What an asynchronous client makes of the calls about its own service. They may overlap, and
//! their answers come in any order; what holds in the end is what the last call wanted. Asks
//! nothing itself.
//!
//! Each call has a number. Requests are handed over in the order of these numbers, because both
//! happen under the same lock, so the registry, too, hears the calls in their order.

use std::collections::BTreeMap;
use std::io;

use super::super::error::ClientError;
use super::super::heartbeat::Turn;
use super::super::kept_service::KeptService;
use super::super::registration::Registration;

/// The number of a call. Later ones have greater numbers.
pub(super) type Call = u64;

/// What the calls about a client's own service have come to.
#[derive(Default)]
pub(super) struct Own {
    service: Option<KeptService>,
    /// The latest of the registrations that succeeded, by which the service was registered.
    registered: Call,
    /// Whether heartbeats are to be sent, for the service or for the one that is expected.
    wants_heartbeats: bool,
    /// The registrations that are not answered yet, and the ids that they ask for.
    registering: BTreeMap<Call, Option<String>>,
    latest: Call,
    /// The latest deregistration. Of the registrations before it none is to last.
    ended: Call,
    is_closed: bool,
}

/// What to do about a service that has just been registered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing: it is the client's own, or another has taken its place.
    Stays,
    /// Deregister it, because that was asked for while it was being registered.
    Goes,
}

impl Own {
    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(super) fn service(&self) -> Result<&KeptService, ClientError> {
        self.service.as_ref().ok_or(ClientError::NothingRegistered)
    }

    /// A registration is to be asked for. Until it is answered the heartbeats of the old service
    /// go on, however long its future is not polled, but must not register that again.
    pub(super) fn begin_registration(&mut self, registration: &Registration) -> Call {
        self.latest += 1;
        self.registering.insert(self.latest, registration.id().map(str::to_owned));
        if let Some(service) = &self.service {
            service.set_turn(Turn::Owner);
        }
        self.latest
    }

    /// The registration `call` succeeded, with `service`. Where heartbeats are wanted and cannot be
    /// sent, that is an error, and it is not the client's own.
    pub(super) fn registered(
        &mut self,
        call: Call,
        service: KeptService,
    ) -> Result<Fate, ClientError> {
        self.registering.remove(&call);
        if self.is_closed {
            return Err(ClientError::Closed);
        }
        let fate = if call > self.ended || self.is_wanted(service.id()) {
            Fate::Stays
        } else {
            Fate::Goes
        };
        if call > self.ended.max(self.registered) {
            self.registered = call;
            self.service = Some(service);
        }
        match self.settle_heartbeats() {
            Ok(()) => Ok(fate),
            Err(error) if call == self.registered => {
                self.service = None;
                self.wants_heartbeats = self.is_something_awaited();
                Err(error.into())
            }
            Err(error) => {
                // Those of a service that was registered later.
                log::error!("heartbeats that were interrupted cannot go on: {error}");
                Ok(fate)
            }
        }
    }

    /// The registration `call`, if it was not answered yet, will not be.
    pub(super) fn forget_registration(&mut self, call: Call) -> Result<(), ClientError> {
        match self.registering.remove(&call) {
            Some(_) => Ok(self.settle_heartbeats()?),
            None => Ok(()),
        }
    }

    /// The service is to be deregistered, and what is still being registered, too. Returns the
    /// service, if there is one already.
    pub(super) fn end(&mut self) -> Result<Option<KeptService>, ClientError> {
        self.expect_something()?;
        self.stop_heartbeat();
        self.latest += 1;
        self.ended = self.latest;
        Ok(self.service.take())
    }

    /// The service could not be deregistered.
    pub(super) fn put_back(&mut self, service: KeptService) -> Result<(), ClientError> {
        if self.service.is_none() && !self.is_closed {
            self.service = Some(service);
        }
        Ok(self.settle_heartbeats()?)
    }

    /// Heartbeats are wanted from now on, the first at once.
    pub(super) fn start_heartbeat(&mut self) -> Result<(), ClientError> {
        self.expect_something()?;
        self.wants_heartbeats = true;
        if let Some(service) = &mut self.service {
            service.stop_heartbeat();
        }
        Ok(self.settle_heartbeats()?)
    }

    /// Heartbeats are not wanted from now on. Returns when no more are sent.
    pub(super) fn stop_heartbeat(&mut self) {
        self.wants_heartbeats = false;
        if let Some(service) = &mut self.service {
            service.stop_heartbeat();
        }
    }

    /// There is to be nothing any more.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.wants_heartbeats = false;
        self.service = None;
    }

    /// Sends heartbeats where they are wanted. They may register the service where nothing is
    /// about to take its place.
    fn settle_heartbeats(&mut self) -> io::Result<()> {
        // A wish ends with what it was about.
        self.wants_heartbeats &= self.expect_something().is_ok();
        let turn = if self.is_something_awaited() { Turn::Owner } else { Turn::Heartbeats };
        let Some(service) = &mut self.service else { return Ok(()) };
        service.set_turn(turn);
        if self.wants_heartbeats { service.send_heartbeats() } else { Ok(()) }
    }

    /// Whether a registration is on its way whose service is to become the client's own.
    fn is_something_awaited(&self) -> bool {
        self.registering.range(self.registered.max(self.ended)..).next().is_some()
    }

    fn expect_something(&self) -> Result<(), ClientError> {
        if self.service.is_some() || self.is_something_awaited() {
            Ok(())
        } else {
            Err(ClientError::NothingRegistered)
        }
    }

    /// Whether the service with this id is to last, because it is registered by a later call.
    fn is_wanted(&self, service_id: &str) -> bool {
        let mut awaited = self.registering.range(self.ended..);
        self.service.as_ref().is_some_and(|own| own.id() == service_id)
            || awaited.any(|(_, id)| id.as_deref() == Some(service_id))
    }
}
