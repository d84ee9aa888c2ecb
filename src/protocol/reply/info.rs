//! The reply to `info`, which tells what the registry is, what it holds and what it counted.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::ListeningTime;
use crate::protocol::shown::{end_with, write_services};
use crate::registry::{Entry, Sequence};

use super::{Ports, encode};

/// What `info` counts since the start. What did not happen is left out of the maps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests that were carried out, by action.
    pub requests: BTreeMap<&'static str, u64>,
    /// Requests that were refused, by code.
    pub refused: BTreeMap<&'static str, u64>,
    /// What was more than a limit allows, by limit.
    pub exceeded: BTreeMap<&'static str, u64>,
    /// Everything else.
    pub totals: Totals,
    /// Requests that wait to be stored, just now.
    pub jobs_waiting: u64,
}

/// What else `info` counts since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Services that were registered, for the first time or anew.
    pub registrations: u64,
    /// Services that were deregistered.
    pub deregistrations: u64,
    /// Services that expired.
    pub expiries: u64,
    /// Transactions that were stored.
    pub commits: u64,
    /// Transactions that could not be stored.
    pub failed_commits: u64,
    /// Replies that could not be delivered.
    pub undelivered: u64,
}

/// What `info` tells of the registries that share a list, as this one sees them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cluster {
    /// What keeps the list that they share.
    pub backend: &'static str,
    /// What this registry is called.
    pub name: Box<str>,
    /// Whether it can store something.
    pub in_contact: bool,
    /// How old what it knows may be, in seconds.
    pub heard_seconds_ago: f64,
    /// Why it cannot store anything.
    pub reason: Option<String>,
    /// The number of the last transaction that it knows.
    pub entry: u64,
    /// Which registries are there.
    pub registries: Vec<Box<str>>,
    /// How the store itself is, where that is known.
    pub etcd: Option<Store>,
}

/// What `info` tells of the members of etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Store {
    /// Their names.
    pub members: Vec<Box<str>>,
    /// Which of them leads.
    pub leader: Option<Box<str>>,
    /// The revision of what they have.
    pub revision: u64,
}

/// What `info` tells of the server.
#[derive(Debug)]
pub struct About<'a> {
    /// Where it listens.
    pub ports: &'a Ports,
    /// Whether types are unique.
    pub enforce_unique_service_types: bool,
    /// How many connections were refused.
    pub refused_connections: u64,
    /// What it counted.
    pub counts: &'a Counts,
    /// How it stands with the registries that share its list, if any do.
    pub cluster: Option<Cluster>,
    /// Why it cannot store what changes, if so.
    pub trouble: Option<String>,
}

/// The reply to `info`.
#[must_use]
pub fn info<'a>(
    about: &About<'_>,
    entries: impl Iterator<Item = &'a Entry>,
    sequence: &Sequence,
    now: ListeningTime,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Start<'a> {
        success: bool,
        status: &'a str,
        #[serde(flatten)]
        ports: &'a Ports,
        enforce_unique_service_types: bool,
    }
    #[derive(Serialize)]
    struct Rest<'a> {
        refused_connections: u64,
        #[serde(flatten)]
        counts: &'a Counts,
        #[serde(flatten)]
        sequence: &'a Sequence,
        version: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cluster: Option<&'a Cluster>,
        #[serde(skip_serializing_if = "Option::is_none")]
        trouble: Option<&'a str>,
    }
    let mut json = encode(&Start {
        success: true,
        status: "ok",
        ports: about.ports,
        enforce_unique_service_types: about.enforce_unique_service_types,
    });
    json.pop();
    json.extend_from_slice(br#","services":"#);
    write_services(&mut json, entries, now);
    let rest = Rest {
        refused_connections: about.refused_connections,
        counts: about.counts,
        sequence,
        version: env!("CARGO_PKG_VERSION"),
        cluster: about.cluster.as_ref(),
        trouble: about.trouble.as_deref(),
    };
    end_with(&mut json, &rest);
    json
}
