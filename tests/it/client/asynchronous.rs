//! The asynchronous client against the real server, on two executors.

use std::fmt::Debug;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::executor::block_on;
use futures::future::{FutureExt, join_all};
use service_registry::client::{
    AsyncRegistryClient, Change, ClientError, Event, EventKind, HeartbeatState, ReRegistration,
    RefusalCode, Registration, Removal,
};

use crate::support::{DEADLINE, Place};

/// Longer than any test waits.
pub(super) const LONG: Duration = Duration::from_secs(600);

/// Lets `story` happen twice: in this thread, and as a task of a runtime with several threads.
#[track_caller]
pub(crate) fn on_two_executors<F: Future<Output = ()> + Send + 'static>(story: impl Fn() -> F) {
    let future = story();
    in_time(move || block_on(future));
    let future = story();
    in_time(move || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).build().unwrap();
        runtime.block_on(runtime.spawn(future)).expect("the task does not panic");
    });
}

/// Does `task`, which has no deadline of its own, and fails where that does not end.
#[track_caller]
fn in_time(task: impl FnOnce() + Send + 'static) {
    let task = thread::spawn(task);
    let started = Instant::now();
    while !task.is_finished() {
        assert!(started.elapsed() < 4 * DEADLINE, "it goes on for ever");
        thread::sleep(Duration::from_millis(5));
    }
    if let Err(panic) = task.join() {
        resume_unwind(panic);
    }
}

pub(super) fn camera(id: &str) -> Registration {
    Registration::new("Camera", "localhost", 6_110).service_id(id).service_type("CAMERA")
}

/// A client that waits no longer than clients do by default, for a registry that is gone.
pub(super) fn hasty_client(place: &Place) -> AsyncRegistryClient {
    AsyncRegistryClient::with_endpoints(place.client_endpoints()).unwrap()
}

/// Polls a future once: what it asks for is on its way then.
pub(super) async fn begin<F: Future>(mut future: Pin<&mut F>) {
    poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_service_lives_its_whole_life() {
    on_two_executors(|| async {
        let (place, registry) = Place::start();
        let client = place.async_client();

        assert!(matches!(client.deregister().await, Err(ClientError::NothingRegistered)));
        let id = client.register(&camera("camera-1").metadata("rack", 4)).await.unwrap();
        assert_eq!(client.service_id().as_deref(), Some("camera-1"));
        let found = client.discover_service("CAMERA").await.unwrap().expect("it is there");
        assert_eq!((found.id.as_str(), &found.metadata["rack"]), ("camera-1", &4.into()));
        let endpoint = client.get_endpoint("CAMERA").await.unwrap();
        assert_eq!(endpoint.as_deref(), Some("tcp://localhost:6110"));
        assert_eq!(client.get_service(&id).await.unwrap(), Some(found.clone()));
        assert_eq!(client.list_services(Some("CAMERA")).await.unwrap(), [found]);
        assert_eq!(client.reregister().await.unwrap(), id);
        assert_eq!(client.health_check().await.unwrap().status, "ok");
        assert_eq!(client.server_status().await.unwrap().services.len(), 1);

        assert!(client.deregister().await.unwrap());
        assert_eq!(client.service_id(), None);
        assert_eq!(client.discover_service("CAMERA").await.unwrap(), None);
        assert_eq!(client.get_service(&id).await.unwrap(), None);
        client.terminate_registry_server().await.unwrap();
        registry.wait().assert_code(0);
    });
}

#[test]
fn a_refusal_says_why_and_leaves_what_was_registered() {
    on_two_executors(|| async {
        let (place, _registry) = Place::start();
        let (client, other) = (place.async_client(), place.async_client());
        client.register(&camera("camera-1")).await.unwrap();
        other.register(&camera("lamp-1").service_type("LAMP")).await.unwrap();

        let error = other.register(&camera("camera-2")).await.unwrap_err();

        assert!(error.is_refused_as(&RefusalCode::DuplicateServiceType), "{error}");
        assert_eq!(other.service_id().as_deref(), Some("lamp-1"));
    });
}

#[test]
fn thousands_of_requests_at_once_get_their_own_answers() {
    on_two_executors(|| async {
        let (place, _registry) = Place::start();
        let client = Arc::new(place.async_client());
        let ids: Vec<String> = (0..300).map(|number| format!("service-{number}")).collect();
        let registrations = ids.iter().map(|id| {
            let registration = Registration::new(id, "localhost", 1).service_id(id);
            let client = Arc::clone(&client);
            async move { client.register(&registration).await.unwrap() }
        });
        assert_eq!(join_all(registrations).await, ids);

        let asked = ids.iter().cycle().take(3_000);
        let answers = join_all(asked.clone().map(|id| client.get_service(id))).await;

        for (id, answer) in asked.zip(answers) {
            assert_eq!(&answer.unwrap().expect("it is registered").id, id);
        }
    });
}

#[test]
fn requests_that_are_cancelled_disturb_no_other() {
    on_two_executors(|| async {
        let (place, _registry) = Place::start();
        let client = place.async_client();
        for id in ["a", "b"] {
            let registration = camera(id).allow_duplicate_service_type();
            client.register(&registration).await.unwrap();
        }

        for round in 0..200 {
            let (cancelled, asked) = if round % 2 == 0 { ("a", "b") } else { ("b", "a") };
            begin(pin!(client.get_service(cancelled))).await;
            let answer = client.get_service(asked).await.unwrap();
            assert_eq!(answer.expect("it is registered").id, asked);
        }
    });
}

#[test]
fn a_registry_that_is_gone_is_told_and_one_that_is_back_answers() {
    on_two_executors(|| async {
        let (place, registry) = Place::start();
        place.async_client().register(&camera("camera-1")).await.unwrap();
        let endpoints = place.client_endpoints();
        let client = AsyncRegistryClient::builder().endpoints(endpoints).health_timeout(LONG);
        let client = client.build_async().unwrap();
        registry.kill();

        for _ in 0..3 {
            let error = client.discover_service("CAMERA").await.unwrap_err();
            let ClientError::Unreachable { endpoint, after } = error else { panic!("{error}") };
            assert_eq!(endpoint, place.endpoints().requests);
            assert_eq!(after, Duration::from_millis(500));
        }
        let _registry = place.start_again();

        assert_eq!(client.health_check().await.unwrap().status, "ok");
    });
}

#[test]
fn a_registration_that_was_reported_unreachable_is_not_carried_out_later() {
    on_two_executors(|| async {
        let (place, registry) = Place::start();
        let client = AsyncRegistryClient::builder()
            .endpoints(place.client_endpoints())
            .request_timeout(Duration::from_millis(200))
            .health_timeout(LONG)
            .build_async()
            .unwrap();
        client.health_check().await.unwrap();
        registry.kill();

        // On their way over one connection, which the latter keeps waiting for its answer.
        let ghost = camera("ghost");
        let registering = client.register(&ghost);
        let mut checking = pin!(client.health_check());
        let error = {
            let mut registering = pin!(registering);
            begin(registering.as_mut()).await;
            begin(checking.as_mut()).await;
            registering.await.unwrap_err()
        };
        let _registry = place.start_again();

        assert!(error.is_unreachable(), "{error}");
        assert_eq!(checking.await.unwrap().status, "ok");
        assert_eq!(place.async_client().list_services(None).await.unwrap(), []);
    });
}

#[test]
fn a_client_that_is_dropped_while_the_registry_is_gone_returns_at_once() {
    on_two_executors(|| async {
        let (place, registry) = Place::start();
        let client = place.builder().request_timeout(LONG).build_async().unwrap();
        client.register(&camera("camera-1")).await.unwrap();
        client.start_heartbeat().await.unwrap();
        registry.kill();
        begin(pin!(client.discover_service("CAMERA"))).await;
        let started = Instant::now();

        drop(client);

        assert!(started.elapsed() < DEADLINE);
    });
}

#[test]
fn closing_ends_what_waits() {
    on_two_executors(|| async {
        let (place, registry) = Place::start();
        let client = place.builder().health_timeout(LONG).build_async().unwrap();
        registry.kill();
        let mut waiting = pin!(join_all((0..100).map(|_| client.health_check())));
        begin(waiting.as_mut()).await;

        client.close();

        for answer in waiting.await {
            assert!(matches!(answer, Err(ClientError::Closed)), "{answer:?}");
        }
        assert!(matches!(client.list_services(None).await, Err(ClientError::Closed)));
    });
}

#[test]
fn closing_ends_whoever_waits_for_events_a_watch_or_a_service() {
    on_two_executors(|| async {
        let (place, _registry) = Place::start();
        // Nobody answers at its endpoints.
        let (nobodys_place, registry) = Place::start();
        registry.kill();
        let (client, in_vain) = (place.async_client(), nobodys_place.async_client());
        let mut waiting = pin!(client.wait_for_service("CAMERA", LONG));
        let mut waiting_in_vain = pin!(in_vain.wait_for_service("CAMERA", LONG));
        let mut watching = pin!(in_vain.watch());
        let mut subscribing = pin!(in_vain.subscribe(&[]));
        begin(waiting.as_mut()).await;
        begin(waiting_in_vain.as_mut()).await;
        begin(watching.as_mut()).await;
        begin(subscribing.as_mut()).await;

        client.close();
        in_vain.close();

        assert_closed(waiting.await);
        assert_closed(waiting_in_vain.await);
        assert_closed(watching.await);
        assert_closed(subscribing.await);
        assert_closed(client.wait_for_service("CAMERA", LONG).await);
        assert_closed(client.watch_type("CAMERA").await);
        assert_closed(client.watch().await);
        assert_closed(client.subscribe(&[]).await);
    });
}

#[track_caller]
fn assert_closed<T: Debug>(answer: Result<T, ClientError>) {
    assert!(matches!(answer, Err(ClientError::Closed)), "{answer:?}");
}

#[test]
fn heartbeats_go_on_for_what_is_registered_next_and_end_with_it() {
    on_two_executors(|| async {
        let (place, _registry) = Place::start();
        let client = place.async_client();
        let changes = client.heartbeat_changes();
        let next = || changes.recv_timeout(DEADLINE).expect("the heartbeats go on");
        client.register(&camera("camera-1")).await.unwrap();

        client.start_heartbeat().await.unwrap();
        assert_eq!((next(), next()), (HeartbeatState::Starting, HeartbeatState::Healthy));
        client.register(&camera("camera-1").ttl(60)).await.unwrap();
        assert_eq!(next(), HeartbeatState::Stopped);
        assert_eq!((next(), next()), (HeartbeatState::Starting, HeartbeatState::Healthy));

        assert!(client.deregister().await.unwrap());
        assert_eq!(next(), HeartbeatState::Stopped);
        assert!(matches!(client.start_heartbeat().await, Err(ClientError::NothingRegistered)));
    });
}

#[test]
fn a_registration_that_is_cancelled_leaves_the_heartbeats_as_they_were() {
    on_two_executors(|| async {
        let (place, registry) = Place::start();
        let client = place.async_client();
        let changes = client.heartbeat_changes();
        let next = || changes.recv_timeout(DEADLINE).expect("the heartbeats go on");
        client.register(&camera("camera-1").ttl(6)).await.unwrap();
        client.start_heartbeat().await.unwrap();
        assert_eq!((next(), next()), (HeartbeatState::Starting, HeartbeatState::Healthy));

        // It would answer before the future is looked at, where this thread gets no time.
        registry.signal("STOP");
        let other = camera("lamp-1").service_type("LAMP");
        assert!(client.register(&other).now_or_never().is_none());
        registry.signal("CONT");
        client.deregister_service("camera-1").await.unwrap();

        assert_eq!(next(), HeartbeatState::ReRegistered(ReRegistration::Forgotten));
        assert_eq!(client.service_id().as_deref(), Some("camera-1"));
    });
}

#[test]
fn events_and_changes_are_awaited() {
    on_two_executors(|| async {
        let (place, _registry) = Place::start();
        let client = place.async_client();
        let mut events = client.subscribe(&[]).await.unwrap();
        let mut watch = client.watch().await.unwrap();
        assert!(watch.next().now_or_never().is_none());

        client.register(&camera("camera-1")).await.unwrap();
        let there = watch.next().await;
        client.deregister().await.unwrap();

        let first = events.next().await;
        assert!(matches!(first, Some(Event::Register(event)) if event.service_id == "camera-1"));
        // As a stream, too.
        let second = StreamExt::next(&mut events).await;
        assert!(matches!(second, Some(Event::Deregister(_))), "{second:?}");
        assert!(matches!(there, Some(Change::Registered(service)) if service.id == "camera-1"));
        let gone = StreamExt::next(&mut watch).await;
        let Some(Change::Removed { how, .. }) = gone else { panic!("{gone:?}") };
        assert_eq!(how, Removal::Deregistered);
        assert!(watch.services().is_empty());
    });
}

#[test]
fn a_function_is_called_for_the_events_it_is_for_until_its_listener_is_dropped() {
    on_two_executors(|| async {
        let (place, _registry) = Place::start();
        let client = place.async_client();
        let (sender, heard) = channel();
        let tell = move |event: Event| sender.send(event.kind()).unwrap();
        let listener = client.on_event(&[EventKind::Deregister], tell).await.unwrap();

        client.register(&camera("camera-1")).await.unwrap();
        client.deregister().await.unwrap();

        assert_eq!(heard.recv_timeout(DEADLINE), Ok(Some(EventKind::Deregister)));
        drop(listener);
        assert_eq!(heard.recv_timeout(DEADLINE), Err(RecvTimeoutError::Disconnected));
    });
}

#[test]
fn a_watch_of_a_registry_that_is_not_there_is_told_and_can_be_given_up() {
    on_two_executors(|| async {
        let (place, registry) = Place::start();
        let client = hasty_client(&place);
        registry.kill();

        let error = client.subscribe(&[]).await.unwrap_err();
        assert!(error.is_unreachable(), "{error}");
        let error = client.watch().await.unwrap_err();
        assert!(error.is_unreachable(), "{error}");

        let patient = place.builder().request_timeout(LONG).build_async().unwrap();
        let started = Instant::now();
        assert!(patient.watch().now_or_never().is_none());
        assert!(patient.subscribe(&[]).now_or_never().is_none());
        assert!(started.elapsed() < DEADLINE);
    });
}
