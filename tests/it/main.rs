//! The integration tests: one binary, one module for each promise.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking, also where it calls for help"
)]

mod access;
mod bad_input;
mod client;
#[cfg(feature = "etcd")]
mod cluster;
mod commands;
mod conformance;
mod crash;
mod curve;
mod documented_commands;
mod embedded;
mod envelopes;
mod events;
mod examples;
mod expiry;
mod features;
#[cfg(target_os = "linux")]
mod hostile;
mod http;
mod lifecycle;
mod limits;
mod linearizability;
mod log_messages;
mod model;
mod order;
mod overload;
mod service_manager;
mod storage;
mod support;
mod tidy;
mod time;
