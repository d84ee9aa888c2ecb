//! Letting the operating system pick the port that a device service listens on.
//!
//! A service that is found through the registry needs no port of its own choice: it listens on
//! any free one and registers that. Two services can then never be configured to the same port,
//! and a service that is started again need not wait for its old port to become free.

use std::io;
use std::net::{IpAddr, TcpListener};

use thiserror::Error;
use zmq::Socket;

use crate::address::BindAddress;

/// Where a socket listens that was bound to any port.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let camera = zmq::Context::new().socket(zmq::REP)?;
/// let bound = bind_to_any_port(&camera, "127.0.0.1")?;
///
/// let registration = Registration::new("Camera", "127.0.0.1", bound.port).service_type("CM_CS");
/// client.register(&registration)?;
/// assert_eq!(client.get_endpoint("CM_CS")?, Some(bound.endpoint));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundPort {
    /// The port that the operating system picked. This is what a service registers.
    pub port: u16,
    /// The ZeroMQ endpoint of the socket. Where the socket listens on all addresses, this is
    /// `tcp://0.0.0.0:…`, which nobody can connect to.
    pub endpoint: String,
}

/// Why a socket could not be bound to a port.
///
/// ```
/// use service_registry::client::{BindError, bind_to_any_port};
///
/// let socket = zmq::Context::new().socket(zmq::REP)?;
/// let error = bind_to_any_port(&socket, "lab-7").expect_err("a name is no address");
/// assert!(matches!(error, BindError::Address { .. }));
/// # Ok::<(), zmq::Error>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    /// The text is no address. Network interfaces cannot be given by their names here.
    #[error("cannot listen on {address:?}: must be *, or an IPv4 or IPv6 address of this host")]
    Address {
        /// What was given.
        address: String,
    },
    /// This host does not have the address.
    #[error("cannot listen on {address}; is it an address of this host?")]
    Unavailable {
        /// The address.
        address: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// ZeroMQ could not bind the socket.
    #[error("cannot listen on {address}")]
    Socket {
        /// The address.
        address: String,
        /// What ZeroMQ says.
        source: zmq::Error,
    },
}

/// Binds `socket` to a port that the operating system picks, on one address of this host or, with
/// `*`, on all its IPv4 addresses.
///
/// ```
/// use service_registry::client::bind_to_any_port;
///
/// let context = zmq::Context::new();
/// let socket = context.socket(zmq::REP)?;
///
/// let bound = bind_to_any_port(&socket, "127.0.0.1")?;
///
/// assert_eq!(bound.endpoint, format!("tcp://127.0.0.1:{}", bound.port));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`BindError`]: the address is none, or not of this host, or the socket cannot listen.
pub fn bind_to_any_port(socket: &Socket, address: &str) -> Result<BoundPort, BindError> {
    let no_address = || BindError::Address { address: address.to_owned() };
    let unusable = |source| BindError::Socket { address: address.to_owned(), source };

    let bind_address: BindAddress = address.parse().map_err(|_| no_address())?;
    probe(bind_address.ip().ok_or_else(no_address)?)
        .map_err(|source| BindError::Unavailable { address: address.to_owned(), source })?;
    socket.set_ipv6(bind_address.is_ipv6()).map_err(unusable)?;
    socket.bind(&bind_address.endpoint(0)).map_err(unusable)?;
    let resolved = socket.get_last_endpoint().map_err(unusable)?;
    // ZeroMQ has just made this text, from a port that it was given.
    resolved.ok().and_then(bound_port).ok_or_else(|| unusable(zmq::Error::EINVAL))
}

/// Tries the address without ZeroMQ first: the zmq crate panics on error numbers that it does
/// not know, such as that of an address family which the host does not have.
fn probe(address: IpAddr) -> io::Result<()> {
    TcpListener::bind((address, 0)).map(drop)
}

fn bound_port(endpoint: String) -> Option<BoundPort> {
    let port = endpoint.rsplit(':').next()?.parse().ok()?;
    Some(BoundPort { port, endpoint })
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn socket() -> Socket {
        zmq::Context::new().socket(zmq::REP).unwrap()
    }

    #[test]
    fn each_socket_gets_a_port_of_its_own_on_which_it_listens() {
        let (one, another) = (socket(), socket());

        let one_bound = bind_to_any_port(&one, "127.0.0.1").unwrap();
        let another_bound = bind_to_any_port(&another, "127.0.0.1").unwrap();

        assert_ne!(one_bound.port, another_bound.port);
        assert_eq!(one_bound.endpoint, format!("tcp://127.0.0.1:{}", one_bound.port));
        TcpStream::connect(("127.0.0.1", one_bound.port)).unwrap();
        TcpStream::connect(("127.0.0.1", another_bound.port)).unwrap();
    }

    #[test]
    fn a_star_means_all_addresses_of_the_host() {
        let socket = socket();

        let bound = bind_to_any_port(&socket, "*").unwrap();

        assert_eq!(bound.endpoint, format!("tcp://0.0.0.0:{}", bound.port));
        TcpStream::connect(("127.0.0.1", bound.port)).unwrap();
    }

    #[test]
    fn an_ipv6_address_is_listened_on_where_the_host_has_it() {
        let socket = socket();

        match bind_to_any_port(&socket, "::1") {
            Ok(bound) => assert_eq!(bound.endpoint, format!("tcp://[::1]:{}", bound.port)),
            Err(error) => assert!(matches!(error, BindError::Unavailable { .. }), "{error}"),
        }
    }

    #[test]
    fn what_is_no_address_of_this_host_is_refused_with_the_reason() {
        for text in ["", "localhost", "eth0", "tcp://*", "127.0.0.1:80"] {
            let error = bind_to_any_port(&socket(), text).unwrap_err();
            assert!(matches!(error, BindError::Address { .. }), "{text}: {error}");
        }
        // From the range that is reserved for documentation.
        let error = bind_to_any_port(&socket(), "192.0.2.1").unwrap_err();
        assert!(matches!(error, BindError::Unavailable { .. }), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}
