//! Network addresses as checked types: where a registry listens, and where it is asked.
//!
//! ZeroMQ takes an endpoint as text and finds its mistakes late, some of them never. What is
//! made here is an endpoint that it accepts. Nothing is looked up and nothing is opened here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// The longest name that Linux gives a network interface.
const INTERFACE_LENGTH_MAX: usize = 15;

/// The longest host name that the domain name system can carry.
const HOST_LENGTH_MAX: usize = 253;

/// Where a registry listens: everywhere, on one address, or on one network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindAddress(String);

/// Where a registry is asked: a host name or an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(String);

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidAddress {
    /// See [`BindAddress`].
    #[error("must be {}", BindAddress::ALLOWED)]
    Bind,
    /// See [`Host`].
    #[error("must be {}", Host::ALLOWED)]
    Host,
}

impl BindAddress {
    /// What a text must be to become one.
    pub const ALLOWED: &'static str =
        "*, an IPv4 or IPv6 address, or the name of a network interface";

    /// Only this host can reach the registry.
    #[must_use]
    pub fn loopback() -> Self {
        Self(Ipv4Addr::LOCALHOST.to_string())
    }

    /// The ZeroMQ endpoint of `port` at this address.
    #[must_use]
    pub fn endpoint(&self, port: u16) -> String {
        endpoint(&self.0, port)
    }

    /// The address to bind to, where it is known without asking the operating system.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        if self.0 == "*" { Some(Ipv4Addr::UNSPECIFIED.into()) } else { self.0.parse().ok() }
    }

    /// The network interface whose address is meant, where it is meant by name.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        (self.0 != "*" && !is_address(&self.0)).then_some(&self.0)
    }

    /// Whether a socket needs IPv6 to be bound to it.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        is_ipv6(&self.0)
    }
}

impl From<IpAddr> for BindAddress {
    fn from(address: IpAddr) -> Self {
        Self(address.to_string())
    }
}

impl FromStr for BindAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The one host name that everybody tries. ZeroMQ would look for an interface of this
        // name and say that there is none.
        let is_interface = |name: &str| is_name(name, INTERFACE_LENGTH_MAX) && name != "localhost";
        if text == "*" || is_address(text) || is_interface(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAddress::Bind)
        }
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Host {
    /// What a text must be to become one.
    pub const ALLOWED: &'static str = "a host name, or an IPv4 or IPv6 address";

    /// The host that asks.
    #[must_use]
    pub fn localhost() -> Self {
        Self("localhost".to_owned())
    }

    /// The ZeroMQ endpoint of `port` on this host.
    #[must_use]
    pub fn endpoint(&self, port: u16) -> String {
        endpoint(&self.0, port)
    }

    /// Whether a socket needs IPv6 to be connected to it. Never for a name: a socket with IPv6
    /// takes the IPv6 address of `localhost`, where a registry on 127.0.0.1 does not hear it.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        is_ipv6(&self.0)
    }
}

impl FromStr for Host {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_address(text) || is_name(text, HOST_LENGTH_MAX) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAddress::Host)
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn endpoint(address: &str, port: u16) -> String {
    if is_ipv6(address) {
        format!("tcp://[{address}]:{port}")
    } else {
        format!("tcp://{address}:{port}")
    }
}

fn is_address(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok() || is_ipv6(text)
}

/// An IPv6 address, possibly with the zone in which a link-local address is meant: `fe80::1%eth0`.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok() && is_word(zone)
}

/// A name of a host or an interface. Digits and dots alone are a mistyped address, which the
/// system would take for another one: `10.0.1` is 10.0.0.1 to it.
fn is_name(text: &str, length_max: usize) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_word(text) && text.len() <= length_max && !is_number
}

/// The characters that ZeroMQ accepts in a name.
fn is_word(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn bound(text: &str) -> Option<String> {
        text.parse::<BindAddress>().ok().map(|address| address.endpoint(6100))
    }

    #[track_caller]
    fn asked(text: &str) -> Option<String> {
        text.parse::<Host>().ok().map(|host| host.endpoint(6100))
    }

    #[test]
    fn a_registry_listens_everywhere_on_an_address_or_on_an_interface() {
        assert_eq!(bound("*").as_deref(), Some("tcp://*:6100"));
        assert_eq!(bound("192.168.1.5").as_deref(), Some("tcp://192.168.1.5:6100"));
        assert_eq!(bound("eth0.100").as_deref(), Some("tcp://eth0.100:6100"));
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets_with_its_zone() {
        assert_eq!(bound("::").as_deref(), Some("tcp://[::]:6100"));
        assert_eq!(bound("fe80::1%eth0").as_deref(), Some("tcp://[fe80::1%eth0]:6100"));
        assert_eq!(asked("::1").as_deref(), Some("tcp://[::1]:6100"));
        assert_eq!(asked("fe80::1%2").as_deref(), Some("tcp://[fe80::1%2]:6100"));
    }

    #[test]
    fn a_registry_is_asked_at_a_host_name_or_an_address() {
        assert_eq!(asked("lab-7.example.org").as_deref(), Some("tcp://lab-7.example.org:6100"));
        assert_eq!(asked("10.0.0.1").as_deref(), Some("tcp://10.0.0.1:6100"));
    }

    #[test]
    fn a_mistyped_address_is_no_name() {
        for text in ["256.1.1.1", "10.0.1", "1", "::g", "1:2", "[::1]", "127.0.0.1:6100"] {
            assert_eq!(bound(text), None, "{text}");
            assert_eq!(asked(text), None, "{text}");
        }
    }

    #[test]
    fn what_zeromq_would_stumble_over_is_no_address() {
        for text in ["", " ", "a b", "a\0b", "tcp://a", "a/b", "fe80::1%", "fe80::1%a b", "-a"] {
            assert_eq!(bound(text), None, "{text:?}");
            assert_eq!(asked(text), None, "{text:?}");
        }
    }

    #[test]
    fn nobody_is_asked_everywhere() {
        assert_eq!(asked("*"), None);
    }

    #[test]
    fn a_name_that_is_too_long_for_an_interface_or_is_localhost_is_no_place_to_listen() {
        assert_eq!(bound("registry.example.org"), None);
        assert_eq!(bound("localhost"), None);
    }

    #[test]
    fn an_interface_or_a_zone_is_left_to_the_operating_system() {
        assert_eq!(BindAddress::loopback().ip(), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!("*".parse::<BindAddress>().unwrap().ip(), Some(Ipv4Addr::UNSPECIFIED.into()));
        for text in ["eth0", "fe80::1%eth0"] {
            assert_eq!(text.parse::<BindAddress>().unwrap().ip(), None, "{text}");
        }
    }

    #[test]
    fn only_ipv6_addresses_need_ipv6() {
        assert!("::1".parse::<Host>().unwrap().is_ipv6());
        assert!("::".parse::<BindAddress>().unwrap().is_ipv6());
        assert!("fe80::1%eth0".parse::<BindAddress>().unwrap().is_ipv6());
        assert!(!Host::localhost().is_ipv6());
        assert!(!BindAddress::loopback().is_ipv6());
    }
}
