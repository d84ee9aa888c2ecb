//! A service as clients are shown it, put together of texts.
//!
//! Its fields are kept as JSON, so to show it is to copy them.

use serde::Serialize;

use crate::clock::ListeningTime;
use crate::registry::{Entry, Health, Snapshot};

/// Writes what `snapshot` shows, as a JSON object.
pub(super) fn write_service(json: &mut Vec<u8>, snapshot: &Snapshot<'_>) {
    let (before, behind) = snapshot.service.description.halves();
    json.extend_from_slice(br#"{"id":"#);
    write(json, snapshot.service.id.as_str());
    json.push(b',');
    json.extend_from_slice(before.as_bytes());
    json.extend_from_slice(br#","last_heartbeat":"#);
    write(json, &snapshot.last_heartbeat.unix_seconds());
    json.push(b',');
    json.extend_from_slice(behind.as_bytes());
    json.extend_from_slice(match snapshot.health {
        Health::Passing => br#","health":"passing"}"#.as_slice(),
        Health::Critical => br#","health":"critical"}"#,
    });
}

/// Writes a list of what `entries` show at `now`, as they come.
pub(super) fn write_services<'a>(
    json: &mut Vec<u8>,
    entries: impl Iterator<Item = &'a Entry>,
    now: ListeningTime,
) {
    json.push(b'[');
    for (index, entry) in entries.enumerate() {
        if index > 0 {
            json.push(b',');
        }
        write_service(json, &entry.snapshot(now));
    }
    json.push(b']');
}

/// Ends an object that is begun with the fields of `others`.
pub(super) fn end_with(json: &mut Vec<u8>, others: &impl Serialize) {
    let end = json.len();
    write(json, others);
    if json.get(end + 1) == Some(&b'}') {
        // There are none.
        json.remove(end);
    } else if let Some(brace) = json.get_mut(end) {
        *brace = b',';
    }
}

/// Writes a value that is sure to have a form in JSON: a text, a number, or a structure of these.
pub(super) fn write<T: Serialize + ?Sized>(json: &mut Vec<u8>, value: &T) {
    let _ = serde_json::to_writer(json, value);
}
