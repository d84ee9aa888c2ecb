//! A service registry for laboratory hardware control.
//!
//! Device services start on ports that the operating system picks, register here, renew their
//! registration by heartbeats and deregister when they stop. Others find them by type. A service
//! that falls silent expires, and everybody who subscribed hears of it. On the wire it speaks
//! the protocol of the CGSE framework's Python registry, so its clients need not know.
//!
//! One thread takes requests and one takes heartbeats; both answer reads and renewals from memory.
//! A third owns the database, and is the only one to change the registry. Others publish events,
//! call for cleanup, and decide who may connect: `docs/architecture.md` has the picture.
//!
//! What it promises:
//!
//! 1. An answer means durable: a registration is visible, acknowledged and published only after
//!    it is committed to disk.
//! 2. Discovery and heartbeats never wait for the disk.
//! 3. Time counts only while the registry listens.
//! 4. Every request is answered, malformed ones too, unless it asked for no reply.
//! 5. A subscriber can know that it missed something.
//! 6. Everything is bounded.
//! 7. Nothing fails silently: a thread that ends stops the server with its reason.
//! 8. The database stays the Python server's, so a lab can switch to this one and back.
//!
//! To read the code, follow a request: `server` has a file for each thread; [`protocol`] turns
//! frames into requests and outcomes into replies; [`registry`] has the rules, pure; `backend`
//! keeps what was decided. [`clock`], [`json`], [`limits`], [`access`] and [`service`] are what all
//! of them speak of. Imports run one way: those, registry, then protocol and backend, then server;
//! [`client`] knows nothing of the server.
//!
//! # Features
//!
//! Without any of them there are the clients ([`client`]), and the rules and messages of a
//! registry, which take no crate that the clients do not take.
//!
//! | feature | what it adds |
//! |---|---|
//! | `server` | a registry inside a program: the modules `server`, `config` and `backend` |
//! | `program`, the default | the program `service-registry`, with its commands; takes `server` |
//! | `etcd` | the backend for the registries of several hosts; takes `server` |

#![deny(missing_docs)]

pub mod access;
pub mod address;
#[cfg(feature = "server")]
pub mod backend;
pub mod client;
pub mod clock;
#[cfg(feature = "server")]
pub mod config;
pub mod curve;
pub mod json;
mod key;
pub mod limits;
mod mailbox;
pub mod protocol;
pub mod registry;
#[cfg(feature = "server")]
pub mod server;
pub mod service;

/// The examples in README.md are tested as those of the documentation are.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
