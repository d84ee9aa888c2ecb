//! Where the registries run that a command may ask.

use std::env;
use std::num::NonZeroU16;
use std::str::FromStr;

use service_registry::client::{Endpoint, Host};

use super::failure::Failure;

/// The environment variable that names them where no argument does.
const VARIABLE: &str = "SERVICE_REGISTRY_HOST";

/// One registry, or several, of which the first is asked that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hosts {
    first: Address,
    others: Vec<Address>,
}

/// Where one registry is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    host: Host,
    /// None where it is the one that the other arguments and the settings give.
    port: Option<NonZeroU16>,
}

/// Where one registry is asked, all told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) host: Host,
    pub(super) port: NonZeroU16,
}

impl Hosts {
    /// This one alone.
    pub(super) fn only(asked: Asked) -> Self {
        let first = Address { host: asked.host, port: Some(asked.port) };
        Self { first, others: Vec::new() }
    }

    /// Those that the argument names, or else the environment; else it is this host.
    pub(super) fn given(argument: Option<&Self>) -> Result<Self, Failure> {
        if let Some(hosts) = argument {
            return Ok(hosts.clone());
        }
        // An empty variable is how a shell unsets one for a single command.
        match env::var(VARIABLE).ok().filter(|text| !text.is_empty()) {
            Some(text) => {
                text.parse().map_err(|problem| Failure::Usage(format!("{VARIABLE} {problem}")))
            }
            None => {
                let first = Address { host: Host::localhost(), port: None };
                Ok(Self { first, others: Vec::new() })
            }
        }
    }

    /// The first and the others, with the `usual` port of those that have none of their own.
    pub(super) fn at(
        self,
        usual: impl Fn() -> Result<NonZeroU16, Failure>,
    ) -> Result<(Asked, Vec<Asked>), Failure> {
        let asked = |Address { host, port }: Address| {
            let port = port.map_or_else(&usual, Ok)?;
            Ok(Asked { host, port })
        };
        let others = self.others.into_iter().map(asked).collect::<Result<_, Failure>>()?;
        Ok((asked(self.first)?, others))
    }
}

impl Asked {
    /// Its request socket.
    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::new(&self.host, self.port)
    }

    /// Its socket at `port`, where the registry at `other` has its own. Registries of one lab are
    /// set up alike: their ports are as far from each other.
    pub(super) fn endpoint_like(&self, other: &Self, port: u16) -> Option<Endpoint> {
        let distance = i32::from(port) - i32::from(other.port.get());
        let port = u16::try_from(i32::from(self.port.get()) + distance).ok()?;
        Some(Endpoint::new(&self.host, NonZeroU16::new(port)?))
    }
}

impl FromStr for Hosts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut addresses = text.split(',').map(str::parse);
        // A split gives at least one part.
        let first = addresses.next().unwrap_or_else(|| text.parse())?;
        Ok(Self { first, others: addresses.collect::<Result<_, _>>()? })
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(host) = text.parse() {
            return Ok(Self { host, port: None });
        }
        parse_with_port(text).ok_or_else(|| {
            format!(
                "must be {}, each with :PORT if it has a port of its own (an IPv6 address in \
                 brackets then), and commas between several",
                Host::ALLOWED
            )
        })
    }
}

fn parse_with_port(text: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host: Host = bracketed.unwrap_or(host).parse().ok()?;
    let is_written_so = bracketed.is_some() == host.is_ipv6();
    Some(Address { host, port: Some(port.parse().ok()?) }).filter(|_| is_written_so)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(text: &str) -> Vec<String> {
        let usual = || Ok(NonZeroU16::new(6_100).unwrap());
        let (first, others) = text.parse::<Hosts>().unwrap().at(usual).unwrap();
        [first].iter().chain(&others).map(|asked| asked.endpoint().to_string()).collect()
    }

    #[test]
    fn one_host_or_several_may_be_named_and_each_may_have_a_port() {
        assert_eq!(endpoints("lab-7"), ["tcp://lab-7:6100"]);
        assert_eq!(endpoints("::1"), ["tcp://[::1]:6100"]);
        assert_eq!(
            endpoints("localhost:6110,10.0.0.7,[fd00::7]:6120"),
            ["tcp://localhost:6110", "tcp://10.0.0.7:6100", "tcp://[fd00::7]:6120"]
        );
    }

    #[test]
    fn what_is_no_host_is_told() {
        for text in ["", "a,", "a,,b", "tcp://lab", "lab:0", "lab:65536", "[lab]:1", "a b"] {
            assert!(
                text.parse::<Hosts>().unwrap_err().starts_with("must be a host name"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_ports_of_a_registry_that_is_silent_are_as_far_from_each_other_as_elsewhere() {
        let at = |port| Asked { host: Host::localhost(), port: NonZeroU16::new(port).unwrap() };

        let events = at(6_200).endpoint_like(&at(6_100), 6_101);
        assert_eq!(events, Some(at(6_201).endpoint()));
        assert_eq!(at(65_535).endpoint_like(&at(6_100), 6_101), None);
    }
}
