//! Everything that the asynchronous client can do with the Python registry.

use std::slice;
use std::time::Duration;

use futures::FutureExt;
use futures::executor::block_on;
use service_registry::client::{
    AsyncRegistryClient, Change, ClientError, Event, EventKind, Health, HeartbeatState,
    RefusalCode, Registration, RegistryEndpoints, Removal, WatchMode,
};

/// For answers: long for a busy machine, since an answer that comes is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// For what will not come: as long as a busy registry may take to say so.
const MOMENT: Duration = Duration::from_secs(3);

/// Lives it on the named executor: in this thread, or as a task of a runtime with several threads.
pub(crate) fn live(registry: RegistryEndpoints, executor: &str) {
    match executor {
        "futures" => block_on(whole_life(registry)),
        "tokio" => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
            let runtime = runtime.unwrap();
            runtime.block_on(runtime.spawn(whole_life(registry))).expect("the task succeeds");
        }
        _ => panic!("there is no executor {executor}"),
    }
}

async fn whole_life(registry: RegistryEndpoints) {
    let builder = AsyncRegistryClient::builder().endpoints(registry);
    let client = builder.clone().request_timeout(PATIENCE).build_async().unwrap();
    let other = builder.request_timeout(PATIENCE).build_async().unwrap();

    assert!(matches!(client.deregister().await, Err(ClientError::NothingRegistered)));
    find_nothing(&client).await;
    register(&client).await;
    find(&other).await;
    refuse(&other).await;
    cancel(&other).await;
    send_heartbeats(&client).await;
    follow(&client, &other).await;

    client.register(&camera()).await.unwrap();
    client.terminate_registry_server().await.unwrap();
}

fn camera() -> Registration {
    Registration::new("Camera", "localhost", 6_110)
        .service_id("camera-1")
        .service_type("CAMERA")
        .metadata("rack", 4)
        .tag("focal-plane")
        .ttl(30)
}

async fn find_nothing(client: &AsyncRegistryClient) {
    assert_eq!(client.discover_service("CAMERA").await.unwrap(), None);
    assert_eq!(client.get_endpoint("CAMERA").await.unwrap(), None);
    assert_eq!(client.get_service("camera-1").await.unwrap(), None);
    assert_eq!(client.list_services(None).await.unwrap(), []);
    assert_eq!(client.wait_for_service("CAMERA", MOMENT).await.unwrap(), None);
    assert!(!client.deregister_service("camera-1").await.unwrap());
}

async fn register(client: &AsyncRegistryClient) {
    assert_eq!(client.register(&camera()).await.unwrap(), "camera-1");
    assert_eq!(client.service_id().as_deref(), Some("camera-1"));
    assert_eq!(client.reregister().await.unwrap(), "camera-1");
}

async fn find(client: &AsyncRegistryClient) {
    let found = client.discover_service("CAMERA").await.unwrap().expect("it is there");

    assert_eq!((found.id.as_str(), found.health), ("camera-1", Health::Passing));
    assert_eq!((&found.metadata["rack"], found.ttl), (&4.into(), 30));
    assert!(found.matches("focal-plane"));
    assert_eq!(client.get_service("camera-1").await.unwrap(), Some(found.clone()));
    assert_eq!(client.list_services(Some("CAMERA")).await.unwrap(), slice::from_ref(&found));
    assert_eq!(client.wait_for_service("CAMERA", PATIENCE).await.unwrap(), Some(found.clone()));
    let endpoint = client.get_endpoint("CAMERA").await.unwrap();
    assert_eq!(endpoint.as_deref(), Some("tcp://localhost:6110"));
    // What this registry does not tell is not made up.
    let health = client.health_check().await.unwrap();
    assert_eq!((health.status.as_str(), health.sequence), ("ok", None));
    let status = client.server_status().await.unwrap();
    assert_eq!((status.version, status.sequence), (None, None));
    assert_eq!((status.services, status.enforce_unique_service_types), (vec![found], true));
}

/// The Python registry sends no codes; its words are understood.
async fn refuse(client: &AsyncRegistryClient) {
    let error = client.register(&camera().service_id("camera-2")).await.unwrap_err();

    assert!(error.is_refused_as(&RefusalCode::DuplicateServiceType), "{error}");
    assert_eq!(client.service_id(), None);
}

/// It does not return request ids either, so an answer that nobody waits for any more must not be
/// taken for the next one.
async fn cancel(client: &AsyncRegistryClient) {
    for _ in 0..50 {
        // Given up at once. Where this thread gets no time in between it has its answer already.
        drop(client.get_service("camera-1").now_or_never());
        assert_eq!(client.get_service("no-such-id").await.unwrap(), None);
        drop(client.get_service("no-such-id").now_or_never());
        assert!(client.get_service("camera-1").await.unwrap().is_some());
    }
}

async fn send_heartbeats(client: &AsyncRegistryClient) {
    let changes = client.heartbeat_changes();
    let next = || changes.recv_timeout(PATIENCE).expect("heartbeats are answered");

    client.start_heartbeat().await.unwrap();
    assert_eq!((next(), next()), (HeartbeatState::Starting, HeartbeatState::Healthy));

    client.stop_heartbeat().await;
    assert_eq!(next(), HeartbeatState::Stopped);
}

async fn follow(client: &AsyncRegistryClient, other: &AsyncRegistryClient) {
    let mut events = other.subscribe(&[EventKind::Deregister]).await.unwrap();
    let mut watch = other.watch_type("CAMERA").await.unwrap();
    assert!(matches!(watch.status().mode, WatchMode::Lists { .. }), "{:?}", watch.status());
    let first = watch.next().await;
    assert!(matches!(first, Some(Change::Registered(service)) if service.id == "camera-1"));
    assert!(watch.discover("CAMERA").is_some());

    assert!(client.deregister().await.unwrap());

    let event = events.next().await;
    assert!(matches!(event, Some(Event::Deregister(event)) if event.service_id == "camera-1"));
    let Some(Change::Removed { service, how }) = watch.next().await else { panic!("it is gone") };
    // A list does not tell why.
    assert_eq!((service.id.as_str(), how), ("camera-1", Removal::Missing));
    assert!(watch.services().is_empty());
    assert_eq!(client.service_id(), None);
}
