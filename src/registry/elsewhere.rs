//! What other registries that share this list of services do to it, and say of it.

use std::sync::Arc;

use crate::clock::{ListeningTime, Now, WallTime};
use crate::service::Service;

use super::change::{Change, Fact};
use super::entry::Entry;
use super::event::Event;
use super::home::Home;
use super::lease::Silence;
use super::roster::Position;
use super::{Registry, lock};

impl Registry {
    /// The same, whose next event is the one after `seq`.
    #[must_use]
    pub fn with_sequence(mut self, seq: u64) -> Self {
        self.sequence.seq = seq;
        self
    }

    /// As [`Self::restore`], for a service that `home` watches over.
    pub fn restore_watched_by(
        &mut self,
        home: Home,
        service: Service,
        last_heartbeat: WallTime,
        now: Now,
    ) {
        let position = self.index.next_position();
        let entry = Entry::restored(service, last_heartbeat, position, now);
        self.insert(Arc::new(entry.watched_by(home, &self.horizon)));
    }

    /// Makes true what the registry `home` has stored, and gives back the event that tells of
    /// it. None as well where it removes what is not there.
    pub fn accept(&mut self, fact: Fact, home: Home, now: Now) -> Option<Event> {
        let change = match fact {
            Fact::Registered { service, service_info } => {
                let known = self.index.get(service.id.as_str());
                let position =
                    known.map_or_else(|| self.index.next_position(), |entry| entry.position);
                let entry = self.new_entry(service, position, home, now);
                Change::Registered { entry, service_info }
            }
            Fact::Deregistered { id } => {
                Change::Deregistered { entry: Arc::clone(self.index.get(id.as_str())?) }
            }
            Fact::Expired { id, silent, restarted, paused } => {
                let entry = Arc::clone(self.index.get(id.as_str())?);
                let since = now.listening.minus(silent);
                let silence = Silence { since, duration: silent, restarted, paused };
                Change::Expired { entry, silence }
            }
            Fact::PolicyRemembered { id, policy } => Change::PolicyRemembered { id, policy },
            Fact::PolicyForgotten { id } => Change::PolicyForgotten { id },
        };
        self.apply(change, now)
    }

    /// Notes that the registry `home` heard this service at `heard`, and so watches over it. All
    /// registries are told in the same order, and told of what they heard themselves.
    pub fn note_heard(&self, id: &str, home: Home, heard: WallTime, now: Now) {
        let Some(entry) = self.index.get(id) else { return };
        if home != Home::HERE {
            entry.lease.renew_late(heard, now);
        }
        self.set_home(entry, home);
    }

    /// Notes that `home` has just registered this service, and so watches over it.
    pub fn note_registered(&self, id: &str, home: Home) {
        if let Some(entry) = self.index.get(id) {
            self.set_home(entry, home);
        }
    }

    /// Watches from now on over the services of `home`, which is gone, and gives each of them a
    /// full ttl in which it can be heard. How many they are.
    pub fn adopt(&self, home: Home, now: Now) -> usize {
        let orphans = self.index.all().iter().filter(|entry| entry.lease.home() == home);
        let mut adopted = 0;
        for entry in orphans {
            entry.lease.keep(now.listening);
            self.set_home(entry, Home::HERE);
            adopted += 1;
        }
        adopted
    }

    /// Lets no service be over before one more ttl: they may have been heard elsewhere while
    /// this registry was cut off.
    pub fn keep_all(&self, now: ListeningTime) {
        self.index.all().iter().for_each(|entry| entry.lease.keep(now));
    }

    /// Notes that what others hear is known until `time`. Beyond that, time stands still for the
    /// services that they watch over.
    pub fn set_horizon(&self, time: ListeningTime) {
        self.horizon.set(time);
    }

    /// Services that were heard here since they were taken last, as many as there is room for:
    /// the first of them, and those after it while `fits` says so. True with them where there
    /// are more.
    pub fn take_heard(&self, fits: impl FnMut(&Entry) -> bool) -> (Vec<Arc<Entry>>, bool) {
        self.unsaved.take(&self.index, fits)
    }

    /// Takes back what [`Self::take_heard`] gave, because nobody could be told of it.
    pub fn give_back_heard(&self, heard: &[Arc<Entry>]) {
        // What was replaced or removed meanwhile is told otherwise.
        let is_there = |entry: &&Arc<Entry>| {
            let current = self.index.get(entry.service.id.as_str());
            current.is_some_and(|current| Arc::ptr_eq(current, entry))
        };
        heard.iter().filter(is_there).for_each(|entry| self.unsaved.note(entry));
    }

    /// An entry for a service that registered at `now`, and that `home` watches over.
    pub(super) fn new_entry(
        &self,
        service: Service,
        position: Position,
        home: Home,
        now: Now,
    ) -> Arc<Entry> {
        Arc::new(Entry::new(service, position, now).watched_by(home, &self.horizon))
    }

    fn set_home(&self, entry: &Arc<Entry>, home: Home) {
        if entry.lease.home() != home {
            entry.lease.set_home(home);
            lock(&self.expiry).put(Arc::clone(entry));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::json::Json;
    use crate::registry::{Epoch, EventKind, Health, Plan};
    use crate::service::{Parts, ServiceId, Ttl, samples};

    const OTHER: Home = Home::elsewhere(0);

    fn at(seconds: u64) -> Now {
        Now {
            wall: WallTime::from_unix_seconds(1_000 + seconds),
            listening: ListeningTime::START.plus(Duration::from_secs(seconds)),
            pauses: 0,
        }
    }

    fn registered(id: &str) -> Fact {
        let parts = Parts { ttl: Ttl::from_seconds(10).unwrap(), ..Parts::new("name", "host", 1) };
        let service = samples::service(id, parts);
        Fact::Registered { service, service_info: Json::empty_object() }
    }

    /// A registry that has accepted one service of another one's.
    fn registry() -> Registry {
        let mut registry = Registry::new(Epoch::new("epoch"), true).with_sequence(41);
        let event = registry.accept(registered("a"), OTHER, at(0)).unwrap();
        assert_eq!(event.sequence.seq, 42);
        registry
    }

    fn health(registry: &Registry, seconds: u64) -> Health {
        registry.get("a").unwrap().lease.health(at(seconds).listening)
    }

    fn expires(registry: &Registry, seconds: u64) -> bool {
        !Plan::new(registry, at(seconds)).expire(registry, 10).0.is_empty()
    }

    #[test]
    fn a_service_of_another_registry_gets_critical_and_is_left_to_that_registry() {
        let registry = registry();

        assert_eq!(health(&registry, 11), Health::Critical);
        assert!(!expires(&registry, 100));
    }

    #[test]
    fn what_another_registry_hears_renews_the_lease() {
        let registry = registry();

        registry.note_heard("a", OTHER, at(8).wall, at(9));

        assert_eq!(health(&registry, 19), Health::Passing);
        assert_eq!(registry.get("a").unwrap().lease.last_heartbeat(), at(8).wall);
    }

    #[test]
    fn beyond_the_horizon_time_stands_still() {
        let registry = registry();
        registry.set_horizon(at(5).listening);

        assert_eq!(health(&registry, 100), Health::Passing);
        registry.set_horizon(at(100).listening);
        assert_eq!(health(&registry, 100), Health::Critical);
    }

    #[test]
    fn a_service_that_moves_here_is_watched_over_here() {
        let registry = registry();

        registry.renew("a", at(5));
        assert!(!expires(&registry, 16), "the others do not know yet");
        registry.note_heard("a", Home::HERE, at(5).wall, at(6));

        assert_eq!(health(&registry, 15), Health::Passing);
        assert!(!expires(&registry, 15));
        assert!(expires(&registry, 16));
    }

    #[test]
    fn a_service_that_moves_away_is_no_longer_watched_over_here() {
        let registry = registry();
        registry.note_registered("a", Home::HERE);

        registry.note_heard("a", OTHER, at(5).wall, at(6));

        assert!(!expires(&registry, 100));
    }

    #[test]
    fn the_services_of_a_registry_that_is_gone_are_kept_for_one_more_ttl() {
        let registry = registry();

        assert_eq!(registry.adopt(OTHER, at(50)), 1);
        assert_eq!(registry.adopt(OTHER, at(50)), 0);

        assert_eq!(health(&registry, 50), Health::Critical);
        assert!(!expires(&registry, 60));
        assert!(expires(&registry, 61));
    }

    #[test]
    fn after_a_cut_no_service_is_over_before_one_more_ttl() {
        let registry = registry();
        registry.note_registered("a", Home::HERE);

        registry.keep_all(at(50).listening);

        assert!(!expires(&registry, 60));
        assert!(expires(&registry, 61));
    }

    #[test]
    fn facts_about_what_is_not_there_change_nothing() {
        let mut registry = registry();
        let id = ServiceId::new("b").unwrap();

        assert!(registry.accept(Fact::Deregistered { id }, OTHER, at(1)).is_none());

        assert_eq!((registry.len(), registry.sequence().seq), (1, 42));
    }

    #[test]
    fn an_expiry_that_another_registry_decided_is_told_as_it_saw_it() {
        let mut registry = registry();
        let id = ServiceId::new("a").unwrap();
        let silent = Duration::from_secs(12);

        let fact = Fact::Expired { id, silent, restarted: true, paused: false };
        let event = registry.accept(fact, OTHER, at(13)).unwrap();

        let EventKind::Expire { silence, .. } = event.kind else { panic!("it expired") };
        assert_eq!((silence.duration, silence.restarted), (silent, true));
        assert!(registry.is_empty());
    }

    #[test]
    fn what_was_heard_is_told_once_and_again_where_it_could_not_be() {
        let registry = registry();
        registry.renew("a", at(1));

        let (heard, more) = registry.take_heard(|_| true);
        assert_eq!((heard.len(), more), (1, false));
        assert!(registry.take_heard(|_| true).0.is_empty());
        registry.give_back_heard(&heard);

        assert_eq!(registry.take_heard(|_| true).0.len(), 1);
    }

    #[test]
    fn of_what_was_heard_no_more_is_taken_than_fits_but_always_one() {
        let mut registry = registry();
        for id in ["b", "c"] {
            registry.accept(registered(id), OTHER, at(0));
        }
        ["a", "b", "c"].iter().for_each(|id| assert!(registry.renew(id, at(1))));

        let mut room = 2;
        let fits = |_: &Entry| {
            room -= 1;
            room >= 0
        };
        let (heard, more) = registry.take_heard(fits);
        assert_eq!((heard.len(), more), (2, true));
        let (heard, more) = registry.take_heard(|_| false);
        assert_eq!((heard.len(), more), (1, false));
    }

    #[test]
    fn a_service_that_may_have_been_heard_elsewhere_is_not_expired() {
        let registry = registry();
        registry.note_registered("a", Home::HERE);
        let plan = |known: u64| Plan::new(&registry, at(12)).knowing_until(at(known).listening);

        assert_eq!(health(&registry, 12), Health::Critical);
        assert!(plan(10).expire(&registry, 10).0.is_empty());
        assert_eq!(plan(11).expire(&registry, 10).0.len(), 1);
    }
}
