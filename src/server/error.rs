//! Why there is no server, or not any more.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::backend::{BackendError, SqliteError};
use crate::config::InvalidConfig;
use crate::curve::{KeyFileError, NoCurve};

use super::thread::Ended;

/// Why a server could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The settings make no server.
    #[error("the settings cannot be used")]
    Config(#[from] InvalidConfig),
    /// Keys are asked for, and libzmq cannot encrypt.
    #[error("`curve` is set, but {0}")]
    NoCurve(NoCurve),
    /// The file with the server's keys cannot be used.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// The database could not be opened.
    #[error(transparent)]
    Database(#[from] SqliteError),
    /// The cluster cannot be reached as the settings say.
    #[error("cannot use etcd")]
    Cluster(#[source] BackendError),
    /// The backend could not tell what it holds.
    #[error("cannot load the registered services")]
    Load(#[source] BackendError),
    /// A socket could not be opened.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The operating system refused a thread or a pipe.
    #[error("cannot start the server's threads; the limits on processes or open files are too low")]
    Resources(#[from] io::Error),
}

/// Why a socket could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Another process has the port.
    #[error(
        "cannot listen for {purpose} on {endpoint}: the port is taken; is another registry \
         running? Stop it, or choose another port"
    )]
    PortTaken {
        /// What the socket is for.
        purpose: &'static str,
        /// Where it should have listened.
        endpoint: String,
    },
    /// The host has no such network interface, or it has no address.
    #[error("cannot listen on interface {interface}: {reason}; check --bind")]
    Interface {
        /// The interface's name.
        interface: String,
        /// What is the matter with it.
        reason: String,
    },
    /// The socket for HTTP.
    #[error("cannot listen for HTTP on {address}: {reason}; choose another address with --http")]
    Http {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the operating system says.
        reason: String,
    },
    /// Anything else.
    #[error("cannot listen for {purpose} on {endpoint}: {reason}; check --bind and the ports")]
    Unusable {
        /// What the socket is for.
        purpose: &'static str,
        /// Where it should have listened.
        endpoint: String,
        /// What the operating system says.
        reason: String,
    },
}

/// Why a server that was running ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// One of its threads could not go on, so the server stopped rather than live on without it.
    #[error("the {thread} thread failed: {reason}")]
    ThreadFailed {
        /// The thread's name.
        thread: &'static str,
        /// Why.
        reason: String,
    },
}

impl From<Ended> for ServerError {
    fn from(Ended { thread, result }: Ended) -> Self {
        let unasked = || "it ended although nobody asked it to".to_owned();
        Self::ThreadFailed { thread, reason: result.err().unwrap_or_else(unasked) }
    }
}
