//! Opening the server's sockets: where they listen, and why one cannot.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use zmq::{Context, Socket, SocketType};

use crate::config::{BindAddress, Config};
use crate::curve::KeyPair;
use crate::limits::Limits;
use crate::protocol::reply::Ports;

use super::error::SocketError;
use super::{Endpoints, gatekeeper, http};

mod options;

use options::set_options;

/// What the sockets are for, as errors say it.
const REQUESTS: &str = "requests";
const EVENTS: &str = "events";
const HEARTBEATS: &str = "heartbeats";

/// All sockets of a server, open. They are closed in this order: while any other is open there must
/// be a gatekeeper, without which ZeroMQ lets everybody in.
pub(super) struct Sockets {
    pub(super) requests: Bound,
    pub(super) events: Bound,
    pub(super) heartbeats: Bound,
    /// None, where HTTP is off.
    pub(super) http: Option<TcpListener>,
    pub(super) gatekeeper: Socket,
}

/// An open socket with the endpoint that it listens on, its port resolved.
pub(super) struct Bound {
    pub(super) socket: Socket,
    pub(super) endpoint: String,
    pub(super) port: u16,
}

/// Where and how all ZeroMQ sockets of a server listen: they differ in type and port alone.
pub(super) struct Listening<'a> {
    pub(super) context: &'a Context,
    pub(super) address: &'a BindAddress,
    /// With keys, only encrypted connections are taken.
    pub(super) keys: Option<&'a KeyPair>,
    pub(super) limits: &'a Limits,
}

impl Sockets {
    /// Opens all sockets that `config` names, at `address`, which is resolved.
    pub(super) fn open(
        config: &Config,
        address: &BindAddress,
        keys: Option<&KeyPair>,
    ) -> Result<Self, SocketError> {
        let context = &Context::new();
        let gatekeeper = gatekeeper::open(context)?;
        let listening = Listening { context, address, keys, limits: &config.limits };
        Ok(Self {
            requests: listening.bind(SocketType::ROUTER, REQUESTS, config.req_port)?,
            events: listening.bind(SocketType::PUB, EVENTS, config.pub_port)?,
            heartbeats: listening.bind(SocketType::ROUTER, HEARTBEATS, config.hb_port)?,
            http: config.http.map(http::open).transpose()?,
            gatekeeper,
        })
    }

    /// Where clients find them.
    pub(super) fn endpoints(&self) -> Endpoints {
        Endpoints {
            requests: self.requests.endpoint.clone(),
            events: self.events.endpoint.clone(),
            heartbeats: self.heartbeats.endpoint.clone(),
        }
    }

    pub(super) const fn ports(&self) -> Ports {
        Ports {
            requests: self.requests.port,
            events: self.events.port,
            heartbeats: self.heartbeats.port,
        }
    }

    /// Where HTTP is served, with the port resolved; none, where it is off.
    pub(super) fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|listener| listener.local_addr().ok())
    }
}

impl Listening<'_> {
    /// Opens a socket on `port`, or on a free one where that is 0.
    pub(super) fn bind(
        &self,
        socket_type: SocketType,
        purpose: &'static str,
        port: u16,
    ) -> Result<Bound, SocketError> {
        let endpoint = self.address.endpoint(port);
        let failed = |error: zmq::Error| match error {
            zmq::Error::EADDRINUSE => {
                SocketError::PortTaken { purpose, endpoint: endpoint.clone() }
            }
            other => unusable(purpose, &endpoint, &other),
        };

        probe(purpose, self.address, port)?;
        let socket = self.context.socket(socket_type).map_err(failed)?;
        set_options(&socket, socket_type, self.address, self.limits).map_err(failed)?;
        if let Some(keys) = self.keys {
            socket.set_curve_server(true).map_err(failed)?;
            socket.set_curve_secretkey(keys.secret.as_bytes()).map_err(failed)?;
        }
        socket.bind(&endpoint).map_err(failed)?;
        let resolved = match socket.get_last_endpoint().map_err(failed)? {
            Ok(resolved) => resolved,
            Err(_) => endpoint.clone(),
        };
        let port = resolved.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(port);
        Ok(Bound { socket, endpoint: resolved, port })
    }
}

/// The address to listen on: the one that is given, or that of the interface that is given. The
/// ZeroMQ that comes with the zmq crate cannot look up interfaces itself.
pub(super) fn resolve(address: &BindAddress) -> Result<BindAddress, SocketError> {
    let Some(interface) = address.interface() else { return Ok(address.clone()) };
    let failed = |reason: String| SocketError::Interface { interface: interface.into(), reason };

    let all = if_addrs::get_if_addrs().map_err(|error| failed(error.to_string()))?;
    let mut addresses: Vec<IpAddr> =
        all.iter().filter(|one| one.name == interface).map(|one| one.ip()).collect();
    // IPv4 first, as everywhere.
    addresses.sort_by_key(IpAddr::is_ipv6);
    match addresses.first() {
        Some(address) => Ok((*address).into()),
        None => {
            let mut names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            Err(failed(format!("this host has addresses on {} only", names.join(", "))))
        }
    }
}

/// Tries all ports of `config` before anything is opened that would be left behind if the server
/// cannot start.
pub(super) fn probe_all(config: &Config) -> Result<(), SocketError> {
    let address = resolve(&config.bind)?;
    probe(REQUESTS, &address, config.req_port)?;
    probe(EVENTS, &address, config.pub_port)?;
    probe(HEARTBEATS, &address, config.hb_port)
}

/// Tries the address without ZeroMQ first: the zmq crate panics on error numbers that it does
/// not know, such as that of an address family which the host does not have.
fn probe(purpose: &'static str, address: &BindAddress, port: u16) -> Result<(), SocketError> {
    let Some(ip) = address.ip() else { return Ok(()) };
    let endpoint = address.endpoint(port);
    match TcpListener::bind((ip, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Err(SocketError::PortTaken { purpose, endpoint })
        }
        Err(error) => Err(unusable(purpose, &endpoint, &error)),
    }
}

fn unusable(purpose: &'static str, endpoint: &str, reason: &dyn ToString) -> SocketError {
    SocketError::Unusable { purpose, endpoint: endpoint.to_owned(), reason: reason.to_string() }
}
