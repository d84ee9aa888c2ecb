//! A subscriber that tells each event as it understands it, one line of JSON each.

use serde_json::{Value, json};
use service_registry::client::{Event, EventKind, RegistryClient, RegistryEndpoints, Service};

/// Tells events of these kinds, or all where none is named, for as long as anybody listens.
pub(crate) fn tell(registry: RegistryEndpoints, kinds: &[&str]) {
    let kinds: Vec<EventKind> = kinds.iter().map(|word| kind(word)).collect();
    let events = RegistryClient::with_endpoints(registry).subscribe(&kinds).unwrap();
    println!("subscribed");
    for event in &events {
        println!("{}", json_of(&event));
    }
}

fn kind(word: &str) -> EventKind {
    match word {
        "register" => EventKind::Register,
        "deregister" => EventKind::Deregister,
        "expire" => EventKind::Expire,
        _ => panic!("there is no event {word}"),
    }
}

fn json_of(event: &Event) -> Value {
    let of_service = |word: &str, service_id: &str, service: Option<Service>| {
        json!({
            "event": word,
            "service_id": service_id,
            "address": service.map(|service| service.endpoint()),
            "has_number": event.sequence().is_some(),
        })
    };
    match event {
        Event::Register(told) => {
            let mut json = of_service("register", &told.service_id, event.service());
            json["service_info"] = told.service_info.clone().into();
            json
        }
        Event::Deregister(told) => of_service("deregister", &told.service_id, event.service()),
        Event::Expire(told) => of_service("expire", &told.service_id, event.service()),
        Event::Missed(missed) => json!({"missed": format!("{:?}", missed.reason)}),
        other => panic!("no registry of today tells {other:?}"),
    }
}
