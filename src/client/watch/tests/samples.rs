//! Services, lists and events for the tests of the watch.

use serde_json::{Map, Value, json};

use crate::client::events::Event;
use crate::client::service::{Health, Sequence, Service, ServiceList, WallTime};

/// A service called `id`, looked up by `service_type`.
pub(in crate::client::watch) fn service(id: &str, service_type: &str) -> Service {
    Service {
        id: id.to_owned(),
        name: id.to_owned(),
        host: "10.0.0.7".to_owned(),
        port: 6_110,
        metadata: Map::from_iter([("type".to_owned(), service_type.into())]),
        ttl: 30,
        last_heartbeat: WallTime::from_unix_seconds(0),
        tags: vec![service_type.to_owned()],
        health: Health::Passing,
    }
}

/// The answer to `list` at one moment.
pub(in crate::client::watch) fn list(epoch: &str, seq: u64, services: Vec<Service>) -> ServiceList {
    let sequence = Some(Sequence { epoch: epoch.to_owned(), seq });
    ServiceList { services, sequence, in_contact: true }
}

/// Any event.
pub(in crate::client::watch) fn event(event_type: &str, body: &Value) -> Event {
    Event::from_frames(&[event_type.into(), body.to_string().into()]).unwrap()
}

/// The event that `service` registered.
pub(in crate::client::watch) fn register(epoch: &str, seq: u64, service: &Service) -> Event {
    let kept = json!({
        "id": service.id, "name": service.name, "host": service.host, "port": service.port,
        "metadata": service.metadata, "ttl": service.ttl, "tags": service.tags,
        "last_heartbeat": service.last_heartbeat.unix_seconds(), "health": "passing",
    });
    about("register", epoch, seq, &json!({"service_id": service.id, "service": kept}))
}

/// The event that a service was taken out.
pub(in crate::client::watch) fn deregister(epoch: &str, seq: u64, id: &str) -> Event {
    about("deregister", epoch, seq, &json!({"service_id": id}))
}

/// The event that a service expired.
pub(in crate::client::watch) fn expire(epoch: &str, seq: u64, id: &str) -> Event {
    about("expire", epoch, seq, &json!({"service_id": id}))
}

fn about(event_type: &str, epoch: &str, seq: u64, data: &Value) -> Event {
    event(event_type, &json!({"timestamp": 0, "epoch": epoch, "seq": seq, "data": data}))
}
