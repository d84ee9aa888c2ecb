//! Where a registry is asked, listened to and sent heartbeats.

use std::fmt;
use std::io;
use std::net::ToSocketAddrs;
use std::num::NonZeroU16;
use std::str::FromStr;

use thiserror::Error;

use crate::address::Host;

/// The ports of a registry that is started without further settings.
const DEFAULT_PORTS: [NonZeroU16; 3] = [port(6_100), port(6_101), port(6_102)];

/// One socket of a registry, as ZeroMQ names it: `tcp://host:port`, an IPv6 address in brackets.
/// [`address_towards`](super::address_towards) takes one, too.
///
/// ```
/// use service_registry::client::Endpoint;
///
/// let endpoint: Endpoint = "tcp://[fe80::1%eth0]:6100".parse()?;
/// assert_eq!(endpoint.as_str(), "tcp://[fe80::1%eth0]:6100");
/// assert!("tcp://lab-7".parse::<Endpoint>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    text: String,
    kind: HostKind,
}

/// The three sockets of a registry.
///
/// ```
/// use service_registry::client::RegistryEndpoints;
///
/// let usual = RegistryEndpoints::on_host(&"lab-7".parse()?);
/// let given =
///     RegistryEndpoints::parse("tcp://lab-7:6100", "tcp://lab-7:6101", "tcp://lab-7:6102")?;
/// assert_eq!(usual, given);
/// assert_eq!(RegistryEndpoints::default().events.as_str(), "tcp://localhost:6101");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryEndpoints {
    /// Answers requests.
    pub requests: Endpoint,
    /// Publishes events.
    pub events: Endpoint,
    /// Takes heartbeats.
    pub heartbeats: Endpoint,
}

/// Why a text is no endpoint.
///
/// ```
/// use service_registry::client::Endpoint;
///
/// let error = "lab-7:6100".parse::<Endpoint>().expect_err("it has no tcp://");
/// assert!(error.to_string().contains("write tcp://HOST:PORT"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no endpoint; write tcp://HOST:PORT, an IPv6 address in brackets")]
pub struct InvalidEndpoint {
    /// What was taken for one.
    text: String,
}

/// What connecting to a host takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum HostKind {
    Ipv4,
    Ipv6,
    /// Found in a table of this host, without asking anybody.
    Localhost,
    /// To be looked up, which can take long.
    Name,
}

impl Endpoint {
    /// The endpoint of `port` on `host`.
    ///
    /// ```
    /// use std::num::NonZeroU16;
    /// use service_registry::client::{Endpoint, Host};
    ///
    /// let (host, port): (Host, NonZeroU16) = ("::1".parse()?, 6100.try_into()?);
    /// assert_eq!(Endpoint::new(&host, port).as_str(), "tcp://[::1]:6100");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(host: &Host, port: NonZeroU16) -> Self {
        let kind = match host.to_string().as_str() {
            "localhost" => HostKind::Localhost,
            text if text.parse::<std::net::Ipv4Addr>().is_ok() => HostKind::Ipv4,
            _ if host.is_ipv6() => HostKind::Ipv6,
            _ => HostKind::Name,
        };
        Self { text: host.endpoint(port.get()), kind }
    }

    /// The endpoint as ZeroMQ takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a socket needs IPv6 to be connected to it.
    pub(super) fn is_ipv6(&self) -> bool {
        self.kind == HostKind::Ipv6
    }

    /// Whether connecting to it may wait for a name server.
    pub(super) fn needs_name_server(&self) -> bool {
        self.kind == HostKind::Name
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| InvalidEndpoint { text: text.to_owned() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl ToSocketAddrs for Endpoint {
    type Iter = <(&'static str, u16) as ToSocketAddrs>::Iter;

    /// Asks a name server where the host is given by name.
    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let address = self.text.rsplit_once(':').and_then(|(host, port)| {
            let host = host.trim_start_matches("tcp://");
            Some((host.trim_matches(['[', ']']), port.parse::<u16>().ok()?))
        });
        address.ok_or(io::ErrorKind::InvalidInput)?.to_socket_addrs()
    }
}

impl RegistryEndpoints {
    /// The endpoints that these texts are, in the order requests, events, heartbeats.
    ///
    /// # Errors
    /// [`InvalidEndpoint`], for the first that is none.
    pub fn parse(requests: &str, events: &str, heartbeats: &str) -> Result<Self, InvalidEndpoint> {
        Ok(Self {
            requests: requests.parse()?,
            events: events.parse()?,
            heartbeats: heartbeats.parse()?,
        })
    }

    /// The endpoints of a registry that runs on `host` with the usual ports, 6100 to 6102.
    #[must_use]
    pub fn on_host(host: &Host) -> Self {
        let [requests, events, heartbeats] = DEFAULT_PORTS.map(|port| Endpoint::new(host, port));
        Self { requests, events, heartbeats }
    }
}

impl Default for RegistryEndpoints {
    /// A registry on this host with the usual ports.
    fn default() -> Self {
        Self::on_host(&Host::localhost())
    }
}

fn parse(text: &str) -> Option<Endpoint> {
    let (host, port) = text.strip_prefix("tcp://")?.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host: Host = bracketed.unwrap_or(host).parse().ok()?;
    if bracketed.is_some() != host.is_ipv6() {
        return None;
    }
    Some(Endpoint::new(&host, port.parse().ok()?))
}

/// Fails to compile for 0, as a constant.
const fn port(number: u16) -> NonZeroU16 {
    match NonZeroU16::new(number) {
        Some(port) => port,
        None => NonZeroU16::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_expected_on_this_host_with_the_usual_ports() {
        let endpoints = RegistryEndpoints::default();

        assert_eq!(endpoints.requests.as_str(), "tcp://localhost:6100");
        assert_eq!(endpoints.events.as_str(), "tcp://localhost:6101");
        assert_eq!(endpoints.heartbeats.as_str(), "tcp://localhost:6102");
    }

    #[test]
    fn an_endpoint_comes_back_as_it_was_written() {
        for text in ["tcp://10.0.0.1:1", "tcp://[fe80::1%eth0]:6100", "tcp://lab-7.example:65535"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_nobody_can_be_asked_at_is_no_endpoint() {
        for text in [
            "",
            "localhost:6100",
            "tcp://localhost",
            "tcp://localhost:0",
            "tcp://localhost:65536",
            "tcp://:6100",
            "tcp://*:6100",
            "tcp://::1:6100",
            "tcp://[10.0.0.1]:6100",
            "ipc:///a",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("{text:?} is no endpoint")), "{error}");
        }
    }

    #[test]
    fn only_names_need_a_name_server_and_only_ipv6_addresses_need_ipv6() {
        let needs = |text: &str| {
            let endpoint: Endpoint = text.parse().unwrap();
            (endpoint.needs_name_server(), endpoint.is_ipv6())
        };

        assert_eq!(needs("tcp://lab.example:1"), (true, false));
        assert_eq!(needs("tcp://localhost:1"), (false, false));
        assert_eq!(needs("tcp://10.0.0.1:1"), (false, false));
        assert_eq!(needs("tcp://[::1]:1"), (false, true));
    }

    #[test]
    fn an_endpoint_is_an_address_to_connect_to() {
        let addresses = |text: &str| {
            let endpoint: Endpoint = text.parse().unwrap();
            endpoint.to_socket_addrs().unwrap().map(|it| it.to_string()).collect::<Vec<_>>()
        };

        assert_eq!(addresses("tcp://10.0.0.7:6100"), ["10.0.0.7:6100"]);
        assert_eq!(addresses("tcp://[fd00::7]:6100"), ["[fd00::7]:6100"]);
        assert!(addresses("tcp://localhost:6100").contains(&"127.0.0.1:6100".to_owned()));
    }
}
