//! The address that a service can register, seen from where it is looked for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};

/// The address from which this host reaches `destination`: who is there, or looks from there,
/// reaches this host under it. It is a loopback address where `destination` is on this host.
///
/// Of a name that has addresses of both kinds, the one of IPv4 counts. Nothing is sent.
///
/// ```
/// use service_registry::client::{Registration, RegistryEndpoints, address_towards};
///
/// let endpoints = RegistryEndpoints::default(); // of a registry on this host
/// let address = address_towards(&endpoints.requests)?;
/// assert!(address.is_loopback());
///
/// let camera = Registration::new("Camera", address.to_string(), 6110);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Where the name is unknown or there is no way to it.
pub fn address_towards(destination: impl ToSocketAddrs + Copy) -> io::Result<IpAddr> {
    let from = |anywhere: IpAddr| {
        let socket = UdpSocket::bind((anywhere, 0))?;
        // Connecting a datagram socket sends nothing; it only looks for the way.
        socket.connect(destination)?;
        Ok(socket.local_addr()?.ip())
    };
    from(Ipv4Addr::UNSPECIFIED.into()).or_else(|_: io::Error| from(Ipv6Addr::UNSPECIFIED.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_this_host_begins_at_its_loopback_address() {
        assert_eq!(address_towards(("127.0.0.1", 1)).unwrap(), Ipv4Addr::LOCALHOST);
        assert_eq!(address_towards(("localhost", 1)).unwrap(), Ipv4Addr::LOCALHOST);
    }

    #[test]
    fn there_is_no_way_to_a_name_that_nobody_knows() {
        assert!(address_towards(("registry.invalid", 1)).is_err());
    }
}
