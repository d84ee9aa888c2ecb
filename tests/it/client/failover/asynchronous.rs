//! The asynchronous client with two registries, on two executors.

use std::thread;
use std::time::Duration;

use futures::future::{join, join_all};
use serde_json::json;
use service_registry::client::{
    AsyncRegistryClient, Event, HeartbeatState, ReRegistration, RefusalCode, Registration,
    RegistryEndpoints,
};

use super::super::asynchronous::on_two_executors;
use super::super::stub::Stub;
use super::doors::Door;
use super::{builder_for, start_registry};
use crate::support::DEADLINE;

fn client_of(first: RegistryEndpoints, second: RegistryEndpoints) -> AsyncRegistryClient {
    builder_for(first, second).build_async().unwrap()
}

fn device(id: &str) -> Registration {
    let device = Registration::new("Device", "localhost", 6_110).service_type("DEVICE");
    device.service_id(id).allow_duplicate_service_type().ttl(3)
}

#[test]
fn everything_on_its_way_to_a_silent_registry_is_asked_of_the_next() {
    on_two_executors(|| async {
        let (stub, (second, _registry)) = (Stub::bind(), start_registry());
        second.client().register(&device("a")).unwrap();
        let client = client_of(stub.endpoints(), second.client_endpoints());

        let reads = join_all((0..100).map(|_| client.get_service("a")));
        let (found, registered) = join(reads, client.register(&device("b"))).await;

        assert!(found.into_iter().all(|service| service.unwrap().is_some()));
        assert_eq!(registered.unwrap(), "b");
        assert_eq!(client.current_registry(), second.client_endpoints());
        assert_eq!(second.client().list_services(None).unwrap().len(), 2);
    });
}

#[test]
fn a_deregistration_comes_behind_its_registration_at_the_next_registry_too() {
    on_two_executors(|| async {
        let (stub, (second, _registry)) = (Stub::bind(), start_registry());
        let client = client_of(stub.endpoints(), second.client_endpoints());

        let registration = device("a");
        let registering = client.register(&registration);
        let (registered, gone) = join(registering, client.deregister_service("a")).await;

        registered.unwrap();
        assert!(gone.unwrap());
        assert_eq!(second.client().list_services(None).unwrap(), []);
    });
}

#[test]
fn requests_go_on_when_the_registry_is_killed_and_name_both_when_neither_is_there() {
    on_two_executors(|| async {
        let ((first, registry), (second, other)) = (start_registry(), start_registry());
        let (one, two) = (first.client_endpoints(), second.client_endpoints());
        let client = client_of(one.clone(), two.clone());
        client.register(&device("a")).await.unwrap();

        registry.kill();
        assert_eq!(client.reregister().await.unwrap(), "a");
        assert!(client.get_service("a").await.unwrap().is_some());
        other.kill();
        let timeout = Duration::from_millis(300);
        let client = builder_for(one.clone(), two.clone()).request_timeout(timeout);
        let error = client.build_async().unwrap().health_check().await.unwrap_err().to_string();

        assert!([one, two].iter().all(|it| error.contains(it.requests.as_str())), "{error}");
    });
}

#[test]
fn a_registry_that_is_cut_off_is_left_and_what_ends_it_goes_nowhere_else() {
    on_two_executors(|| async {
        let (stub, (second, _registry)) = (Stub::bind(), start_registry());
        let client = client_of(stub.endpoints(), second.client_endpoints());
        let refusal = json!({"success": false, "error": "cut off", "code": "storage_failed"});

        let player = thread::spawn(move || {
            (0..2).for_each(|_| stub.answer(&stub.question(), &refusal));
        });

        let refused = client.terminate_registry_server().await.unwrap_err();
        let registered = client.register(&device("a")).await.unwrap();

        assert!(refused.is_refused_as(&RefusalCode::StorageFailed));
        assert_eq!(registered, "a");
        player.join().unwrap();
        assert!(second.client().get_service("a").unwrap().is_some());
    });
}

#[test]
fn heartbeats_a_watch_and_a_subscription_move_too() {
    on_two_executors(|| async {
        let ((first, registry), (second, _other)) = (start_registry(), start_registry());
        let door = Door::open(second.endpoints());
        let client = client_of(first.client_endpoints(), door.endpoints());
        client.register(&device("a")).await.unwrap();
        let changes = client.heartbeat_changes();
        client.start_heartbeat().await.unwrap();
        let mut watch = client.watch().await.unwrap();
        assert_eq!(watch.next().await.unwrap().service().id, "a");
        let mut events = client.subscribe(&[]).await.unwrap();

        registry.kill();

        let again = HeartbeatState::ReRegistered(ReRegistration::Forgotten);
        while changes.recv_timeout(DEADLINE).unwrap() != again {}
        second.client().register(&device("b")).unwrap();
        while watch.next().await.unwrap().service().id != "b" {}
        assert_eq!(watch.registry(), door.endpoints());
        assert!(matches!(events.next().await, Some(Event::Missed(_))));
        assert_eq!(client.current_registry(), door.endpoints());
    });
}
