//! Watches and subscriptions whose registry goes.

use std::time::{Duration, Instant};

use fastrand::Rng;
use service_registry::client::{
    Change, Event, EventKind, MissedReason, Registration, RegistryClient, RegistryEndpoints,
    Removal, Sequence, Subscription, Watch,
};

use super::doors::Door;
use super::{builder_for, start_registry};
use crate::support::{DEADLINE, EventProxy, Place, wait_until};

/// How long silence may take to be noticed, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long an event may take that is on its way.
const MOMENT: Duration = Duration::from_millis(200);

fn device(id: &str) -> Registration {
    let device = Registration::new("Device", "localhost", 6_110).service_type("DEVICE");
    device.service_id(id).allow_duplicate_service_type()
}

/// What a watch tells next, in short.
#[track_caller]
fn told(watch: &Watch) -> String {
    match watch.next_change(DEADLINE).expect("a change is told within the deadline") {
        Change::Registered(service) => format!("+{}", service.id),
        Change::Removed { service, how: Removal::Missing } => format!("?{}", service.id),
        Change::Removed { service, .. } => format!("-{}", service.id),
        other => panic!("{other:?} is no change that is expected"),
    }
}

#[track_caller]
fn next(events: &Subscription) -> Event {
    events.recv_timeout(DEADLINE).expect("an event comes within the deadline")
}

/// The number of the next registration of this service. What was registered before may still be on
/// its way.
#[track_caller]
fn next_registration(events: &Subscription, id: &str) -> Sequence {
    loop {
        match next(events) {
            Event::Register(event) if event.service_id == id => {
                return event.sequence.expect("it has a number");
            }
            Event::Register(_) => {}
            other => panic!("{other:?} is no registration"),
        }
    }
}

/// Two doors to one registry, and who changes what is behind them.
fn two_doors(place: &Place) -> ([Door; 2], RegistryClient) {
    let registrar = place.client();
    let doors = [(); 2].map(|()| Door::open(place.endpoints()));
    // Their ways to the registry's events are up when one has come through.
    wait_until("an event comes through", || {
        registrar.register(&device("first")).unwrap();
        doors.iter().all(|door| door.passed() > 0)
    });
    (doors, registrar)
}

#[test]
fn a_watch_goes_on_where_it_was_at_a_registry_that_shares_what_the_first_knew() {
    let (place, _registry) = start_registry();
    let ([first, second], registrar) = two_doors(&place);
    let watch = builder_for(first.endpoints(), second.endpoints()).build().watch().unwrap();
    assert_eq!((told(&watch), watch.registry()), ("+first".to_owned(), first.endpoints()));
    registrar.register(&device("before")).unwrap();
    assert_eq!(told(&watch), "+before");

    drop(first);
    for id in ["during-1", "during-2"] {
        registrar.register(&device(id)).unwrap();
    }
    assert_eq!([told(&watch), told(&watch)], ["+during-1", "+during-2"]);
    assert_eq!(watch.registry(), second.endpoints());
    registrar.deregister_service("before").unwrap();

    assert_eq!(told(&watch), "-before");
    assert_eq!(watch.try_next_change(), None);
    assert_eq!(watch.status().silent_since, None);
}

#[test]
fn a_watch_tells_each_difference_once_where_the_next_registry_knows_others() {
    let ((first, registry), (second, _other)) = (start_registry(), start_registry());
    for id in ["common", "first"] {
        first.client().register(&device(id)).unwrap();
    }
    for id in ["common", "second"] {
        second.client().register(&device(id)).unwrap();
    }
    let client = builder_for(first.client_endpoints(), second.client_endpoints()).build();
    let watch = client.watch().unwrap();
    assert_eq!([told(&watch), told(&watch)], ["+common", "+first"]);

    registry.kill();

    assert_eq!([told(&watch), told(&watch)], ["?first", "+second"]);
    second.client().register(&device("later")).unwrap();
    assert_eq!(told(&watch), "+later");
    assert_eq!(watch.try_next_change(), None);
}

#[test]
fn a_watch_begins_with_a_registry_that_is_there() {
    let ((first, registry), (second, _other)) = (start_registry(), start_registry());
    second.client().register(&device("second")).unwrap();
    registry.kill();

    let client = builder_for(first.client_endpoints(), second.client_endpoints()).build();
    let watch = client.watch().unwrap();

    assert_eq!(told(&watch), "+second");
    assert_eq!(client.current_registry(), second.client_endpoints());
}

#[test]
fn a_subscription_moves_without_telling_anything_twice() {
    let (place, _registry) = start_registry();
    let ([first, second], registrar) = two_doors(&place);
    let client = builder_for(first.endpoints(), second.endpoints()).build();
    let events = client.subscribe(&[EventKind::Register]).unwrap();
    let mut numbers = Vec::new();
    for _ in 0..3 {
        registrar.register(&device("a")).unwrap();
        numbers.push(next_registration(&events, "a"));
    }

    drop(first);
    let Event::Missed(missed) = next(&events) else { panic!("the interruption is told") };
    for _ in 0..3 {
        registrar.register(&device("a")).unwrap();
        numbers.push(next_registration(&events, "a"));
    }

    assert_eq!(missed.reason, MissedReason::Disconnected);
    let from = numbers[0].seq;
    let seqs: Vec<u64> = numbers.iter().map(|sequence| sequence.seq).collect();
    assert_eq!(seqs, (from..from + 6).collect::<Vec<_>>());
    assert!(numbers.iter().all(|sequence| sequence.epoch == numbers[0].epoch));
}

#[test]
fn what_follows_a_registry_that_hangs_goes_on_to_the_next() {
    let ((first, registry), (second, _other)) = (start_registry(), start_registry());
    first.client().register(&device("first")).unwrap();
    let client = builder_for(first.client_endpoints(), second.client_endpoints()).build();
    let (events, watch) = (client.subscribe(&[]).unwrap(), client.watch().unwrap());
    assert_eq!(told(&watch), "+first");

    registry.signal("STOP");

    // Its connections stay, and only silence tells that nobody is there.
    let registrar = second.client();
    let started = Instant::now();
    loop {
        registrar.register(&device("second")).unwrap();
        match events.recv_timeout(MOMENT) {
            Ok(Event::Register(event)) if event.service_id == "second" => break,
            _ => assert!(started.elapsed() < PATIENCE, "no event of the second registry"),
        }
    }
    let told = watch.next_change(PATIENCE).expect("the watch goes on");
    assert!(matches!(told, Change::Removed { .. }), "{told:?}");
    let told = watch.next_change(PATIENCE).expect("the watch goes on");
    assert!(matches!(told, Change::Registered(service) if service.id == "second"));
}

#[test]
fn a_lost_connection_for_events_moves_the_subscription_and_nothing_else() {
    let ((first, _registry), (second, _other)) = (start_registry(), start_registry());
    let proxy = EventProxy::start(&first.endpoints().events, Rng::new());
    let events = proxy.endpoint().parse().unwrap();
    let one = RegistryEndpoints { events, ..first.client_endpoints() };
    let client = builder_for(one.clone(), second.client_endpoints());
    let client = client.request_timeout(Duration::from_secs(3)).build();
    let events = client.subscribe(&[]).unwrap();

    drop(proxy);

    let Event::Missed(missed) = next(&events) else { panic!("the interruption is told") };
    assert_eq!(missed.reason, MissedReason::Disconnected);
    second.client().register(&device("second")).unwrap();
    assert_eq!(next(&events).kind(), Some(EventKind::Register));
    assert_eq!(client.current_registry(), one);
}

#[test]
fn a_subscription_finds_the_registry_that_is_there() {
    let ((first, registry), (second, _other)) = (start_registry(), start_registry());
    registry.kill();
    let client = builder_for(first.client_endpoints(), second.client_endpoints()).build();

    let events = client.subscribe(&[]).unwrap();
    second.client().register(&device("a")).unwrap();

    assert_eq!(next(&events).kind(), Some(EventKind::Register));
}

#[test]
fn without_any_registry_there_is_neither_a_watch_nor_a_subscription_and_all_are_named() {
    let ((first, registry), (second, other)) = (start_registry(), start_registry());
    let (one, two) = (first.client_endpoints(), second.client_endpoints());
    registry.kill();
    other.kill();
    let timeout = Duration::from_millis(200);
    let client = builder_for(one.clone(), two.clone()).request_timeout(timeout).build();

    let watching = client.watch().unwrap_err().to_string();
    let subscribing = client.subscribe(&[]).unwrap_err().to_string();
    let waiting = client.wait_for_service("DEVICE", timeout).unwrap_err().to_string();

    for (told, names) in [
        (watching, [&one.requests, &two.requests]),
        (subscribing, [&one.events, &two.events]),
        (waiting, [&one.requests, &two.requests]),
    ] {
        assert!(names.iter().all(|name| told.contains(name.as_str())), "{told}");
    }
}
