//! What is registered of a service now: it changes when its host moves to another address.

use crate::client::registration::Registration;

use super::home::{Home, HostAddresses};

/// A service that is registered: what was said of it, and under which id. Its heartbeats and its
/// owner share it.
#[derive(Debug)]
pub(in crate::client) struct CurrentRegistration {
    /// As it was given, with the id that the registry answered and the host as it is now.
    registration: Registration,
    service_id: String,
    /// Where it was when it was first registered: there it goes back to, whenever it can.
    given: Option<Home>,
    home: Option<Home>,
}

impl CurrentRegistration {
    /// A service that was just registered, and got `service_id`.
    pub(in crate::client) fn new(
        registration: &Registration,
        service_id: &str,
        addresses: &dyn HostAddresses,
    ) -> Self {
        let home = Home::of(registration.host(), addresses);
        Self {
            registration: registration.clone().service_id(service_id),
            service_id: service_id.to_owned(),
            given: home.clone(),
            home,
        }
    }

    /// What the registry was told last.
    pub(super) const fn registered(&self) -> &Registration {
        &self.registration
    }

    pub(in crate::client) fn service_id(&self) -> &str {
        &self.service_id
    }

    /// What to say of the service when it is registered again: its host is where it is now.
    pub(in crate::client) fn now(&self, addresses: &dyn HostAddresses) -> Registration {
        let given = self.given.as_ref().filter(|_| self.given != self.home);
        let back = given.filter(|given| given.is_here(addresses)).map(Home::address);
        let moved = || self.home.as_ref().and_then(|home| home.new_address(addresses));
        let registration = self.registration.clone();
        match back.or_else(moved) {
            Some(address) => registration.at_host(address.to_string()),
            None => registration,
        }
    }

    /// The service was registered again, with `registration`.
    pub(in crate::client) fn registered_again(
        &mut self,
        registration: Registration,
        addresses: &dyn HostAddresses,
    ) {
        if registration.host() != self.registration.host() {
            self.home = Home::of(registration.host(), addresses);
        }
        self.registration = registration;
    }
}
