//! Subscriptions: what happens is told in order, and what is missed is told, too.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::json;
use service_registry::client::{
    ClientError, Event, EventKind, Missed, MissedReason, RegistryClient, RegistryEndpoints,
    Subscription,
};

use crate::support::{
    Chance, Client, DEADLINE, EventProxy, Launch, Place, registration, wait_until,
};

/// How long an event may take that is on its way.
const MOMENT: Duration = Duration::from_millis(500);

/// Tells by what type the next event goes, and which service it is about.
#[track_caller]
fn next(events: &Subscription) -> (EventKind, String) {
    match received(events) {
        Event::Register(event) => (EventKind::Register, event.service_id),
        Event::Deregister(event) => (EventKind::Deregister, event.service_id),
        Event::Expire(event) => (EventKind::Expire, event.service_id),
        other => panic!("{other:?} is about no service"),
    }
}

#[track_caller]
fn next_missed(events: &Subscription) -> (MissedReason, Option<u64>) {
    match received(events) {
        Event::Missed(Missed { reason, events, .. }) => (reason, events),
        other => panic!("nothing is said to be missed before {other:?}"),
    }
}

#[track_caller]
fn received(events: &Subscription) -> Event {
    events.recv_timeout(DEADLINE).expect("an event comes within the deadline")
}

fn about(kind: EventKind, id: &str) -> (EventKind, String) {
    (kind, id.to_owned())
}

#[track_caller]
fn expiring(client: &Client, id: &str) {
    let mut request = registration(id, id);
    request["ttl"] = json!(1);
    assert_eq!(client.request(&request)["success"], true);
}

#[test]
fn events_come_typed_and_in_order() {
    let (place, registry) = Place::start_with(Launch::new().flag("--cleanup-interval", "0.1"));
    let client = registry.client();
    let events = place.client().subscribe(&[]).unwrap();

    client.register("a", "A");
    client.deregister("a");
    expiring(&client, "b");

    let first = received(&events);
    let service = first.service().expect("a registration tells what is kept");
    assert_eq!((service.id.as_str(), service.service_type()), ("a", Some("A")));
    let Event::Register(first) = first else { panic!("{first:?} is no registration") };
    assert_eq!(first.service_info["type"], "A");
    assert_eq!(first.sequence.map(|sequence| sequence.seq), Some(1));
    assert_eq!(next(&events), about(EventKind::Deregister, "a"));
    assert_eq!(next(&events), about(EventKind::Register, "b"));
    assert_eq!(next(&events), about(EventKind::Expire, "b"));
}

#[test]
fn only_the_kinds_that_were_asked_for_come() {
    let (place, registry) = Place::start();
    let client = registry.client();
    let events = place.client().subscribe(&[EventKind::Deregister]).unwrap();

    client.register("a", "A");
    client.register("b", "B");
    client.deregister("b");

    assert_eq!(next(&events), about(EventKind::Deregister, "b"));
    assert!(events.receiver().is_empty(), "what was not asked for left no gap");
}

#[test]
fn the_very_next_registration_is_heard() {
    const ROUNDS: usize = 20;
    let (place, registry) = Place::start();
    let client = registry.client();

    let heard = |round: &usize| {
        let events = place.client().subscribe(&[EventKind::Register]).unwrap();
        let id = format!("service-{round}");
        client.register(&id, &id);
        let mut first = None;
        wait_until("an event comes", || {
            first = events.recv_timeout(MOMENT).ok();
            if first.is_none() {
                client.register("another", "");
            }
            first.is_some()
        });
        matches!(first, Some(Event::Register(event)) if event.service_id == id)
    };

    // On a busy machine the registration can overtake a subscription that is on its way.
    let heard = (0..ROUNDS).filter(heard).count();
    assert!(heard >= ROUNDS / 4 * 3, "{heard} of {ROUNDS}");
}

#[test]
fn events_that_are_lost_on_their_way_are_counted() {
    let mut chance = Chance::new();
    let (place, registry) = Place::start();
    let client = registry.client();
    let proxy = EventProxy::start(&place.endpoints().events, chance.fork());
    let elsewhere = place.client_with_events_from(proxy.endpoint());
    let events = elsewhere.subscribe(&[EventKind::Register]).unwrap();

    client.register("a", "A");
    assert_eq!(next(&events), about(EventKind::Register, "a"));
    proxy.lose(100);
    client.register("b", "B");
    client.deregister("b");
    wait_until("both are lost", || proxy.lost() == 2);
    proxy.lose(0);
    client.register("c", "C");

    assert_eq!(next_missed(&events), (MissedReason::Lost, Some(2)));
    assert_eq!(next(&events), about(EventKind::Register, "c"));
}

#[test]
fn a_registry_that_was_away_and_began_anew_is_told() {
    let (place, registry) = Place::start();
    let events = place.client().subscribe(&[]).unwrap();
    registry.client().register("a", "A");
    assert_eq!(next(&events), about(EventKind::Register, "a"));
    registry.kill();

    let registry = place.start_again();

    assert_eq!(next_missed(&events), (MissedReason::Disconnected, None));
    registry.client().register("b", "B");
    assert_eq!(next_missed(&events), (MissedReason::Restarted, None));
    assert_eq!(next(&events), about(EventKind::Register, "b"));
}

#[test]
fn who_is_too_slow_is_told_how_many_events_were_dropped() {
    // So few that ZeroMQ drops none of them.
    const AT_ONCE: usize = 400;
    let (place, registry) = Place::start_with(Launch::new().flag("--backend", "memory"));
    let client = registry.client();
    let events = place.client().subscribe(&[]).unwrap();
    let queue = events.receiver();
    let register = || {
        (0..AT_ONCE).for_each(|_| client.send(&registration("a", "A")));
        (0..AT_ONCE).for_each(|_| drop(client.receive()));
    };

    // Where the last ones are slow to come, there is room for them by then, and nothing is told.
    wait_until("some are dropped", || {
        let mut sent = 0;
        while !queue.is_full() {
            register();
            sent += AT_ONCE;
            wait_until("they are in the queue", || queue.is_full() || queue.len() == sent);
        }
        register();
        sent += AT_ONCE;

        let (mut taken, mut missed) = (0, 0);
        while taken + missed < sent as u64 {
            match received(&events) {
                Event::Register(_) => taken += 1,
                Event::Missed(gap) => missed += gap.events.expect("they were counted"),
                other => panic!("{other:?} did not happen"),
            }
        }
        assert_eq!(taken + missed, sent as u64);
        missed > 0
    });
}

#[test]
fn a_function_is_called_for_every_event_also_after_it_panicked() {
    let (place, registry) = Place::start();
    let (sender, called) = channel();
    let listener = place.client().on_event(&[EventKind::Register], move |event| {
        let Event::Register(event) = event else { return };
        assert_ne!(event.service_id, "a", "this function does not like a");
        sender.send(event.service_id).unwrap();
    });

    registry.client().register("a", "A");
    registry.client().register("b", "B");

    assert_eq!(called.recv_timeout(DEADLINE).as_deref(), Ok("b"));
    drop(listener.unwrap());
    // The function is dropped with its listener.
    assert_eq!(called.recv_timeout(DEADLINE), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn events_that_nobody_takes_hold_up_no_request() {
    const SERVICES: usize = 300;

    let (place, registry) = Place::start();
    let client = place.client();
    let unread = client.subscribe(&[]).unwrap();
    let (called, calls) = channel();
    let (release, held) = channel::<()>();
    let listener = client.on_event(&[], move |_| {
        called.send(()).unwrap();
        // Until the test is done asking.
        let _ = held.recv();
    });
    // A test that fails drops this before the listener, which waits for the call.
    let release = release;
    for number in 0..SERVICES {
        registry.client().register(&format!("dev-{number}"), &format!("TYPE_{number}"));
    }
    calls.recv_timeout(DEADLINE).expect("the function is called");

    assert_eq!(client.list_services(None).unwrap().len(), SERVICES);
    // The last, whose ttl has just begun.
    assert!(client.discover_service(&format!("TYPE_{}", SERVICES - 1)).unwrap().is_some());
    client.health_check().unwrap();

    drop(release);
    assert_eq!(next(&unread), about(EventKind::Register, "dev-0"));
    drop(listener.unwrap());
}

#[test]
fn a_registry_that_publishes_nowhere_is_not_reachable() {
    let (place, registry) = Place::start();
    registry.stop();

    let client = RegistryClient::with_endpoints(place.client_endpoints());
    let error = client.subscribe(&[]).unwrap_err();

    let ClientError::Unreachable { endpoint, .. } = error else { panic!("{error}") };
    assert_eq!(endpoint, place.endpoints().events);
}

#[test]
fn a_subscription_to_nobody_is_given_up_in_time() {
    let endpoints = RegistryEndpoints::parse(
        "tcp://127.0.0.1:9",
        "tcp://registry.invalid:9",
        "tcp://127.0.0.1:9",
    );
    let client = RegistryClient::with_endpoints(endpoints.unwrap());
    let started = Instant::now();

    assert!(client.subscribe(&[]).unwrap_err().is_unreachable());

    assert!(started.elapsed() < DEADLINE);
}
