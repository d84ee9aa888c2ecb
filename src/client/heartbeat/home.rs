//! Whether the address under which a service is registered is still one of this host's.
//!
//! Only an address that was this host's when the service was registered is followed. A name
//! stays what it is, `localhost` and loopback addresses mean the same everywhere, and an address
//! that never was this host's, such as that of a gateway before it, is its user's business.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::route::address_towards;

/// Addresses that are reserved for documentation and lie nowhere: the way to them is the way to
/// everywhere.
const ELSEWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Where nobody answers. Any port would do.
const DISCARD_PORT: u16 = 9;

/// Where this host can be reached.
pub(in crate::client) trait HostAddresses: Send + Sync {
    /// All its addresses, with the interfaces that have them.
    fn all(&self) -> Vec<InterfaceAddress>;

    /// The address from which it reaches the world, in the family of `like`.
    fn outward(&self, like: IpAddr) -> Option<IpAddr>;
}

/// One address of one network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::client) struct InterfaceAddress {
    pub(in crate::client) interface: String,
    pub(in crate::client) address: IpAddr,
}

/// What the operating system says.
pub(in crate::client) struct SystemAddresses;

/// An address of this host, and the interface that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home(InterfaceAddress);

impl HostAddresses for SystemAddresses {
    fn all(&self) -> Vec<InterfaceAddress> {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
            log::warn!("cannot see this host's addresses: {error}");
            Vec::new()
        });
        let address = |interface: if_addrs::Interface| InterfaceAddress {
            address: interface.ip(),
            interface: interface.name,
        };
        interfaces.into_iter().map(address).collect()
    }

    fn outward(&self, like: IpAddr) -> Option<IpAddr> {
        let elsewhere = ELSEWHERE.into_iter().find(|address| is_same_family(*address, like))?;
        address_towards((elsewhere, DISCARD_PORT)).ok()
    }
}

impl Home {
    /// The home of a service that is registered at `host`, where that is an address to follow.
    pub(super) fn of(host: &str, addresses: &dyn HostAddresses) -> Option<Self> {
        let address: IpAddr = host.parse().ok()?;
        if address.is_loopback() || address.is_unspecified() {
            return None;
        }
        addresses.all().into_iter().find(|known| known.address == address).map(Self)
    }

    /// The address itself.
    pub(super) const fn address(&self) -> IpAddr {
        self.0.address
    }

    /// Whether the host has it.
    pub(super) fn is_here(&self, addresses: &dyn HostAddresses) -> bool {
        addresses.all().iter().any(|known| known.address == self.0.address)
    }

    /// The address to register in place of this one. None while the host still has this one,
    /// and while it has no other, as when its cable is pulled.
    pub(super) fn new_address(&self, addresses: &dyn HostAddresses) -> Option<IpAddr> {
        let all = addresses.all();
        if all.is_empty() || all.iter().any(|known| known.address == self.0.address) {
            return None;
        }
        let is_next = |known: &&InterfaceAddress| {
            known.interface == self.0.interface
                && is_same_family(known.address, self.0.address)
                && is_reachable(known.address)
        };
        let next = all.iter().find(is_next).map(|known| known.address);
        next.or_else(|| addresses.outward(self.0.address)).filter(|address| is_reachable(*address))
    }
}

fn is_same_family(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}

/// Whether others can use the address as it is. A link-local one of IPv6 needs its zone besides,
/// which is another on every host.
fn is_reachable(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(is_link_local || address.is_loopback() || address.is_unspecified())
}

#[cfg(test)]
pub(in crate::client) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A host as a test wants it: its addresses as `interface address`, and the outward one.
    pub(in crate::client) struct Host(
        pub(in crate::client) Vec<(&'static str, &'static str)>,
        pub(in crate::client) Option<&'static str>,
    );

    impl HostAddresses for Host {
        fn all(&self) -> Vec<InterfaceAddress> {
            let address = |(interface, address): &(&str, &str)| InterfaceAddress {
                interface: (*interface).to_owned(),
                address: address.parse().unwrap(),
            };
            self.0.iter().map(address).collect()
        }

        fn outward(&self, _like: IpAddr) -> Option<IpAddr> {
            self.1.map(|address| address.parse().unwrap())
        }
    }

    /// A host with one network interface, whose addresses a test changes.
    pub(in crate::client) struct Moving(Mutex<Vec<IpAddr>>);

    impl Moving {
        pub(in crate::client) fn to(address: &str) -> Self {
            Self(Mutex::new(vec![address.parse().unwrap()]))
        }

        pub(in crate::client) fn moves_to(&self, address: &str) {
            self.has(&[address]);
        }

        pub(in crate::client) fn has(&self, addresses: &[&str]) {
            let addresses = addresses.iter().map(|address| address.parse().unwrap());
            *self.0.lock().unwrap() = addresses.collect();
        }
    }

    impl HostAddresses for Moving {
        fn all(&self) -> Vec<InterfaceAddress> {
            let addresses = self.0.lock().unwrap();
            let interface = "eth0".to_owned();
            let known = |&address| InterfaceAddress { interface: interface.clone(), address };
            addresses.iter().map(known).collect()
        }

        fn outward(&self, _like: IpAddr) -> Option<IpAddr> {
            None
        }
    }

    /// Where a service moves that was registered at `host`.
    fn moved(host: &str, before: &Host, after: &Host) -> Option<String> {
        Home::of(host, before)?.new_address(after).map(|address| address.to_string())
    }

    #[test]
    fn a_service_follows_its_interface_to_a_new_address() {
        let before = Host(vec![("lo", "127.0.0.1"), ("eth0", "10.0.0.7")], None);
        let after = Host(
            vec![("wifi", "10.9.0.1"), ("eth0", "fd00::8"), ("eth0", "10.0.0.8")],
            Some("10.9.0.1"),
        );

        assert_eq!(moved("10.0.0.7", &before, &after).as_deref(), Some("10.0.0.8"));
        assert_eq!(moved("10.0.0.7", &before, &before), None);
    }

    #[test]
    fn a_service_whose_interface_is_gone_moves_to_the_one_that_leads_outward() {
        let before = Host(vec![("eth0", "10.0.0.7"), ("docker0", "172.17.0.1")], None);
        let after = Host(vec![("docker0", "172.17.0.1"), ("wifi", "10.9.0.1")], Some("10.9.0.1"));

        assert_eq!(moved("10.0.0.7", &before, &after).as_deref(), Some("10.9.0.1"));
    }

    #[test]
    fn a_service_stays_where_it_is_while_the_host_is_cut_off() {
        let before = Host(vec![("eth0", "10.0.0.7"), ("docker0", "172.17.0.1")], None);

        let unplugged = Host(vec![("docker0", "172.17.0.1"), ("eth0", "169.254.1.1")], None);
        assert_eq!(moved("10.0.0.7", &before, &unplugged), None);
        assert_eq!(moved("10.0.0.7", &before, &Host(vec![], Some("10.9.0.1"))), None);
        let alone = Host(vec![("lo", "127.0.0.1")], Some("127.0.0.1"));
        assert_eq!(moved("10.0.0.7", &before, &alone), None);
    }

    #[test]
    fn only_an_address_of_this_host_is_followed() {
        let before = Host(vec![("lo", "127.0.0.1"), ("lo", "::1"), ("eth0", "10.0.0.7")], None);
        let after = Host(vec![("eth0", "10.0.0.8"), ("lo", "10.0.0.9")], Some("10.0.0.8"));

        for host in ["localhost", "lab-7", "127.0.0.1", "::1", "0.0.0.0", "10.0.0.99", ""] {
            assert_eq!(moved(host, &before, &after), None, "{host}");
        }
    }

    #[test]
    fn the_system_tells_its_loopback_address() {
        let all = SystemAddresses.all();

        assert!(all.iter().any(|known| known.address == IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
