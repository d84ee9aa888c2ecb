//! A network of IPv4 or IPv6, or a single address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// How many leading bits of an IPv6 address say that it stands for one of IPv4.
const MAPPED_PREFIX: u8 = 96;

/// The addresses that begin with the same bits.
///
/// ```
/// use service_registry::access::Network;
///
/// let lab: Network = "192.168.10.0/24".parse()?;
/// assert!(lab.contains("192.168.10.7".parse().unwrap()));
/// assert!(!lab.contains("192.168.11.7".parse().unwrap()));
/// # Ok::<(), service_registry::access::InvalidNetwork>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// Its first address.
    first: IpAddr,
    /// How many leading bits its addresses share.
    prefix: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidNetwork {
    /// It is no address, with or without the length of a prefix.
    #[error("{0:?} is no network such as 192.168.10.0/24 or fd00::/8, and no address")]
    Form(String),
    /// It could be meant as the one address or as the whole network.
    #[error("{given} is a single address in a network; write {network}, or the address alone")]
    HostBits {
        /// What was given.
        given: String,
        /// The network that it is in.
        network: Network,
    },
}

impl Network {
    /// Whether `address` is in it. An IPv4 address that is written as one of IPv6 is an IPv4
    /// address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => v4_network(address, self.prefix) == first,
            (IpAddr::V6(first), IpAddr::V6(address)) => v6_network(address, self.prefix) == first,
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || InvalidNetwork::Form(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            None => (text, None),
            Some((address, prefix)) => (address, Some(prefix_length(prefix).ok_or_else(form)?)),
        };
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let prefix = prefix.unwrap_or_else(|| bits(address));
        if prefix > bits(address) {
            return Err(form());
        }
        let (address, prefix) = unmapped(address, prefix);
        let network = Self { first: first_of(address, prefix), prefix };
        if network.first == address {
            Ok(network)
        } else {
            Err(InvalidNetwork::HostBits { given: text.to_owned(), network })
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.first) {
            write!(formatter, "{}", self.first)
        } else {
            write!(formatter, "{}/{}", self.first, self.prefix)
        }
    }
}

/// Digits alone: what else Rust reads as a number, such as `+8`, is a slip of the pen here.
fn prefix_length(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// An IPv4 network that is written as one of IPv6 is an IPv4 network.
fn unmapped(address: IpAddr, prefix: u8) -> (IpAddr, u8) {
    match (address.to_canonical(), address) {
        (IpAddr::V4(v4), IpAddr::V6(_)) if prefix >= MAPPED_PREFIX => {
            (v4.into(), prefix - MAPPED_PREFIX)
        }
        _ => (address, prefix),
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn first_of(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => v4_network(address, prefix).into(),
        IpAddr::V6(address) => v6_network(address, prefix).into(),
    }
}

fn v4_network(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    Ipv4Addr::from_bits(address.to_bits() & mask)
}

fn v6_network(address: Ipv6Addr, prefix: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[track_caller]
    fn assert_edges(text: &str, inside: [&str; 2], outside: [&str; 2]) {
        for address in inside {
            assert!(network(text).contains(address.parse().unwrap()), "{address} in {text}");
        }
        for address in outside {
            assert!(!network(text).contains(address.parse().unwrap()), "{address} not in {text}");
        }
    }

    #[test]
    fn a_network_ends_where_its_prefix_says() {
        assert_edges(
            "192.168.10.0/24",
            ["192.168.10.0", "192.168.10.255"],
            ["192.168.9.255", "192.168.11.0"],
        );
        assert_edges("10.0.0.4/30", ["10.0.0.4", "10.0.0.7"], ["10.0.0.3", "10.0.0.8"]);
        assert_edges(
            "2001:db8:0:10::/60",
            ["2001:db8:0:10::", "2001:db8:0:1f:ffff:ffff:ffff:ffff"],
            ["2001:db8:0:f:ffff:ffff:ffff:ffff", "2001:db8:0:20::"],
        );
    }

    #[test]
    fn an_address_is_a_network_of_its_own() {
        assert_edges("127.0.0.1", ["127.0.0.1", "::ffff:127.0.0.1"], ["127.0.0.2", "::1"]);
        assert_edges("::1", ["::1", "0:0:0:0:0:0:0:1"], ["::2", "0.0.0.1"]);
    }

    #[test]
    fn a_prefix_of_no_bits_is_all_of_its_family_and_nothing_of_the_other() {
        assert_edges("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "2001:db8::1"]);
        assert_edges("::/0", ["::", "2001:db8::1"], ["0.0.0.0", "::ffff:192.0.2.1"]);
    }

    #[test]
    fn a_mapped_network_is_one_of_ipv4() {
        assert_eq!(network("::ffff:192.0.2.0/120"), network("192.0.2.0/24"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }

    #[test]
    fn a_network_is_written_as_it_is_read() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "127.0.0.1", "fd00::/8", "::1"] {
            assert_eq!(network(text).to_string(), text);
        }
        assert_eq!(network("127.0.0.1/32").to_string(), "127.0.0.1");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "lab",
            "10.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "/8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            " 10.0.0.0/8",
            "10.0.0.0/255.0.0.0",
            "fe80::1%eth0",
        ] {
            let form = InvalidNetwork::Form(text.to_owned());
            assert_eq!(text.parse::<Network>(), Err(form), "{text:?}");
        }
    }

    #[test]
    fn a_host_with_the_prefix_of_its_network_is_asked_which_is_meant() {
        let error = "192.168.10.5/24".parse::<Network>().unwrap_err().to_string();

        assert_eq!(
            error,
            "192.168.10.5/24 is a single address in a network; write 192.168.10.0/24, or the \
             address alone"
        );
    }
}
