//! Who may do what: the rules, as pure values.
//!
//! No socket and no log is touched here. The door is kept by the server's gatekeeper thread;
//! what comes through it is judged by the same rules, message by message.

use std::net::IpAddr;

use thiserror::Error;

mod allow_list;
mod known_keys;
mod network;
mod refused_peers;

pub use allow_list::{AllowList, InvalidAllowList};
pub use known_keys::{AmbiguousClient, KnownClient, KnownKeys, Rights};
pub use network::{InvalidNetwork, Network};
pub use refused_peers::{PeerReport, RefusedPeers};

/// Who may stop the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Terminate {
    /// Programs on the registry's host that connect over its loopback.
    #[default]
    Loopback,
    /// Everybody who may connect.
    Allowed,
    /// Nobody over the network; signals alone.
    Never,
}

/// Who may deregister a living service, or replace its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ownership {
    /// Everybody who may connect.
    #[default]
    Open,
    /// The host that registered it.
    Host,
}

/// Why somebody may not do what they ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Denial {
    /// They may not connect any more, and did before that.
    #[error("{} may not use this registry any more.", known(*.address))]
    Network {
        /// From where they ask.
        address: Option<IpAddr>,
    },
    /// They may not stop the registry.
    #[error("{}", .0.rule())]
    Terminate(Terminate),
    /// Their key may not connect any more, and did before that.
    #[error("This key may not use this registry any more (see `curve` in registry.yaml).")]
    Key,
    /// Their key may connect, and may not do this.
    #[error(
        "This takes a key with the right to {needed}, and yours has the right to {held} (see \
         `curve` in registry.yaml)."
    )]
    Rights {
        /// What it takes.
        needed: Rights,
        /// What they have.
        held: Rights,
    },
}

/// Who asks for a change, as far as it matters to whom the changed belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// From where they ask, where that is known.
    pub address: Option<IpAddr>,
    /// Whether they may change what belongs to others.
    pub is_admin: bool,
}

impl From<Option<IpAddr>> for Origin {
    fn from(address: Option<IpAddr>) -> Self {
        Self { address, is_admin: false }
    }
}

impl Terminate {
    /// Whether somebody at `address` may stop the registry.
    #[must_use]
    pub fn permits(self, address: Option<IpAddr>) -> bool {
        match self {
            Self::Loopback => address.is_some_and(|address| address.to_canonical().is_loopback()),
            Self::Allowed => true,
            Self::Never => false,
        }
    }

    /// Whether somebody whose key has the right to may stop the registry: from anywhere, unless
    /// nobody may.
    #[must_use]
    pub fn permits_admins(self) -> bool {
        self != Self::Never
    }

    const fn rule(self) -> &'static str {
        match self {
            Self::Loopback => {
                "This registry is stopped by programs on its own host alone, over 127.0.0.1 or \
                 ::1 (see `terminate` in registry.yaml)."
            }
            Self::Allowed => "This registry is stopped by those who may connect.",
            Self::Never => {
                "This registry is stopped by signals alone (see `terminate` in registry.yaml)."
            }
        }
    }
}

impl Ownership {
    /// Whether `origin` may change what was registered from `owner`. Where nobody knows from where,
    /// everybody may.
    #[must_use]
    pub fn permits(self, origin: Origin, owner: Option<IpAddr>) -> bool {
        match (self, owner) {
            (Self::Open, _) | (Self::Host, None) => true,
            // A socket that takes IPv6 sees IPv4 addresses in a form of their own.
            (Self::Host, owner) => {
                let canonical = |address: Option<IpAddr>| address.map(|one| one.to_canonical());
                origin.is_admin || canonical(owner) == canonical(origin.address)
            }
        }
    }
}

fn known(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "An unknown address".to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn the_loopback_stops_the_registry_unless_more_or_nobody_may() {
        for (from, on_loopback) in [
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("192.0.2.1", false),
            ("::ffff:192.0.2.1", false),
            ("unknown", false),
        ] {
            assert_eq!(Terminate::Loopback.permits(address(from)), on_loopback, "{from}");
            assert!(Terminate::Allowed.permits(address(from)), "{from}");
            assert!(!Terminate::Never.permits(address(from)), "{from}");
        }
    }

    #[test]
    fn a_service_belongs_to_the_host_that_registered_it_where_hosts_count() {
        let (owner, other) = (address("192.0.2.1"), address("192.0.2.2"));

        assert!(Ownership::Host.permits(owner.into(), owner));
        assert!(!Ownership::Host.permits(other.into(), owner));
        assert!(!Ownership::Host.permits(None.into(), owner));
        assert!(Ownership::Open.permits(other.into(), owner));
        assert!(Ownership::Host.permits(Origin { address: other, is_admin: true }, owner));
    }

    #[test]
    fn a_host_is_the_same_however_its_address_is_written() {
        let (plain, mapped) = (address("192.0.2.1"), address("::ffff:192.0.2.1"));

        for (origin, owner) in [(plain, mapped), (mapped, plain), (mapped, mapped)] {
            assert!(Ownership::Host.permits(origin.into(), owner), "{origin:?} {owner:?}");
        }
        assert!(!Ownership::Host.permits(mapped.into(), address("192.0.2.2")));
    }

    #[test]
    fn a_service_of_an_unknown_host_is_everybodys() {
        assert!(Ownership::Host.permits(address("192.0.2.1").into(), None));
    }
}
