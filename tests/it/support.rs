//! What the tests stand on: registries to talk to, clients to talk with, and, for a test that
//! fails, what was said and what the server logged.

mod answers;
#[cfg(feature = "etcd")]
mod authority;
mod chance;
mod client;
mod embedded;
#[cfg(feature = "etcd")]
mod etcd;
#[cfg(feature = "etcd")]
mod etcd_proxy;
mod event_proxy;
#[cfg(target_os = "linux")]
mod faulty_disk;
mod hanging;
mod impatient;
mod launch;
#[cfg(target_os = "linux")]
mod mute_kernel;
mod peer;
mod place;
mod ports;
#[cfg(target_os = "linux")]
mod preloaded;
mod process;
pub(crate) mod raw;
mod registry;
mod scripted_backend;
mod signals;
mod subscriber;
mod transcript;
mod waiting;

pub(crate) use answers::{assert_refused, assert_success, ids, unix_seconds, whole_number};
#[cfg(feature = "etcd")]
pub(crate) use authority::Authority;
pub(crate) use chance::{Chance, repetitions};
pub(crate) use client::{
    Client, HeartbeatClient, answer_in, json_in, registration, registration_of_size, short_lived,
    singleton,
};
pub(crate) use embedded::{Embedded, embedded_config};
#[cfg(feature = "etcd")]
pub(crate) use etcd::Etcd;
#[cfg(feature = "etcd")]
pub(crate) use etcd_proxy::{EtcdProxy, Passage};
pub(crate) use event_proxy::EventProxy;
#[cfg(target_os = "linux")]
pub(crate) use faulty_disk::{Calls, Fate, FaultyDisk};
pub(crate) use hanging::has_a_limit;
pub(crate) use impatient::Impatient;
pub(crate) use launch::Launch;
#[cfg(target_os = "linux")]
pub(crate) use mute_kernel::MuteKernel;
pub(crate) use peer::Peer;
pub(crate) use place::Place;
pub(crate) use ports::ReservedPort;
pub(crate) use process::{Finished, Process};
pub(crate) use registry::{Registry, port_of};
pub(crate) use scripted_backend::{Commit, Gate, Journal, ScriptedBackend};
pub(crate) use subscriber::{Event, Subscriber};
pub(crate) use transcript::Transcript;
pub(crate) use waiting::{TrueInTheEnd, accept, wait_until};

use std::time::Duration;

/// How long a test waits for something that should come at once. Long, because a busy machine
/// is no failure; a test that passes never waits this long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The three endpoints of a registry, as a client connects to them.
#[derive(Debug, Clone)]
pub(crate) struct Endpoints {
    pub(crate) requests: String,
    pub(crate) events: String,
    pub(crate) heartbeats: String,
}
