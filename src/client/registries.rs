//! The registries that a client may ask, and the order in which it does.
//!
//! A client stays with a registry for as long as that answers. One that fails it goes to the end
//! of the order, so it is the last to be tried again, whichever part of the client found out:
//! requests, heartbeats and watches of one client share this. Nobody goes back to a registry only
//! because it came first in the list. A subscription asks nothing, and a connection for events that
//! is lost says little about a registry; so it goes round the list by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::endpoints::{Endpoint, RegistryEndpoints};

/// The registries of one client, in the order in which it asks them. Never empty. Clones share what
/// is learned of the registries.
#[derive(Debug, Clone)]
pub(crate) struct Registries {
    all: Arc<[RegistryEndpoints]>,
    order: Arc<Mutex<Vec<Place>>>,
}

/// The place of a registry in the list that it was given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Registries {
    /// These registries, to be asked in this order. One that is named again is the same.
    pub(super) fn new(
        first: RegistryEndpoints,
        fallbacks: impl IntoIterator<Item = RegistryEndpoints>,
    ) -> Self {
        let mut all = vec![first];
        for fallback in fallbacks {
            if !all.contains(&fallback) {
                all.push(fallback);
            }
        }
        let order = (0..all.len()).map(Place).collect();
        Self { all: all.into(), order: Arc::new(Mutex::new(order)) }
    }

    /// How many there are: at least one.
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// The one behind `place` in the list, at whose end it begins again.
    pub(super) fn after(&self, place: Place) -> Place {
        Place((place.0 + 1) % self.count())
    }

    /// All of them, the one to ask first at the front.
    pub(super) fn order(&self) -> Vec<Place> {
        self.lock().clone()
    }

    /// The one to ask first.
    pub(super) fn first(&self) -> Place {
        self.lock().first().copied().unwrap_or(Place(0))
    }

    /// Where the registry at `place` is.
    pub(super) fn at(&self, place: Place) -> &RegistryEndpoints {
        &self.all[place.0]
    }

    /// Where all of them are asked, in the order in which they were given.
    pub(super) fn request_endpoints(&self) -> Vec<&Endpoint> {
        self.all.iter().map(|endpoints| &endpoints.requests).collect()
    }

    /// The registry at `place` did not answer, or cannot do what registries do.
    pub(super) fn failed(&self, place: Place) {
        let mut order = self.lock();
        order.retain(|other| *other != place);
        order.push(place);
    }

    /// The order is changed by steps that cannot panic, so it is whole.
    fn lock(&self) -> MutexGuard<'_, Vec<Place>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Registries {
    /// The one on this host, with the usual ports.
    fn default() -> Self {
        Self::new(RegistryEndpoints::default(), [])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(host: &str) -> RegistryEndpoints {
        RegistryEndpoints::on_host(&host.parse().unwrap())
    }

    fn hosts(registries: &Registries) -> Vec<&str> {
        let order = registries.order().into_iter();
        order.map(|place| registries.at(place).requests.as_str()).collect()
    }

    #[test]
    fn registries_are_asked_in_the_order_in_which_they_were_given() {
        let registries = Registries::new(on("a"), [on("b"), on("a"), on("c"), on("b")]);

        assert_eq!(hosts(&registries), ["tcp://a:6100", "tcp://b:6100", "tcp://c:6100"]);
        assert_eq!(registries.count(), 3);
    }

    #[test]
    fn one_that_fails_is_tried_last_by_all_who_share_the_list() {
        let registries = Registries::new(on("a"), [on("b"), on("c")]);
        let shared = registries.clone();

        registries.failed(registries.first());
        assert_eq!(hosts(&shared), ["tcp://b:6100", "tcp://c:6100", "tcp://a:6100"]);
        shared.failed(shared.first());
        assert_eq!(hosts(&registries), ["tcp://c:6100", "tcp://a:6100", "tcp://b:6100"]);
    }

    #[test]
    fn the_only_one_stays_the_first() {
        let registries = Registries::default();

        registries.failed(registries.first());

        assert_eq!(hosts(&registries), ["tcp://localhost:6100"]);
    }
}
