//! How long it takes to read requests and to write replies and events.
//!
//! ```sh
//! cargo bench --bench protocol
//! ```

use std::sync::Arc;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use service_registry::protocol::event::encode_event;
use service_registry::protocol::reply;
use service_registry::protocol::request::{read_heartbeat, read_request};
use service_registry::registry::{Event, Plan};
use uuid::Uuid;

mod samples;

use samples::{NOW, SIZES, id, registration, registration_body, registry, service_type};

fn main() {
    divan::main();
}

/// Requests as clients write them.
#[divan::bench(args = ["register", "discover", "get", "renew", "health"])]
fn decode_request(bencher: Bencher<'_, '_>, action: &str) {
    let body = match action {
        "register" => registration_body(7),
        "discover" => {
            format!(r#"{{"action": "discover", "service_type": "{}"}}"#, service_type(7)).into()
        }
        "health" => br#"{"action": "health"}"#.to_vec(),
        _ => format!(r#"{{"action": "{action}", "service_id": "{}"}}"#, id(7)).into(),
    };
    assert!(read_request(&body).request.is_ok(), "it is a request");

    bencher.counter(BytesCount::of_slice(&body)).bench(|| read_request(black_box(&body)));
}

#[divan::bench]
fn decode_heartbeat(bencher: Bencher<'_, '_>) {
    let body = format!(r#"{{"action": "renew", "service_id": "{}"}}"#, id(7)).into_bytes();
    assert!(read_heartbeat(&body).request.is_ok(), "it is a heartbeat");

    bencher.counter(BytesCount::of_slice(&body)).bench(|| read_heartbeat(black_box(&body)));
}

/// The reply to `get` and `discover`.
#[divan::bench]
fn encode_service(bencher: Bencher<'_, '_>) {
    let registry = registry(1);
    let entry = registry.get(&id(0));
    let entry = entry.map(Arc::as_ref);

    bencher.bench(|| black_box(entry).map(|entry| reply::service(entry, NOW.listening)));
}

#[divan::bench]
fn encode_renewed(bencher: Bencher<'_, '_>) {
    bencher.bench(|| reply::renewed(true.into()));
}

#[divan::bench]
fn encode_health(bencher: Bencher<'_, '_>) {
    let registry = registry(1);

    bencher.bench(|| reply::health(black_box(registry.sequence()), NOW.wall, true.into(), None));
}

/// The reply to `list`, of all services.
#[divan::bench(args = SIZES, sample_count = 10)]
fn encode_list(bencher: Bencher<'_, '_>, services: u32) {
    let registry = registry(services);

    bencher.counter(ItemsCount::new(services)).bench(|| {
        let entries = registry.list(None).map(Arc::as_ref);
        reply::list(entries, registry.sequence(), NOW.listening, true.into())
    });
}

/// What subscribers are sent when a service registers.
#[divan::bench]
fn encode_registration(bencher: Bencher<'_, '_>) {
    let event = event();

    bencher.bench(|| encode_event(black_box(&event)));
}

fn event() -> Event {
    let mut registry = registry(1);
    let changes =
        Plan::new(&registry, NOW).register(&registry, registration(1), Uuid::nil()).changes;
    let events = changes.into_iter().filter_map(|change| registry.apply(change, NOW));
    events.last().unwrap_or_else(|| unreachable!("a registration is an event"))
}
