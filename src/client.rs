//! Asking a registry, being registered there, and hearing what changes.
//!
//! | what a program wants | what it uses |
//! |---|---|
//! | to register, and to find others, waiting for the answers | [`RegistryClient`] |
//! | the same from async code, on any executor | [`AsyncRegistryClient`] |
//! | a service that is registered for a scope | [`RegistryClient::register_scoped`] |
//! | to hear of registrations and expiries as they happen | [`RegistryClient::subscribe`] |
//! | to know all services at any time, without asking | [`RegistryClient::watch`] |
//! | to start when others are there | [`RegistryClient::wait_for_service`] |
//! | a port that nobody else has | [`bind_to_any_port`] |
//! | the address to register | [`address_towards`] |
//! | one question to one registry, in JSON | [`Connection`] |
//! | any of these with a registry that asks for keys | [`CurveKeys`] |
//!
//! A device binds to any port, registers it, and is found by its type:
//!
//! ```
#![doc = include_str!("client/registry_client/example_registry.txt")]
//! let device = zmq::Context::new().socket(zmq::REP)?;
//! let bound = bind_to_any_port(&device, "127.0.0.1")?;
//!
//! let client = RegistryClient::with_endpoints(endpoints);
//! let camera = Registration::new("Camera", "127.0.0.1", bound.port).service_type("CM_CS");
//! let service = client.register_scoped(&camera)?.deregister_on_drop();
//!
//! assert_eq!(client.get_endpoint("CM_CS")?.as_deref(), Some(bound.endpoint.as_str()));
//! # drop(service);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing found (`Ok(None)`), a registry that refuses ([`ClientError::Refused`]) and one that
//! cannot be reached ([`ClientError::Unreachable`]) are three different things. All of this works
//! with the Python registry, too; what that cannot do is said where it matters.

mod async_client;
mod attempts;
mod binding;
mod channel;
mod connection;
mod connections;
mod curve_keys;
mod endpoints;
mod error;
mod events;
mod failover;
mod heartbeat;
mod kept_service;
mod operation;
mod registered_service;
mod registration;
mod registries;
mod registry_client;
mod route;
mod service;
mod settings;
mod socket;
mod starting;
mod thread;
mod watch;

/// Crates whose types are in what this one offers: to use them in the same version.
#[doc(no_inline)]
pub use {crossbeam_channel, futures_core, zmq};

pub use crate::address::{Host, InvalidAddress};
pub use async_client::{AsyncRegistryClient, AsyncSubscription, AsyncWatch};
pub use binding::{BindError, BoundPort, bind_to_any_port};
pub use connection::{Connection, ConnectionError};
pub use curve_keys::CurveKeys;
pub use endpoints::{Endpoint, InvalidEndpoint, RegistryEndpoints};
pub use error::{ClientError, Refusal, RefusalCode};
pub use events::{
    Event, EventKind, EventListener, Missed, MissedReason, OtherEvent, ServiceEvent, Subscription,
};
pub use heartbeat::{HeartbeatState, ReRegistration};
pub use registered_service::RegisteredService;
pub use registration::{Registration, TypePolicy};
pub use registry_client::{RegistryClient, RegistryClientBuilder};
pub use route::address_towards;
pub use service::{ClusterStatus, Health, HealthReport, Sequence, ServerStatus, Service, WallTime};
pub use watch::{Change, Changes, Removal, Watch, WatchMode, WatchStatus, WatchTrouble};
