//! Which addresses the name of the host means, and whether they are of this host.

use std::net::{SocketAddr, ToSocketAddrs};

use service_registry::client::Host;

use super::finding::Finding;
use crate::cli::host::is_own;

const CHECK: &str = "address";

/// The addresses of `host`, those first that a client takes.
pub(super) fn resolve(host: &Host, port: u16) -> (Vec<SocketAddr>, Finding) {
    let name = host.to_string();
    let found = match (name.as_str(), port).to_socket_addrs() {
        Ok(found) => found,
        Err(error) => {
            let remedy = "correct --host, or /etc/hosts, or the name server; or give an address";
            let found = format!("nobody knows the host {name}: {error}");
            return (Vec::new(), Finding::problem(CHECK, &found, remedy));
        }
    };
    let mut addresses: Vec<SocketAddr> = found.collect();
    // A client takes an IPv6 address only where it is given as one.
    if !host.is_ipv6() {
        addresses.retain(SocketAddr::is_ipv4);
    }
    if addresses.is_empty() {
        let found = format!("{name} has no IPv4 address");
        return (addresses, Finding::problem(CHECK, &found, "give its IPv6 address as --host"));
    }
    let texts: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let here = if is_own(addresses[0].ip()) { "this host" } else { "another host" };
    let found = format!("{name} is {}, {here}", texts.join(", "));
    (addresses, Finding::ok(CHECK, &found))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn localhost_is_here_and_a_documentation_address_is_not() {
        let (here, finding) = resolve(&Host::localhost(), 6_100);
        assert!(is_own(here[0].ip()));
        assert_eq!(finding.found, "localhost is 127.0.0.1, this host");

        let (there, _) = resolve(&"192.0.2.1".parse().unwrap(), 6_100);
        assert!(!is_own(there[0].ip()));
    }

    #[test]
    fn a_name_that_nobody_knows_is_a_problem() {
        let (addresses, finding) = resolve(&"no-such-host.invalid".parse().unwrap(), 6_100);

        assert_eq!((addresses.len(), finding.verdict), (0, Verdict::Problem));
    }
}
