//! The networks that may connect.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use super::network::{InvalidNetwork, Network};

/// What stands for everybody.
const ALL: &str = "all";

/// Who may connect: everybody, or who is in one of some networks.
///
/// As text, `all` or networks between commas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowList(Option<Vec<Network>>);

/// Why a text is no list of networks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidAllowList {
    /// A list of none would let nobody in.
    #[error("no network is in it")]
    Empty,
    /// One of the networks is none.
    #[error(transparent)]
    Network(#[from] InvalidNetwork),
}

impl AllowList {
    /// Everybody may connect.
    #[must_use]
    pub const fn everybody() -> Self {
        Self(None)
    }

    /// Whether that is everybody.
    #[must_use]
    pub const fn is_everybody(&self) -> bool {
        self.0.is_none()
    }

    /// Whether somebody at `address` may connect. Where the address is not known, only if
    /// everybody may.
    #[must_use]
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        match (&self.0, address) {
            (None, _) => true,
            (Some(networks), Some(address)) => {
                networks.iter().any(|network| network.contains(address))
            }
            (Some(_), None) => false,
        }
    }
}

impl FromStr for AllowList {
    type Err = InvalidAllowList;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "" => Err(InvalidAllowList::Empty),
            ALL => Ok(Self::everybody()),
            networks => {
                let networks = networks.split(',').map(|network| network.trim().parse());
                Ok(Self(Some(networks.collect::<Result<_, _>>()?)))
            }
        }
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(networks) = &self.0 else { return formatter.write_str(ALL) };
        for (index, network) in networks.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(formatter, "{separator}{network}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn list(text: &str) -> AllowList {
        text.parse().unwrap()
    }

    #[test]
    fn who_is_in_one_of_the_networks_may_connect() {
        let list = list("127.0.0.1, 192.168.10.0/24,fd00::/8");

        for address in ["127.0.0.1", "192.168.10.7", "fd12::1", "::ffff:192.168.10.7"] {
            assert!(list.admits(address.parse().ok()), "{address}");
        }
        for address in ["127.0.0.2", "192.168.11.7", "fe80::1", "an address nobody knows"] {
            assert!(!list.admits(address.parse().ok()), "{address}");
        }
    }

    #[test]
    fn everybody_may_connect_unless_told_otherwise() {
        for everybody in [AllowList::default(), AllowList::everybody(), list("all")] {
            assert!(everybody.is_everybody());
            assert!(everybody.admits("192.0.2.1".parse().ok()));
            assert!(everybody.admits(None));
        }
    }

    #[test]
    fn a_list_that_would_let_nobody_in_is_no_list() {
        assert_eq!("".parse::<AllowList>(), Err(InvalidAllowList::Empty));
        assert_eq!(" ".parse::<AllowList>(), Err(InvalidAllowList::Empty));
    }

    #[test]
    fn one_mistake_spoils_the_list_and_is_named() {
        for text in ["127.0.0.1, lab", "127.0.0.1,,::1", "127.0.0.1,all", "127.0.0.1,"] {
            assert!(text.parse::<AllowList>().is_err(), "{text}");
        }
        let error = "127.0.0.1,lab".parse::<AllowList>().unwrap_err().to_string();
        assert!(error.starts_with("\"lab\" is no network"), "{error}");
    }

    #[test]
    fn a_list_is_written_as_it_is_read() {
        for text in ["all", "127.0.0.1", "127.0.0.1, fd00::/8"] {
            assert_eq!(list(text).to_string(), text);
        }
    }
}
