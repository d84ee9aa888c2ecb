//! Waiting for a service, whatever comes up in whichever order.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{DEADLINE, Place, short_lived};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_service_that_is_there_needs_no_waiting() {
    let (place, registry) = Place::start();
    registry.client().register("a", "A");
    let started = Instant::now();

    let service = place.client().wait_for_service("A", LONG).unwrap();

    assert_eq!(service.map(|service| service.id).as_deref(), Some("a"));
    assert!(started.elapsed() < DEADLINE);
}

#[test]
fn a_service_is_returned_as_soon_as_it_registers() {
    let (place, registry) = Place::start();
    let client = place.client();
    let waiting =
        thread::spawn(move || client.wait_for_service("A", LONG).map(|it| (it, Instant::now())));
    let of_another_type = place.client().subscribe(&[]).unwrap();
    registry.client().register("b", "B");
    of_another_type.recv_timeout(DEADLINE).unwrap();

    registry.client().register("a", "A");
    let registered = Instant::now();

    let (service, returned) = waiting.join().unwrap().unwrap();
    assert_eq!(service.map(|service| service.id).as_deref(), Some("a"));
    assert!(returned.saturating_duration_since(registered) < DEADLINE);
}

#[test]
fn the_registry_itself_may_come_up_later() {
    let (place, registry) = Place::start();
    registry.client().register("a", "A");
    registry.stop();
    let client = place.client();
    let waiting = thread::spawn(move || client.wait_for_service("A", LONG));

    let _registry = place.start_again();

    let service = waiting.join().unwrap().unwrap();
    assert_eq!(service.map(|service| service.id).as_deref(), Some("a"));
}

#[test]
fn a_service_that_does_not_come_is_no_error() {
    let (place, _registry) = Place::start();
    let timeout = Duration::from_millis(150);
    let started = Instant::now();

    let service = place.client().wait_for_service("A", timeout).unwrap();

    assert_eq!(service, None);
    assert!(started.elapsed() >= timeout);
    assert!(started.elapsed() < DEADLINE);
}

#[test]
fn a_registry_that_does_not_come_is_an_error_with_its_endpoint() {
    let (place, registry) = Place::start();
    registry.stop();

    let error = place.client().wait_for_service("A", Duration::from_millis(150)).unwrap_err();

    assert!(error.is_unreachable());
    assert!(error.to_string().contains(&place.endpoints().requests), "{error}");
}

#[test]
fn a_critical_service_is_waited_for_until_it_recovers() {
    let (place, registry) = Place::start();
    let client = registry.client();
    client.request(&short_lived("a", "A", 1));
    let started = Instant::now();
    while client.get("a")["service"]["health"] != "critical" {
        assert!(started.elapsed() < DEADLINE, "it becomes critical");
        thread::sleep(Duration::from_millis(50));
    }

    let critical = place.client().wait_for_service("A", Duration::from_millis(150)).unwrap();
    let waiting = {
        let client = place.client();
        thread::spawn(move || client.wait_for_service("A", LONG))
    };
    while !waiting.is_finished() {
        client.renew("a");
        thread::sleep(Duration::from_millis(50));
    }

    assert_eq!(critical, None);
    let service = waiting.join().unwrap().unwrap();
    assert_eq!(service.map(|service| service.id).as_deref(), Some("a"));
}
