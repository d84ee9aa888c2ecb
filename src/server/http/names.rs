//! The names under which the registry answers: a rule against DNS rebinding.
//!
//! A page from anywhere can give its own name this host's address, and then read with the browser
//! of its visitor what only the visitor's network should see. The browser says under which name it
//! asks. A name that somebody out there can own has a dot; of those only this host's are answered.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};

use nix::unistd::gethostname;

/// Says which names in a request are meant for this host.
#[derive(Debug)]
pub(super) struct Names {
    /// What this host is called, as far as it can say so.
    own: Vec<String>,
}

impl Names {
    /// Those of this host.
    pub(super) fn of_this_host() -> Self {
        // What cannot be read has no names.
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let own = gethostname().ok().and_then(|name| name.into_string().ok());
        own.map_or(Self { own: Vec::new() }, |own| {
            Self::of(&own, &read("/etc/hosts"), &read("/etc/resolv.conf"))
        })
    }

    /// The name that a host gives itself, those that its table of hosts has beside it, and, as the
    /// name server knows it, the name with each of the domains in which it looks for others.
    fn of(host: &str, hosts: &str, resolver: &str) -> Self {
        let mut own = vec![host.to_owned()];
        for line in hosts.lines() {
            let entry = line.split('#').next().unwrap_or_default();
            // Behind the address.
            let names: Vec<&str> = entry.split_whitespace().skip(1).collect();
            if names.iter().any(|name| name.eq_ignore_ascii_case(host)) {
                own.extend(names.into_iter().map(str::to_owned));
            }
        }
        for line in resolver.lines() {
            let mut words = line.split_whitespace();
            if let Some("search" | "domain") = words.next() {
                own.extend(words.map(|domain| format!("{host}.{domain}")));
            }
        }
        Self { own }
    }

    /// Whether `host`, with or without a port, is one of them.
    pub(super) fn include(&self, host: &str) -> bool {
        let name = without_port(host);
        if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            return address.parse::<Ipv6Addr>().is_ok();
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_own = self.own.iter().any(|own| own.eq_ignore_ascii_case(name));
        // Nobody can own what ends so: it always means the browser's own host.
        let is_local = name.to_ascii_lowercase().ends_with(".localhost");
        name.parse::<IpAddr>().is_ok() || !name.contains('.') || is_own || is_local
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(host: &str) -> bool {
        Names { own: vec!["lab-server.example.org".to_owned()] }.include(host)
    }

    #[test]
    fn what_nobody_out_there_can_own_is_a_name_of_the_registry() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:6103",
            "192.168.7.10:6103",
            "[::1]",
            "[2001:db8::1]:6103",
            "localhost:6103",
            "registry.localhost",
            "lab-server:6103",
            "LAB-Server.example.org.:6103",
        ] {
            assert!(answers(host), "{host}");
        }
    }

    #[test]
    fn what_anybody_can_own_is_none() {
        for host in [
            "example.com",
            "example.com:6103",
            "example.com.",
            "127.0.0.1.example.com",
            "lab-server.example.com",
            "localhost.example.com",
            "[example.com]",
            "user@example.com:6103",
        ] {
            assert!(!answers(host), "{host}");
        }
        assert!(!Names { own: Vec::new() }.include("lab-server.example.org"));
    }

    #[test]
    fn the_full_names_of_a_host_are_its_own() {
        let hosts = "127.0.0.1 localhost\n\
            127.0.1.1\tRegistry.example.org  lab-server # its name\n\
            192.0.2.1 printer.example.org printer # not lab-server\n";
        let resolver = "# lab-server\nnameserver 192.0.2.53\nsearch example.net Lab.example.net\n";
        let names = Names::of("Lab-Server", hosts, resolver);

        for host in
            ["registry.example.org", "lab-server.example.net:6103", "LAB-server.lab.example.net."]
        {
            assert!(names.include(host), "{host}");
        }
        for host in [
            "printer.example.org",
            "printer.example.net",
            "lab-server.example.org",
            "192.0.2.53.example.net",
        ] {
            assert!(!names.include(host), "{host}");
        }
    }
}
