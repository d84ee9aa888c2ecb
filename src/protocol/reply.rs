//! What the registry answers when all is well: JSON bodies, written.

use std::borrow::Cow;
use std::path::Path;

use serde::Serialize;

use crate::clock::{ListeningTime, WallTime};
use crate::registry::{Entry, Sequence};
use crate::service::ServiceId;

use super::code::Code;
use super::shown::{end_with, write_service, write_services};

mod info;

pub use info::{About, Cluster, Counts, Store, Totals, info};

/// The ports that `info` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ports {
    /// Of the request socket.
    #[serde(rename = "req_port")]
    pub requests: u16,
    /// Of the event socket.
    #[serde(rename = "pub_port")]
    pub events: u16,
    /// Of the heartbeat socket.
    #[serde(rename = "hb_port")]
    pub heartbeats: u16,
}

impl Ports {
    /// All of them.
    #[must_use]
    pub const fn all(self) -> [u16; 3] {
        [self.requests, self.events, self.heartbeats]
    }
}

/// Whether a registry is in contact with those that share its list. Told only where it is not:
/// then what it tells may be old, and a client that knows another registry goes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct InContact {
    #[serde(skip_serializing_if = "Option::is_none")]
    in_contact: Option<bool>,
}

impl From<bool> for InContact {
    fn from(is_in_contact: bool) -> Self {
        Self { in_contact: (!is_in_contact).then_some(false) }
    }
}

/// The reply to `register`.
#[must_use]
pub fn registered(service_id: &ServiceId) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        success: bool,
        service_id: &'a ServiceId,
        message: &'a str,
    }
    encode(&Body { success: true, service_id, message: "Service registered successfully" })
}

/// The reply to `deregister`.
#[must_use]
pub fn deregistered() -> Vec<u8> {
    message("Service deregistered successfully")
}

/// The reply to `renew`, and to a heartbeat.
#[must_use]
pub fn renewed(contact: InContact) -> Vec<u8> {
    let mut json = begin(br#"{"success":true,"message":"Service renewed successfully""#);
    end_with(&mut json, &contact);
    json
}

/// The reply to `get` and `discover`.
#[must_use]
pub fn service(entry: &Entry, now: ListeningTime) -> Vec<u8> {
    let mut json = begin(br#"{"success":true,"service":"#);
    write_service(&mut json, &entry.snapshot(now));
    json.push(b'}');
    json
}

/// The reply to `list`.
#[must_use]
pub fn list<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    sequence: &Sequence,
    now: ListeningTime,
    contact: InContact,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Rest<'a> {
        #[serde(flatten)]
        sequence: &'a Sequence,
        #[serde(flatten)]
        contact: InContact,
    }
    let mut json = begin(br#"{"success":true,"services":"#);
    write_services(&mut json, entries, now);
    end_with(&mut json, &Rest { sequence, contact });
    json
}

/// The reply to `health`. With the `trouble` of a registry that cannot store what changes.
#[must_use]
pub fn health(
    sequence: &Sequence,
    now: WallTime,
    contact: InContact,
    trouble: Option<&str>,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        success: bool,
        status: &'a str,
        timestamp: u64,
        #[serde(flatten)]
        sequence: &'a Sequence,
        #[serde(flatten)]
        contact: InContact,
        #[serde(skip_serializing_if = "Option::is_none")]
        trouble: Option<&'a str>,
    }
    let timestamp = now.unix_seconds();
    encode(&Body { success: true, status: "ok", timestamp, sequence, contact, trouble })
}

/// The reply to `backup`.
#[must_use]
pub fn backed_up(destination: &Path) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        success: bool,
        destination: Cow<'a, str>,
        message: &'a str,
    }
    let message = "Registry backed up successfully";
    encode(&Body { success: true, destination: destination.to_string_lossy(), message })
}

/// The reply to `terminate`.
#[must_use]
pub fn terminating(now: WallTime) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        success: bool,
        status: &'a str,
        timestamp: u64,
    }
    encode(&Body { success: true, status: "terminating", timestamp: now.unix_seconds() })
}

/// How long most answers are at the most: all but lists and large metadata, so that the text need
/// not move as it grows.
const MOST_BYTES: usize = 512;

/// Begins a body.
pub(super) fn begin(json: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(MOST_BYTES);
    body.extend_from_slice(json);
    body
}

/// Writes a body. Nothing that the protocol writes can fail to be JSON; should that ever change,
/// the client is told rather than left waiting.
pub(super) fn encode(body: &impl Serialize) -> Vec<u8> {
    let mut json = begin(b"");
    match serde_json::to_writer(&mut json, body) {
        Ok(()) => json,
        Err(_) => {
            let (error, code) = ("The reply cannot be written as JSON", Code::Internal.as_str());
            format!(r#"{{"success":false,"error":"{error}","code":"{code}"}}"#).into_bytes()
        }
    }
}

fn message(message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        success: bool,
        message: &'a str,
    }
    encode(&Body { success: true, message })
}
