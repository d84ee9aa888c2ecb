//! The rules, told as stories: a registry, a clock that is moved by hand, and what comes back.

use std::borrow::Cow;
use std::sync::Weak;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::access::{Origin, Ownership};
use crate::clock::{ListeningTime, WallTime};
use crate::json::Json;
use crate::limits::{Exceeded, Limit};
use crate::service::samples::registration;
use crate::service::{
    Metadata, Parts, Registration, Service, ServiceId, ServiceType, Tags, Ttl, TypePolicy,
};

/// A registry with a clock of its own.
struct Lab {
    registry: Registry,
    /// Milliseconds since the start.
    elapsed: u64,
    pauses: u64,
    events: Vec<Event>,
}

impl Lab {
    fn new() -> Self {
        Self::with_unique_types(true)
    }

    fn with_unique_types(enforce: bool) -> Self {
        let registry = Registry::new(Epoch::new("epoch"), enforce);
        Self { registry, elapsed: 0, pauses: 0, events: Vec::new() }
    }

    fn now(&self) -> Now {
        Now {
            wall: WallTime::from_unix_seconds(1_700_000_000 + self.elapsed / 1_000),
            listening: ListeningTime::START.plus(Duration::from_millis(self.elapsed)),
            pauses: self.pauses,
        }
    }

    fn elapse(&mut self, seconds: u64) -> &mut Self {
        self.elapsed += seconds * 1_000;
        self
    }

    fn pause(&mut self) {
        self.pauses += 1;
    }

    fn plan(&self) -> Plan {
        Plan::new(&self.registry, self.now())
    }

    fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            let now = self.now();
            self.events.extend(self.registry.apply(change, now));
        }
    }

    fn register(&mut self, registration: Registration) -> Outcome {
        let mut plan = self.plan();
        let planned = plan.register(&self.registry, registration, Uuid::nil());
        self.apply(planned.changes);
        planned.outcome
    }

    fn deregister(&mut self, id: &str) -> Outcome {
        let planned = self.plan().deregister(&self.registry, &service_id(id), Origin::default());
        self.apply(planned.changes);
        planned.outcome
    }

    fn clean_up(&mut self) {
        let (changes, more) = self.plan().expire(&self.registry, 1_000);
        assert!(!more);
        self.apply(changes);
    }

    fn ids(&self) -> Vec<String> {
        ids(&self.registry, None)
    }

    fn health(&self, id: &str) -> Health {
        self.registry.get(id).unwrap().lease.health(self.now().listening)
    }

    fn discovered(&self, service_type: &str) -> Option<String> {
        let entry = self.registry.discover(service_type, 7, self.now())?;
        Some(entry.service.id.to_string())
    }

    /// Who expired since the last call, after how many seconds of silence, and whether the
    /// registry stood still meanwhile.
    fn expiries(&mut self) -> Vec<(String, u64, bool)> {
        let expiry = |event: Event| match event.kind {
            EventKind::Expire { entry, silence } => {
                Some((entry.service.id.to_string(), silence.duration.as_secs(), silence.paused))
            }
            _ => None,
        };
        self.events.drain(..).filter_map(expiry).collect()
    }

    /// The events since the last call, as "type id".
    fn told(&mut self) -> Vec<String> {
        let tell = |event: Event| match event.kind {
            EventKind::Register { entry, .. } => format!("register {}", entry.service.id),
            EventKind::Deregister { entry } => format!("deregister {}", entry.service.id),
            EventKind::Expire { entry, .. } => format!("expire {}", entry.service.id),
        };
        self.events.drain(..).map(tell).collect()
    }
}

fn service_id(id: &str) -> ServiceId {
    ServiceId::new(id).unwrap()
}

fn ids(registry: &Registry, service_type: Option<&str>) -> Vec<String> {
    registry.list(service_type).map(|entry| entry.service.id.to_string()).collect()
}

fn service(id: &str, service_type: &str) -> Registration {
    registration(id, parts(id, service_type))
}

fn parts<'a>(id: &'a str, service_type: &'a str) -> Parts<'a> {
    let service_type = Some(service_type).filter(|name| !name.is_empty()).map(Cow::from);
    Parts { service_type, ..Parts::new(id, "127.0.0.1", 6110) }
}

fn with_policy(policy: TypePolicy, registration: Registration) -> Registration {
    Registration { policy, ..registration }
}

fn registered(id: &str) -> Outcome {
    Outcome::Registered(service_id(id))
}

fn duplicate(service_type: &str, existing: &str) -> Outcome {
    Outcome::Refused(Refusal::DuplicateServiceType {
        service_type: ServiceType::new(service_type).unwrap(),
        existing: service_id(existing),
    })
}

#[test]
fn a_service_is_found_by_id_type_and_tag_until_it_deregisters() {
    let mut lab = Lab::new();

    lab.register(registration("a", Parts { tags: Tags::from_texts(["lab"]), ..parts("a", "A") }));
    assert_eq!(lab.ids(), ["a"]);
    assert_eq!(lab.discovered("A"), Some("a".to_owned()));
    assert_eq!(ids(&lab.registry, Some("lab")), ["a"]);

    assert_eq!(lab.deregister("a"), Outcome::Deregistered);
    assert!(lab.registry.is_empty());
    assert_eq!(lab.discovered("A"), None);
    assert!(ids(&lab.registry, Some("lab")).is_empty());
    assert_eq!(lab.told(), ["register a", "deregister a"]);
    assert_eq!(lab.deregister("a"), Outcome::Refused(Refusal::NotRegistered));
    assert!(lab.told().is_empty());
}

#[test]
fn registering_again_replaces_the_entry_in_its_place_and_is_told_again() {
    let mut lab = Lab::new();
    for id in ["a", "b", "c"] {
        lab.register(service(id, id));
    }

    lab.register(registration("b", Parts { port: 9, ..parts("b", "other") }));

    assert_eq!(lab.ids(), ["a", "b", "c"]);
    assert_eq!(lab.registry.get("b").unwrap().service.description.port(), 9);
    assert_eq!(lab.discovered("b"), None);
    assert_eq!(lab.discovered("other"), Some("b".to_owned()));
    assert_eq!(lab.told().last().unwrap(), "register b");
}

#[test]
fn registering_again_and_again_keeps_one_place_among_those_that_may_expire() {
    let mut lab = Lab::new();

    for seconds in 1..100 {
        let ttl = Ttl::from_seconds(seconds).unwrap();
        lab.register(registration("a", Parts { ttl, ..Parts::new("a", "127.0.0.1", 1) }));
    }

    let end = lab.elapse(1_000).now().listening;
    assert_eq!(lock(&lab.registry.expiry).due(end, 1_000).over.len(), 1);
}

#[test]
fn the_event_has_what_the_client_sent_and_its_id() {
    let mut lab = Lab::new();
    let received = Json::from(&json!({"name": "My Device", "color": "red"}));

    lab.register(Registration::new(None, Parts::new("My Device", "127.0.0.1", 1), received));

    let EventKind::Register { entry, service_info } = &lab.events[0].kind else { panic!() };
    assert_eq!(entry.service.id.as_str(), format!("my-device-{}", Uuid::nil()));
    let expected = json!({"name": "My Device", "color": "red", "id": entry.service.id.as_str()});
    assert_eq!(service_info, &Json::from(&expected));
}

#[test]
fn events_are_numbered_without_a_gap() {
    let mut lab = Lab::new();
    assert_eq!(lab.registry.sequence().seq, 0);

    lab.register(service("a", "A"));
    lab.register(service("b", "A"));
    lab.register(service("a", "A"));
    lab.deregister("a");
    lab.deregister("a");

    assert_eq!(lab.events.iter().map(|event| event.sequence.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(lab.registry.sequence().seq, 3);
}

#[test]
fn a_silent_service_turns_critical_and_expires_and_a_heartbeat_heals_it() {
    let mut lab = Lab::new();
    lab.register(service("a", "A"));
    lab.register(service("b", "B"));

    lab.elapse(31);
    assert_eq!(lab.health("a"), Health::Critical);
    assert_eq!(lab.discovered("A"), None);
    let now = lab.now();
    assert!(lab.registry.renew("a", now));
    assert_eq!(lab.discovered("A"), Some("a".to_owned()));

    lab.clean_up();
    assert_eq!(lab.ids(), ["a"]);
    assert_eq!(lab.told(), ["register a", "register b", "expire b"]);
    assert!(!lab.registry.renew("b", now));
}

#[test]
fn cleaning_up_stops_at_its_limit_and_goes_on_where_it_stopped() {
    let mut lab = Lab::new();
    for number in 0..10 {
        lab.register(service(&format!("s{number}"), &format!("T{number}")));
    }
    lab.elapse(31);

    let (changes, more) = lab.plan().expire(&lab.registry, 4);
    assert_eq!((changes.len(), more), (4, true));
    lab.apply(changes);

    assert_eq!(lab.ids(), ["s4", "s5", "s6", "s7", "s8", "s9"]);
    lab.clean_up();
    assert!(lab.registry.is_empty());
}

#[test]
fn one_living_service_per_type_unless_duplicates_are_allowed() {
    let mut lab = Lab::new();
    lab.register(service("one", "U"));

    assert_eq!(lab.register(service("two", "U")), duplicate("U", "one"));
    assert_eq!(lab.register(service("one", "U")), registered("one"));
    let metadata = Metadata::from_json(r#"{"type": "U"}"#).unwrap();
    let only_in_metadata = Parts { metadata, ..Parts::new("three", "127.0.0.1", 1) };
    assert_eq!(lab.register(registration("three", only_in_metadata)), duplicate("U", "one"));
    let allowed = with_policy(TypePolicy::AllowDuplicates, service("four", "U"));
    assert_eq!(lab.register(allowed), registered("four"));
    assert_eq!(lab.register(service("five", "")), registered("five"));
    assert_eq!(lab.register(service("six", "")), registered("six"));
}

#[test]
fn a_singleton_is_alone_also_where_duplicates_are_allowed() {
    let mut lab = Lab::with_unique_types(false);
    lab.register(service("one", "U"));
    lab.register(service("two", "U"));

    let singleton = |id| with_policy(TypePolicy::Singleton, service(id, "U"));
    assert_eq!(lab.register(singleton("three")), duplicate("U", "one"));
    assert_eq!(lab.register(singleton("one")), duplicate("U", "two"));
    lab.deregister("two");

    assert_eq!(lab.register(singleton("one")), registered("one"));
}

#[test]
fn what_an_id_said_of_sharing_its_type_outlives_its_entry() {
    let mut lab = Lab::new();
    let silent = |id| with_policy(TypePolicy::Unspecified, service(id, "U"));
    lab.register(service("one", "U"));
    lab.register(with_policy(TypePolicy::AllowDuplicates, service("two", "U")));

    assert_eq!(lab.register(silent("two")), registered("two"), "while it lives");
    lab.elapse(20);
    lab.registry.renew("one", lab.now());
    lab.elapse(20).clean_up();
    assert_eq!(lab.ids(), ["one"]);
    assert_eq!(lab.register(silent("two")), registered("two"), "after it expired");

    lab.register(with_policy(TypePolicy::ServerDecides, service("two", "V")));
    assert_eq!(lab.register(silent("two")), duplicate("U", "one"), "it said something else");

    lab.register(with_policy(TypePolicy::AllowDuplicates, service("two", "U")));
    lab.deregister("two");
    assert_eq!(lab.register(silent("two")), duplicate("U", "one"), "it deregistered");
    assert_eq!(lab.registry.policies().count(), 0);
}

#[test]
fn a_silent_holder_of_a_type_is_expired_to_make_room() {
    let mut lab = Lab::new();
    lab.register(service("old", "T"));
    lab.register(service("bystander", "B"));
    lab.elapse(31);

    assert_eq!(lab.register(service("new", "T")), registered("new"));

    assert_eq!(lab.ids(), ["bystander", "new"]);
    assert_eq!(lab.told()[2..], ["expire old", "register new"]);
}

#[test]
fn a_silent_holder_of_a_type_makes_room_also_where_no_more_services_are_taken() {
    let mut lab = Lab::new();
    lab.registry = Registry::new(Epoch::new("full"), true)
        .with_limits(Limits::default().with(Limit::Services, 2).unwrap());
    lab.register(service("old", "T"));
    lab.register(service("bystander", "B"));
    let exceeded = Exceeded { limit: Limit::Services, allowed: 2 };
    let full = Outcome::Refused(Refusal::Exceeded(exceeded));
    assert_eq!(lab.register(service("more", "M")), full);
    lab.elapse(31);

    assert_eq!(lab.register(service("new", "T")), registered("new"));

    assert_eq!(lab.register(service("more", "M")), full);
    assert_eq!(lab.ids(), ["bystander", "new"]);
}

#[test]
fn of_policies_the_oldest_make_room_each_for_one_and_those_of_services_that_are_gone_first() {
    let mut lab = Lab::new();
    lab.register(service("s0", ""));
    for number in 0..POLICIES_MAX {
        lab.registry.restore_policy(service_id(&format!("s{number}")), TypePolicy::Singleton);
    }

    let mut plan = lab.plan();
    let mut changes = Vec::new();
    for id in ["new-1", "new-2", "new-3"] {
        let singleton = with_policy(TypePolicy::Singleton, service(id, ""));
        changes.extend(plan.register(&lab.registry, singleton, Uuid::nil()).changes);
    }
    // What it said makes room for the next one.
    changes.extend(plan.deregister(&lab.registry, &service_id("new-1"), Origin::default()).changes);
    let last = with_policy(TypePolicy::AllowDuplicates, service("new-4", ""));
    changes.extend(plan.register(&lab.registry, last, Uuid::nil()).changes);

    let forgotten = |change: &Change| match change {
        Change::PolicyForgotten { id } => Some(id.to_string()),
        _ => None,
    };
    let all: Vec<String> = changes.iter().filter_map(forgotten).collect();
    assert_eq!(all, ["s1", "s2", "s3", "new-1"]);
    lab.apply(changes);
    assert_eq!(lab.registry.policies().count(), POLICIES_MAX);
}

#[test]
fn where_all_services_are_there_the_oldest_policies_make_room_all_the_same() {
    let mut lab = Lab::new();
    lab.registry = Registry::new(Epoch::new("large"), true)
        .with_limits(Limits::default().with(Limit::Services, POLICIES_MAX as u64 * 2).unwrap());
    let now = lab.now();
    for number in 0..POLICIES_MAX {
        let id = service_id(&format!("s{number}"));
        let restored = service(id.as_str(), "").into_service(id.clone()).0;
        lab.registry.restore(restored, now.wall, now);
        lab.registry.restore_policy(id, TypePolicy::Singleton);
    }
    let mut plan = lab.plan();

    let forgotten = ["new-1", "new-2"].map(|id| {
        let singleton = with_policy(TypePolicy::Singleton, service(id, ""));
        let changes = plan.register(&lab.registry, singleton, Uuid::nil()).changes;
        let ids = changes.into_iter().filter_map(|change| match change {
            Change::PolicyForgotten { id } => Some(id.to_string()),
            _ => None,
        });
        ids.collect::<Vec<_>>()
    });

    assert_eq!(forgotten, [["s0"], ["s1"]]);
}

#[test]
fn the_requests_of_a_plan_see_each_other() {
    let mut lab = Lab::new();
    lab.register(service("gone", "A"));

    let mut plan = lab.plan();
    let registry = &lab.registry;
    let mut outcomes = Vec::new();
    let mut changes = Vec::new();
    let mut note = |planned: Planned| {
        outcomes.push(planned.outcome);
        changes.extend(planned.changes);
    };
    note(plan.register(registry, service("two", "A"), Uuid::nil()));
    note(plan.deregister(registry, &service_id("gone"), Origin::default()));
    note(plan.deregister(registry, &service_id("gone"), Origin::default()));
    note(plan.register(registry, service("two", "A"), Uuid::nil()));
    note(plan.register(registry, service("three", "A"), Uuid::nil()));
    note(plan.register(registry, service("two", "B"), Uuid::nil()));
    note(plan.register(registry, service("three", "A"), Uuid::nil()));
    lab.apply(changes);

    assert_eq!(
        outcomes,
        [
            duplicate("A", "gone"),
            Outcome::Deregistered,
            Outcome::Refused(Refusal::NotRegistered),
            registered("two"),
            duplicate("A", "two"),
            registered("two"),
            registered("three"),
        ]
    );
    assert_eq!(lab.ids(), ["two", "three"]);
    assert_eq!(lab.discovered("A"), Some("three".to_owned()));
    assert_eq!(lab.discovered("B"), Some("two".to_owned()));
}

#[test]
fn an_abandoned_plan_leaves_no_trace() {
    let mut lab = Lab::new();
    lab.register(service("a", "A"));
    lab.register(service("b", "B"));
    lab.elapse(20);
    lab.registry.renew("b", lab.now());
    lab.elapse(20);

    let mut plan = lab.plan();
    let (heard, _) = plan.save_heartbeats(&lab.registry, 10);
    let (expired, _) = plan.expire(&lab.registry, 10);
    let planned = plan.register(&lab.registry, service("c", "C"), Uuid::nil());
    assert_eq!((heard.len(), expired.len(), planned.changes.len()), (1, 1, 1));
    assert!(!lab.registry.renew("a", lab.now()), "about to be expired");
    plan.abandon(&lab.registry);

    assert_eq!(lab.ids(), ["a", "b"]);
    assert_eq!(lab.registry.sequence().seq, 2);
    assert_eq!(lab.plan().save_heartbeats(&lab.registry, 10).0.len(), 1);
    assert!(lab.registry.renew("a", lab.now()), "as alive as before");
    lab.clean_up();
    assert_eq!(lab.ids(), ["a", "b"]);
}

#[test]
fn an_expiry_says_for_how_long_and_whether_the_registry_stood_still_meanwhile() {
    let mut lab = Lab::new();
    lab.register(service("before", "A"));
    lab.elapse(31).clean_up();
    lab.pause();
    lab.elapse(5);
    lab.register(service("after", "A"));
    let ttl = Ttl::from_seconds(60).unwrap();
    lab.register(registration("during", Parts { ttl, ..parts("during", "B") }));
    lab.elapse(31).pause();
    lab.clean_up();
    lab.elapse(30).clean_up();

    assert_eq!(
        lab.expiries(),
        [
            ("before".to_owned(), 31, false),
            ("after".to_owned(), 31, true),
            ("during".to_owned(), 61, true),
        ]
    );
}

#[test]
fn a_commit_that_stalls_changes_nothing_of_what_an_expiry_says() {
    let mut lab = Lab::new();
    lab.register(service("through a pause", "A"));
    lab.elapse(10).pause();
    lab.elapse(1);
    lab.register(service("without a pause", "B"));
    lab.elapse(31);
    let (changes, _) = lab.plan().expire(&lab.registry, 10);

    lab.elapse(1_000).pause();
    lab.apply(changes);

    let through = ("through a pause".to_owned(), 42, true);
    let without = ("without a pause".to_owned(), 31, false);
    assert_eq!(lab.expiries(), [through, without]);
}

/// Whose heartbeats there are to save, and when they came.
fn heard(changes: &[Change]) -> Vec<(&str, WallTime)> {
    let mut heard = Vec::new();
    for change in changes {
        let Change::Heard { entry } = change else { panic!("{change:?} is no heartbeat") };
        heard.push((entry.service.id.as_str(), entry.lease.last_heartbeat()));
    }
    heard
}

#[test]
fn many_heartbeats_of_a_service_are_saved_once() {
    let mut lab = Lab::new();
    lab.register(service("a", "A"));
    lab.register(service("b", "B"));
    for _ in 0..5 {
        lab.elapse(1);
        lab.registry.renew("a", lab.now());
    }

    let (changes, more) = lab.plan().save_heartbeats(&lab.registry, 10);

    assert_eq!(heard(&changes), [("a", lab.now().wall)]);
    assert!(!more);
    assert!(lab.plan().save_heartbeats(&lab.registry, 10).0.is_empty());
}

#[test]
fn what_was_heard_takes_no_memory_once_it_is_replaced_or_removed() {
    let mut lab = Lab::new();
    let mut heard = Vec::new();
    for _ in 0..10 {
        lab.register(service("a", "A"));
        lab.registry.renew("a", lab.now());
        heard.push(Arc::downgrade(lab.registry.get("a").unwrap()));
    }
    lab.told();
    let there = |heard: &[Weak<Entry>]| heard.iter().filter(|one| one.strong_count() > 0).count();
    assert_eq!(there(&heard), 1);

    assert_eq!(lab.plan().save_heartbeats(&lab.registry, 100).0.len(), 1, "one for all of them");
    lab.registry.renew("a", lab.now());
    lab.deregister("a");
    lab.told();
    assert_eq!(there(&heard), 0);
    assert!(lab.plan().save_heartbeats(&lab.registry, 100).0.is_empty());
}

#[test]
fn a_heartbeat_before_a_registration_is_nothing_to_store_any_more() {
    let mut lab = Lab::new();
    lab.register(service("a", "A"));
    lab.registry.renew("a", lab.now());
    lab.register(service("a", "A"));

    assert!(lab.plan().save_heartbeats(&lab.registry, 100).0.is_empty());
    lab.registry.renew("a", lab.now());
    assert_eq!(lab.plan().save_heartbeats(&lab.registry, 100).0.len(), 1);
}

#[test]
fn a_heartbeat_behind_a_registration_is_stored_whether_or_not_one_was_heard_before() {
    for renewals_before in [0, 1] {
        let mut lab = Lab::new();
        lab.register(service("a", "A"));
        for _ in 0..renewals_before {
            lab.registry.renew("a", lab.now());
        }
        lab.register(service("a", "A"));
        lab.elapse(5);
        lab.registry.renew("a", lab.now());

        let (changes, _) = lab.plan().save_heartbeats(&lab.registry, 100);

        assert_eq!(heard(&changes), [("a", lab.now().wall)]);
    }
}

#[test]
fn the_lease_of_a_service_starts_when_its_registration_is_stored() {
    let mut lab = Lab::new();
    let planned = lab.plan().register(&lab.registry, service("a", "A"), Uuid::nil());

    lab.elapse(100);
    lab.apply(planned.changes);

    assert_eq!(lab.elapse(30).health("a"), Health::Passing);
}

#[test]
fn restored_services_are_not_in_the_way_while_their_life_is_unproven() {
    let mut lab = Lab::new();
    let long_ago = WallTime::from_unix_seconds(1_000);
    for id in ["a", "b"] {
        let restored = service(id, id).into_service(service_id(id)).0;
        let now = lab.now();
        lab.registry.restore(restored, long_ago, now);
    }

    assert_eq!(lab.discovered("a"), None);
    lab.clean_up();
    assert_eq!(lab.ids(), ["a", "b"], "kept for a full ttl");
    assert_eq!(lab.register(service("new", "a")), registered("new"));
    assert_eq!(lab.told(), ["expire a", "register new"]);

    assert!(lab.registry.renew("b", lab.now()));
    assert_eq!(lab.discovered("b"), Some("b".to_owned()));
    lab.elapse(31).clean_up();
    assert!(lab.registry.is_empty());
}

#[test]
fn replaying_what_was_stored_gives_the_same_registry() {
    let mut lab = Lab::with_unique_types(false);
    let mut stored = Vec::new();
    for step in 0..200_u64 {
        // A fixed mixture of everything, over few ids so that they meet again.
        let id = format!("s{}", step * 7 % 13);
        let mut plan = lab.plan();
        let changes = match step % 5 {
            0 => plan.deregister(&lab.registry, &service_id(&id), Origin::default()).changes,
            1 => plan.expire(&lab.registry, 100).0,
            2 => {
                lab.registry.renew(&id, lab.now());
                plan.save_heartbeats(&lab.registry, 100).0
            }
            _ => {
                let again = registration(&id, Parts { port: 1, ..parts(&id, "T") });
                plan.register(&lab.registry, again, Uuid::nil()).changes
            }
        };
        for change in &changes {
            store(&mut stored, change);
        }
        lab.apply(changes);
        lab.elapse(step % 11);
    }

    let mut replayed = Registry::new(Epoch::new("next"), false);
    for (service, last_heartbeat) in stored {
        replayed.restore(service, last_heartbeat, lab.now());
    }

    assert!(lab.registry.len() > 3);
    let facts = |registry: &Registry| {
        let fact = |entry: &Arc<Entry>| (entry.service.clone(), entry.lease.last_heartbeat());
        registry.list(None).map(fact).collect::<Vec<_>>()
    };
    assert_eq!(facts(&replayed), facts(&lab.registry));
}

/// What a backend does with a change, in its simplest form.
fn store(stored: &mut Vec<(Service, WallTime)>, change: &Change) {
    let place = |stored: &[(Service, WallTime)], entry: &Entry| {
        stored.iter().position(|(known, _)| known.id == entry.service.id)
    };
    match change {
        Change::Registered { entry, .. } => {
            let new = (entry.service.clone(), entry.lease.last_heartbeat());
            match place(stored, entry) {
                Some(index) => stored[index] = new,
                None => stored.push(new),
            }
        }
        Change::Heard { entry } => {
            if let Some(index) = place(stored, entry) {
                stored[index].1 = entry.lease.last_heartbeat();
            }
        }
        Change::Deregistered { entry } | Change::Expired { entry, .. } => {
            stored.retain(|(known, _)| known.id != entry.service.id);
        }
        Change::PolicyRemembered { .. } | Change::PolicyForgotten { .. } => {}
    }
}

#[test]
fn a_living_service_is_its_hosts_and_one_that_fell_silent_is_everybodys() {
    let mut lab = Lab::new();
    lab.registry = Registry::new(Epoch::new("owned"), true).with_ownership(Ownership::Host);
    let [owner, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().ok());
    lab.register(Registration { from: owner.into(), ..service("a", "A") });

    let refusal = Outcome::Refused(Refusal::NotOwner { owner: owner.unwrap() });
    for stranger in [other, None] {
        let again = Registration { from: stranger.into(), ..service("a", "B") };
        assert_eq!(lab.register(again), refusal);
        let planned = lab.plan().deregister(&lab.registry, &service_id("a"), stranger.into());
        assert_eq!((planned.outcome, planned.changes.len()), (refusal.clone(), 0));
    }
    assert_eq!(lab.discovered("A").as_deref(), Some("a"));

    lab.elapse(31);
    lab.register(Registration { from: other.into(), ..service("a", "B") });
    assert_eq!(lab.registry.get("a").unwrap().service.owner, other);
}
