//! The watch: whatever gets lost, the picture becomes the registry's list, and no change is told
//! twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use service_registry::client::{
    Change, Health, RegistryClient, Removal, Service, WallTime, Watch, WatchMode,
};

use crate::support::{
    Chance, Client, DEADLINE, EventProxy, Launch, Place, registration, short_lived, wait_until,
};

/// What a user knows who writes down every change.
#[derive(Default)]
struct Table(HashMap<String, Service>);

impl Table {
    /// Writes down a change that must follow from what was told before.
    #[track_caller]
    fn note(&mut self, change: Change) {
        let id = change.service().id.clone();
        let known = self.0.remove(&id);
        match change {
            Change::Registered(service) => {
                assert_eq!(known, None, "{id} is told once");
                self.0.insert(id, said(&service));
            }
            Change::Changed { before, now } => {
                assert_eq!(known, Some(said(&before)), "{id} follows what was told");
                assert_ne!(said(&before), said(&now), "{id} did change");
                self.0.insert(id, said(&now));
            }
            Change::Removed { service, .. } => {
                assert_eq!(known, Some(said(&service)), "{id} was told of before");
            }
            other => panic!("{other:?} is of an unknown kind"),
        }
    }

    #[track_caller]
    fn note_all_of(&mut self, watch: &Watch) {
        while let Some(change) = watch.try_next_change() {
            self.note(change);
        }
    }

    /// Writes down changes until table and picture are the registry's list.
    #[track_caller]
    fn note_until_complete(&mut self, watch: &Watch, client: &RegistryClient) {
        let started = Instant::now();
        loop {
            let listed = client.list_services(None).unwrap();
            let shown = unwrapped(watch.services());
            let is_told = |service: &Service| self.0.get(&service.id) == Some(&said(service));
            if shown == listed && self.0.len() == listed.len() && listed.iter().all(is_told) {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "{shown:#?}\nis not\n{listed:#?}");
            if let Ok(change) = watch.next_change(Duration::from_millis(20)) {
                self.note(change);
            }
        }
    }
}

/// What a registry says of a service, its heartbeats apart, which are no changes.
fn said(service: &Service) -> Service {
    let mut said = service.clone();
    said.last_heartbeat = WallTime::from_unix_seconds(0);
    said
}

fn unwrapped(services: Vec<Arc<Service>>) -> Vec<Service> {
    services.into_iter().map(Arc::unwrap_or_clone).collect()
}

#[track_caller]
fn next(watch: &Watch) -> Change {
    watch.next_change(DEADLINE).expect("a change comes within the deadline")
}

#[track_caller]
fn register_at_port(client: &Client, id: &str, port: u16) -> Value {
    let mut request = registration(id, "");
    request["service_info"]["port"] = json!(port);
    client.request(&request)
}

/// Registers, changes and deregisters services at random.
#[track_caller]
fn bustle(client: &Client, chance: &mut Chance, steps: usize) {
    for _ in 0..steps {
        let id = format!("service-{}", chance.u8(..12));
        if chance.u8(..3) > 0 {
            register_at_port(client, &id, chance.u16(1..4));
        } else {
            // Not there is as good as gone.
            client.deregister(&id);
        }
    }
}

#[test]
fn a_third_of_the_events_and_two_registries_are_lost_and_nothing_is_missing() {
    let mut chance = Chance::new();
    let (place, registry) = Place::start();
    let proxy = EventProxy::start(&place.endpoints().events, chance.fork());
    let client = place.client_with_events_from(proxy.endpoint());
    let mut table = Table::default();
    bustle(&registry.client(), &mut chance, 20);
    let watch = client.watch().unwrap();
    proxy.lose(33);

    bustle(&registry.client(), &mut chance, 150);
    table.note_all_of(&watch);
    registry.kill();
    let registry = place.start_again();
    bustle(&registry.client(), &mut chance, 150);
    table.note_all_of(&watch);
    registry.stop();
    let registry = place.start_again();
    bustle(&registry.client(), &mut chance, 150);

    table.note_until_complete(&watch, &client);
    assert!(proxy.lost() > 30, "{} events were lost", proxy.lost());
    assert!(proxy.passed() > 30, "{} events were passed on", proxy.passed());
    assert_eq!(watch.status().mode, WatchMode::Events);
}

#[test]
fn a_watch_begins_with_the_services_that_are_there() {
    let (place, registry) = Place::start();
    for id in ["a", "b"] {
        registry.client().register(id, id);
    }

    let watch = place.client().watch().unwrap();

    assert_eq!(unwrapped(watch.services()), place.client().list_services(None).unwrap());
    for id in ["a", "b"] {
        assert_eq!(next(&watch), Change::Registered(watch.get(id).unwrap()));
    }
    assert_eq!(watch.try_next_change(), None);
}

#[test]
fn changes_are_told_in_their_order_with_what_they_changed() {
    let (place, registry) = Place::start_with(Launch::new().flag("--cleanup-interval", "0.1"));
    let client = registry.client();
    let watch = place.client().watch().unwrap();

    register_at_port(&client, "a", 1);
    register_at_port(&client, "a", 2);
    register_at_port(&client, "a", 2);
    client.deregister("a");
    client.request(&short_lived("b", "B", 1));

    let Change::Registered(first) = next(&watch) else { panic!("a registered") };
    let Change::Changed { before, now } = next(&watch) else { panic!("a changed") };
    assert_eq!((first.port, before, now.port), (1, Arc::clone(&first), 2));
    let how = Removal::Deregistered;
    assert_eq!(next(&watch), Change::Removed { service: now, how });
    let Change::Registered(b) = next(&watch) else { panic!("b registered") };
    // It may become critical before it expires, which is a change, too.
    let gone = loop {
        match next(&watch) {
            Change::Changed { now, .. } => assert_eq!(now.health, Health::Critical),
            other => break other,
        }
    };
    let Change::Removed { service, how: Removal::Expired } = gone else { panic!("{gone:?}") };
    assert_eq!(service.id, b.id);
}

#[test]
fn a_lost_last_event_is_news_all_the_same() {
    let mut chance = Chance::new();
    let (place, registry) = Place::start();
    let proxy = EventProxy::start(&place.endpoints().events, chance.fork());
    let watch = place.client_with_events_from(proxy.endpoint()).watch().unwrap();
    proxy.lose(100);

    registry.client().register("a", "A");

    let Change::Registered(service) = next(&watch) else { panic!("a registered") };
    assert_eq!(service.id, "a");
    assert_eq!(proxy.passed(), 0);
}

#[test]
fn who_sleeps_is_told_the_difference_when_he_wakes_up() {
    let (place, registry) = Place::start_with(Launch::new().flag("--backend", "memory"));
    let client = registry.client();
    register_at_port(&client, "stays", 1);
    register_at_port(&client, "goes", 1);
    let watch = place.client().watch().unwrap();
    let mut table = Table::default();
    table.note_all_of(&watch);

    client.deregister("goes");
    for round in 0..30 {
        let last = 309 + round % 2;
        for port in 0..300 {
            let mut request = registration("stays", "");
            request["service_info"]["port"] = json!(10 + port + round % 2);
            client.send(&request);
        }
        (0..300).for_each(|_| drop(client.receive()));
        // No more at once than ZeroMQ keeps for one who is behind. The changes are left where they
        // are.
        wait_until("the picture has the last", || {
            watch.get("stays").is_some_and(|service| service.port == last)
        });
    }

    assert!(watch.status().merged > 1_000, "{:?}", watch.status());
    table.note_until_complete(&watch, &place.client());
}

#[test]
fn a_picture_outlives_its_registry_and_catches_up_with_the_next_one() {
    let (place, registry) = Place::start();
    registry.client().register("a", "A");
    registry.client().register("b", "B");
    let watch = place.client().watch().unwrap();
    let mut table = Table::default();
    table.note_all_of(&watch);
    registry.kill();
    let killed = Instant::now();
    while watch.status().silent_since.is_none() {
        assert!(killed.elapsed() < DEADLINE, "nobody notices that the registry is gone");
        let _ = watch.next_change(Duration::from_millis(20));
    }

    assert_eq!(watch.discover("A").map(|service| service.id.clone()).as_deref(), Some("a"));
    // Nobody hears of what happens to a registry that is watched by nobody.
    let registry = place.start_again();
    registry.client().deregister("a");
    registry.client().register("c", "C");

    table.note_until_complete(&watch, &place.client());
    assert_eq!(watch.discover("A"), None);
    assert_eq!(watch.status().silent_since, None);
}

#[test]
fn a_service_that_recovers_without_an_event_is_discovered_again() {
    let (place, registry) = Place::start();
    let client = registry.client();
    client.request(&short_lived("a", "A", 1));
    client.wait_until_critical("a");
    let watch = place.client().watch().unwrap();
    let critical = watch.discover("A");

    let Change::Registered(_) = next(&watch) else { panic!("a was there") };
    let started = Instant::now();
    let change = loop {
        assert!(started.elapsed() < DEADLINE, "its recovery is no news");
        client.renew("a");
        if let Ok(change) = watch.next_change(Duration::from_millis(100)) {
            break change;
        }
    };

    assert_eq!(critical, None);
    let Change::Changed { now, .. } = change else { panic!("{change:?}") };
    assert_eq!(now.health, Health::Passing);
    // For as long as it is heard.
    wait_until("it is discovered", || {
        client.renew("a");
        watch.discover("A").is_some_and(|service| service.id == "a")
    });
}

#[test]
fn a_watch_of_one_type_shows_that_type() {
    let (place, registry) = Place::start();
    let client = registry.client();
    client.register("a", "A");
    client.register("b", "B");
    let watch = place.client().watch_type("A").unwrap();

    client.register("c", "C");
    client.register("a", "D");

    assert_eq!(next(&watch).service().id, "a");
    let Change::Removed { service, how } = next(&watch) else { panic!("a left") };
    assert_eq!((service.id.as_str(), how), ("a", Removal::OtherType));
    assert_eq!(watch.services(), []);
}

#[test]
fn dropping_a_watch_whose_registry_is_gone_does_not_wait() {
    let (place, registry) = Place::start();
    let long = 10 * DEADLINE;
    let client = place.builder().request_timeout(long).health_timeout(long).build();
    let watch = client.watch().unwrap();
    registry.kill();
    // The first check without an answer is under way.
    let _ = watch.next_change(Duration::from_millis(1_200));
    let started = Instant::now();

    drop(watch);

    assert!(started.elapsed() < DEADLINE, "{:?}", started.elapsed());
}
