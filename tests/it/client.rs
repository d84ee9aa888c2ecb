//! The client library against the real server.

mod asynchronous;
mod blocking;
mod counting_proxy;
mod device;
mod events;
mod failover;
mod guard;
mod heartbeats;
mod lost_registry;
mod no_descriptors;
mod restart;
pub(crate) mod stub;
mod too_large;
mod unnumbered;
mod wait;
mod watch;
