//! The local picture of a registry: its services as they were at one position among its events.
//! Pure.
//!
//! A picture is never a mixture of two moments. An event moves it to the next position if it is the
//! next one; a list moves it to any position. What cannot be placed is refused, and then a list is
//! needed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::client::events::Event;
use crate::client::service::{Health, Sequence, Service, ServiceList};

use super::change::{Change, Removal};

/// The services of a registry, and behind which of its events they stood so.
#[derive(Debug, Default)]
pub(super) struct Picture {
    /// The type that is watched; None for all services.
    service_type: Option<String>,
    /// None before the first list, and where the registry does not number its events.
    sequence: Option<Sequence>,
    /// In the order of their registration, each at a position of its own.
    services: BTreeMap<u64, Arc<Service>>,
    positions: HashMap<String, u64>,
    by_type: HashMap<String, BTreeSet<u64>>,
    next_position: u64,
    /// How many services are critical.
    critical: usize,
}

/// What an event was to a picture.
#[derive(Debug, PartialEq)]
pub(super) enum Applied {
    /// The next one. Not every event changes something that is watched.
    Next(Option<Change>),
    /// Something that the picture shows already.
    Known,
    /// Not the next one, or none that can be understood: only a list can tell what is true now.
    Gap,
}

impl Picture {
    /// An empty picture of the services of one type, or of all.
    pub(super) fn new(service_type: Option<String>) -> Self {
        Self { service_type, ..Self::default() }
    }

    /// The type that is watched; None for all services.
    pub(super) fn service_type(&self) -> Option<&str> {
        self.service_type.as_deref()
    }

    /// The position among the registry's events at which it was as shown.
    pub(super) const fn sequence(&self) -> Option<&Sequence> {
        self.sequence.as_ref()
    }

    /// All services, in the order of their registration.
    pub(super) fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// The service with this id.
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Service>> {
        self.services.get(self.positions.get(id)?)
    }

    /// The services that are looked up by `service_type` and were passing when last seen.
    pub(super) fn passing(&self, service_type: &str) -> impl Iterator<Item = &Arc<Service>> {
        let positions = self.by_type.get(service_type).into_iter().flatten();
        let services = positions.filter_map(|position| self.services.get(position));
        services.filter(|service| service.health == Health::Passing)
    }

    /// Whether a service may recover or expire next, of which the former is no event.
    pub(super) const fn has_critical(&self) -> bool {
        self.critical > 0
    }

    /// Takes over what a list says, and returns what is different.
    pub(super) fn replace(&mut self, list: ServiceList) -> Vec<Change> {
        let mut gone = std::mem::take(&mut self.services);
        let gone_positions = std::mem::take(&mut self.positions);
        self.by_type.clear();
        self.critical = 0;
        self.sequence = list.sequence;
        let mut changes = Vec::new();
        for service in list.services {
            let service = Arc::new(service);
            let before = gone_positions.get(&service.id).and_then(|position| gone.remove(position));
            changes.extend(Change::between(before.as_ref(), Some(&service), Removal::Missing));
            self.put(service);
        }
        // Who went is told first: another may have come in its place.
        let how = Removal::Missing;
        let removed = gone.into_values().map(|service| Change::Removed { service, how });
        removed.chain(changes).collect()
    }

    /// Moves on by one event, if it is the next one.
    pub(super) fn apply(&mut self, event: &Event) -> Applied {
        let (Some(here), Some(there)) = (&self.sequence, event.sequence()) else {
            return Applied::Gap;
        };
        if here.epoch != there.epoch || there.seq > here.seq.saturating_add(1) {
            return Applied::Gap;
        }
        if there.seq <= here.seq {
            return Applied::Known;
        }
        let there = there.clone();
        let change = match event {
            Event::Register(_) => {
                let Some(service) = event.service() else { return Applied::Gap };
                self.register(service)
            }
            Event::Deregister(event) => self.remove(&event.service_id, Removal::Deregistered),
            Event::Expire(event) => self.remove(&event.service_id, Removal::Expired),
            // Whatever it is, it may have changed anything.
            _ => return Applied::Gap,
        };
        self.sequence = Some(there);
        Applied::Next(change)
    }

    fn register(&mut self, service: Service) -> Option<Change> {
        let wanted = self.service_type.as_deref().is_none_or(|wanted| service.matches(wanted));
        if !wanted {
            return self.remove(&service.id, Removal::OtherType);
        }
        let service = Arc::new(service);
        let before = self.put(Arc::clone(&service));
        Change::between(before.as_ref(), Some(&service), Removal::Missing)
    }

    fn remove(&mut self, id: &str, how: Removal) -> Option<Change> {
        let position = self.positions.remove(id)?;
        let service = self.services.remove(&position)?;
        self.withdraw(&service, position);
        Some(Change::Removed { service, how })
    }

    /// Puts a service at the end, or at the position of the one with its id, which is returned.
    fn put(&mut self, service: Arc<Service>) -> Option<Arc<Service>> {
        let known = self.positions.get(&service.id).copied();
        let position = known.unwrap_or(self.next_position);
        if known.is_none() {
            self.next_position += 1;
            self.positions.insert(service.id.clone(), position);
        }
        let before = self.services.insert(position, Arc::clone(&service));
        if let Some(before) = &before {
            self.withdraw(before, position);
        }
        self.critical += usize::from(service.health == Health::Critical);
        for service_type in types(&service) {
            self.by_type.entry(service_type.to_owned()).or_default().insert(position);
        }
        before
    }

    /// Takes a service out of everything that is counted or looked up.
    fn withdraw(&mut self, service: &Service, position: u64) {
        self.critical -= usize::from(service.health == Health::Critical);
        for service_type in types(service) {
            if let Some(positions) = self.by_type.get_mut(service_type) {
                positions.remove(&position);
                if positions.is_empty() {
                    self.by_type.remove(service_type);
                }
            }
        }
    }
}

/// Everything that a service is looked up by.
fn types(service: &Service) -> impl Iterator<Item = &str> {
    service.tags.iter().map(String::as_str).chain(service.service_type())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::watch::tests::samples::{
        deregister, event, expire, list, register, service,
    };

    fn picture(seq: u64, services: Vec<Service>) -> Picture {
        let mut picture = Picture::new(None);
        picture.replace(list("e", seq, services));
        picture
    }

    fn ids(picture: &Picture) -> Vec<&str> {
        picture.services().map(|service| service.id.as_str()).collect()
    }

    #[track_caller]
    fn change(applied: Applied) -> Change {
        let Applied::Next(Some(change)) = applied else { panic!("{applied:?} is no change") };
        change
    }

    #[test]
    fn the_first_list_is_told_service_by_service() {
        let mut picture = Picture::new(None);

        let changes = picture.replace(list("e", 5, vec![service("a", "A"), service("b", "B")]));

        let registered = |id, kind| Change::Registered(Arc::new(service(id, kind)));
        assert_eq!(changes, [registered("a", "A"), registered("b", "B")]);
        assert_eq!(picture.sequence().map(|sequence| sequence.seq), Some(5));
    }

    #[test]
    fn the_next_event_is_applied_and_an_older_one_is_known() {
        let mut picture = picture(5, vec![service("a", "A")]);

        let registered = picture.apply(&register("e", 6, &service("b", "B")));
        let again = picture.apply(&register("e", 6, &service("b", "B")));
        let old = picture.apply(&deregister("e", 5, "a"));

        assert_eq!(change(registered), Change::Registered(Arc::new(service("b", "B"))));
        assert_eq!((again, old), (Applied::Known, Applied::Known));
        assert_eq!(ids(&picture), ["a", "b"]);
    }

    #[test]
    fn a_hole_another_epoch_and_no_number_at_all_need_a_list() {
        let mut picture = picture(5, vec![service("a", "A")]);

        assert_eq!(picture.apply(&deregister("e", 7, "a")), Applied::Gap);
        assert_eq!(picture.apply(&deregister("f", 6, "a")), Applied::Gap);
        assert_eq!(
            picture.apply(&event(
                "deregister",
                &serde_json::json!({
                    "data": {"service_id": "a"},
                })
            )),
            Applied::Gap
        );

        assert_eq!(ids(&picture), ["a"]);
        assert_eq!(picture.sequence().map(|sequence| sequence.seq), Some(5));
    }

    #[test]
    fn an_event_that_cannot_be_understood_needs_a_list() {
        let mut picture = picture(5, vec![service("a", "A")]);
        let unknown = event("rename", &serde_json::json!({"epoch": "e", "seq": 6}));
        let incomplete = event(
            "register",
            &serde_json::json!({"epoch": "e", "seq": 6, "data": {"service_id": "b"}}),
        );

        assert_eq!(picture.apply(&unknown), Applied::Gap);
        assert_eq!(picture.apply(&incomplete), Applied::Gap);
    }

    #[test]
    fn a_service_that_registers_again_keeps_its_place() {
        let mut picture = picture(0, vec![service("a", "A"), service("b", "B")]);
        let moved = Service { port: 7, ..service("a", "OTHER") };

        let changed = picture.apply(&register("e", 1, &moved));
        let same = picture.apply(&register("e", 2, &moved));

        let expected =
            Change::Changed { before: Arc::new(service("a", "A")), now: Arc::new(moved) };
        assert_eq!(change(changed), expected);
        assert_eq!(same, Applied::Next(None));
        assert_eq!(ids(&picture), ["a", "b"]);
        assert_eq!(picture.passing("A").count(), 0);
        assert_eq!(picture.passing("OTHER").count(), 1);
    }

    #[test]
    fn a_service_that_goes_is_told_with_how_it_went() {
        let mut picture = picture(0, vec![service("a", "A"), service("b", "B")]);

        let gone = [picture.apply(&deregister("e", 1, "a")), picture.apply(&expire("e", 2, "b"))];

        let hows = gone.map(|applied| match change(applied) {
            Change::Removed { how, .. } => how,
            other => panic!("{other:?} is no removal"),
        });
        assert_eq!(hows, [Removal::Deregistered, Removal::Expired]);
        assert_eq!(ids(&picture), Vec::<&str>::new());
        assert!(picture.by_type.is_empty());
    }

    #[test]
    fn a_list_tells_who_is_missing_before_who_is_new() {
        let mut picture = picture(0, vec![service("a", "A"), service("b", "B")]);

        let changes = picture.replace(list("f", 9, vec![service("b", "B"), service("c", "A")]));

        let missing =
            Change::Removed { service: Arc::new(service("a", "A")), how: Removal::Missing };
        assert_eq!(changes, [missing, Change::Registered(Arc::new(service("c", "A")))]);
        assert_eq!(ids(&picture), ["b", "c"]);
    }

    #[test]
    fn a_picture_of_one_type_follows_all_events_and_shows_what_matches() {
        let mut picture = Picture::new(Some("A".to_owned()));
        picture.replace(list("e", 0, vec![service("a", "A")]));

        let other = picture.apply(&register("e", 1, &service("b", "B")));
        let left = picture.apply(&register("e", 2, &service("a", "B")));
        let joined = picture.apply(&register("e", 3, &service("b", "A")));

        assert_eq!(other, Applied::Next(None));
        let how = Removal::OtherType;
        assert_eq!(change(left), Change::Removed { service: Arc::new(service("a", "A")), how });
        assert_eq!(change(joined), Change::Registered(Arc::new(service("b", "A"))));
        assert_eq!(ids(&picture), ["b"]);
    }

    #[test]
    fn only_passing_services_are_found_by_type_or_tag() {
        let tagged = Service { tags: vec!["lab".to_owned()], ..service("a", "A") };
        let critical = Service { health: Health::Critical, ..service("b", "A") };

        let picture = picture(0, vec![tagged, critical]);

        let found = |name: &str| picture.passing(name).map(|it| it.id.as_str()).collect::<Vec<_>>();
        assert_eq!(found("A"), ["a"]);
        assert_eq!(found("lab"), ["a"]);
        assert_eq!(found("OVEN"), Vec::<&str>::new());
        assert!(picture.has_critical());
    }
}
