//! What subscribers are told: two frames, the event type and a JSON body.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::registry::{Entry, Event, EventKind, Sequence};
use crate::service::{ServiceId, Ttl};

use super::reply::{ServiceBody, encode};

/// An event, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct EventFrames {
    /// What subscribers filter by.
    pub event_type: &'static str,
    /// The JSON body.
    pub body: Vec<u8>,
    /// Its place among all events, which is in the body as well.
    pub sequence: Sequence,
}

#[derive(Serialize)]
struct Body<'a, Data> {
    r#type: &'a str,
    timestamp: u64,
    data: Data,
    #[serde(flatten)]
    sequence: &'a Sequence,
}

/// Also the service as it is kept, so that a watcher keeps up without asking: what was received
/// has no time to live in it, and its type not yet among its tags.
#[derive(Serialize)]
struct RegisterData<'a> {
    service_id: &'a ServiceId,
    service_info: &'a Map<String, Value>,
    service: ServiceBody<'a>,
}

#[derive(Serialize)]
struct DeregisterData<'a> {
    service_id: &'a ServiceId,
    service_info: ServiceBody<'a>,
}

/// Also why it expired, for whoever has to find out what went wrong.
#[derive(Serialize)]
struct ExpireData<'a> {
    service_id: &'a ServiceId,
    service_info: ServiceBody<'a>,
    last_heartbeat: u64,
    ttl: Ttl,
    silent_seconds: f64,
    restarted: bool,
    paused: bool,
}

/// Writes `event`.
#[must_use]
pub fn encode_event(event: &Event) -> EventFrames {
    match &event.kind {
        EventKind::Register { entry, service_info } => {
            let (service_id, service) = (&entry.service.id, shown(event, entry));
            write(event, "register", RegisterData { service_id, service_info, service })
        }
        EventKind::Deregister { entry } => {
            let (service_id, service_info) = (&entry.service.id, shown(event, entry));
            write(event, "deregister", DeregisterData { service_id, service_info })
        }
        EventKind::Expire { entry, silence } => {
            let data = ExpireData {
                service_id: &entry.service.id,
                service_info: shown(event, entry),
                last_heartbeat: entry.lease.last_heartbeat().unix_seconds(),
                ttl: entry.service.ttl,
                silent_seconds: silence.duration.as_secs_f64(),
                restarted: silence.restarted,
                paused: silence.paused,
            };
            write(event, "expire", data)
        }
    }
}

fn shown<'a>(event: &Event, entry: &'a Entry) -> ServiceBody<'a> {
    entry.snapshot(event.at.listening).into()
}

fn write(event: &Event, event_type: &'static str, data: impl Serialize) -> EventFrames {
    let timestamp = event.at.wall.unix_seconds();
    let body = Body { r#type: event_type, timestamp, data, sequence: &event.sequence };
    EventFrames { event_type, body: encode(&body), sequence: event.sequence.clone() }
}
