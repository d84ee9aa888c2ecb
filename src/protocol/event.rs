//! What subscribers are told: two frames, the event type and a JSON body.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::registry::{Entry, Event, EventKind, Sequence};
use crate::service::ServiceId;

use super::reply::{ServiceBody, encode};

/// An event, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct EventFrames {
    /// What subscribers filter by.
    pub event_type: &'static str,
    /// The JSON body.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct Body<'a, Data> {
    r#type: &'a str,
    timestamp: u64,
    data: Data,
    #[serde(flatten)]
    sequence: &'a Sequence,
}

#[derive(Serialize)]
struct Registered<'a> {
    service_id: &'a ServiceId,
    service_info: &'a Map<String, Value>,
    /// What a watcher needs to keep up without asking: `service_info` has no time to live, and
    /// not yet the type among its tags.
    service: ServiceBody<'a>,
}

#[derive(Serialize)]
struct Removed<'a> {
    service_id: &'a ServiceId,
    service_info: ServiceBody<'a>,
}

/// Writes `event`.
#[must_use]
pub fn encode_event(event: &Event) -> EventFrames {
    match &event.kind {
        EventKind::Register { entry, service_info } => {
            let service_id = &entry.service.id;
            let service = ServiceBody::from(entry.snapshot(event.at.listening));
            write(event, "register", Registered { service_id, service_info, service })
        }
        EventKind::Deregister { entry } => as_stored(event, "deregister", entry),
        EventKind::Expire { entry } => as_stored(event, "expire", entry),
    }
}

fn as_stored(event: &Event, event_type: &'static str, entry: &Entry) -> EventFrames {
    let service_info = ServiceBody::from(entry.snapshot(event.at.listening));
    write(event, event_type, Removed { service_id: &entry.service.id, service_info })
}

fn write(event: &Event, event_type: &'static str, data: impl Serialize) -> EventFrames {
    let timestamp = event.at.wall.unix_seconds();
    let body = Body { r#type: event_type, timestamp, data, sequence: &event.sequence };
    EventFrames { event_type, body: encode(&body) }
}
