//! What subscribers are told: two frames, the event type and a JSON body.

use serde::Serialize;

use crate::registry::{Event, EventKind, Sequence};
use crate::service::Ttl;

use super::shown::{end_with, write, write_service};

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

/// Why a service expired, for whoever has to find out what went wrong.
#[derive(Serialize)]
struct Expiry {
    last_heartbeat: u64,
    ttl: Ttl,
    silent_seconds: f64,
    restarted: bool,
    paused: bool,
}

/// How long an event is without what is shown of its service.
const FRAME_BYTES: usize = 320;

/// Writes `event`.
#[must_use]
pub fn encode_event(event: &Event) -> EventFrames {
    let (event_type, entry) = match &event.kind {
        EventKind::Register { entry, .. } => ("register", entry),
        EventKind::Deregister { entry } => ("deregister", entry),
        EventKind::Expire { entry, .. } => ("expire", entry),
    };
    let mut json = Vec::with_capacity(FRAME_BYTES + 2 * entry.service.bytes());
    json.extend_from_slice(br#"{"type":""#);
    json.extend_from_slice(event_type.as_bytes());
    json.extend_from_slice(br#"","timestamp":"#);
    write(&mut json, &event.at.wall.unix_seconds());
    json.extend_from_slice(br#","data":{"service_id":"#);
    write(&mut json, &entry.service.id);
    json.extend_from_slice(br#","service_info":"#);
    let shown = entry.snapshot(event.at.listening);
    match &event.kind {
        EventKind::Register { service_info, .. } => {
            json.extend_from_slice(service_info.as_str().as_bytes());
            // Also the service as it is kept, so that a watcher keeps up without asking: what was
            // received has no time to live in it, and its type not yet among its tags.
            json.extend_from_slice(br#","service":"#);
            write_service(&mut json, &shown);
            json.push(b'}');
        }
        EventKind::Deregister { .. } => {
            write_service(&mut json, &shown);
            json.push(b'}');
        }
        EventKind::Expire { silence, .. } => {
            write_service(&mut json, &shown);
            let expiry = Expiry {
                last_heartbeat: shown.last_heartbeat.unix_seconds(),
                ttl: entry.service.description.ttl(),
                silent_seconds: silence.duration.as_secs_f64(),
                restarted: silence.restarted,
                paused: silence.paused,
            };
            end_with(&mut json, &expiry);
        }
    }
    end_with(&mut json, &event.sequence);
    EventFrames { event_type, body: json, sequence: event.sequence.clone() }
}
