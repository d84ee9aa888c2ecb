//! Waiting for a service, whatever comes up in whichever order.

use std::pin::pin;
use std::thread;
use std::time::{Duration, Instant};

use service_registry::client::{RegistryClient, Service};

use super::asynchronous::{LONG, begin, camera, hasty_client, on_two_executors};
use crate::support::{DEADLINE, Place, short_lived};

/// The shortest time that the tests wait.
const SOON: Duration = Duration::from_millis(150);

/// Waits for a service of type A for a short time. A busy registry, which does not answer so soon,
/// counts as none, and is asked again.
#[track_caller]
fn wait_a_moment(client: &RegistryClient) -> Option<Service> {
    let started = Instant::now();
    loop {
        match client.wait_for_service("A", SOON) {
            Err(error) if error.is_unreachable() && started.elapsed() < DEADLINE => {}
            answer => return answer.unwrap(),
        }
    }
}

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
    let started = Instant::now();

    let service = wait_a_moment(&place.client());

    assert_eq!(service, None);
    assert!(started.elapsed() >= SOON);
    assert!(started.elapsed() < DEADLINE);
}

#[test]
fn a_registry_that_does_not_come_is_an_error_with_its_endpoint() {
    let (place, registry) = Place::start();
    registry.stop();

    let error = place.client().wait_for_service("A", SOON).unwrap_err();

    assert!(error.is_unreachable());
    assert!(error.to_string().contains(&place.endpoints().requests), "{error}");
}

#[test]
fn a_critical_service_is_waited_for_until_it_recovers() {
    let (place, registry) = Place::start();
    let client = registry.client();
    client.request(&short_lived("a", "A", 1));
    client.wait_until_critical("a");

    let critical = wait_a_moment(&place.client());
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

#[test]
fn a_service_is_awaited() {
    on_two_executors(|| async {
        let (place, registry) = Place::start();
        let client = place.async_client();
        let mut waiting = pin!(client.wait_for_service("CAMERA", LONG));
        begin(waiting.as_mut()).await;

        client.register(&camera("camera-1")).await.unwrap();

        let found = waiting.await.unwrap();
        assert_eq!(found.map(|service| service.id).as_deref(), Some("camera-1"));
        // A busy registry, which does not answer so soon, counts as none.
        let started = Instant::now();
        let nobody = loop {
            match client.wait_for_service("LAMP", SOON).await {
                Err(error) if error.is_unreachable() && started.elapsed() < DEADLINE => {}
                answer => break answer.unwrap(),
            }
        };
        assert_eq!(nobody, None);
        registry.kill();
        let error = client.wait_for_service("LAMP", SOON).await.unwrap_err();
        assert!(error.is_unreachable(), "{error}");
    });
}

#[test]
fn a_registry_that_comes_up_later_is_awaited_too() {
    on_two_executors(|| async {
        let (place, registry) = Place::start();
        let client = place.async_client();
        client.register(&camera("camera-1")).await.unwrap();
        registry.kill();
        let mut waiting = pin!(client.wait_for_service("CAMERA", LONG));
        begin(waiting.as_mut()).await;
        assert!(hasty_client(&place).discover_service("CAMERA").await.is_err());

        let _registry = place.start_again();

        let found = waiting.await.unwrap();
        assert_eq!(found.map(|service| service.id).as_deref(), Some("camera-1"));
    });
}
