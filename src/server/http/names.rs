//! The names under which the registry answers: a rule against DNS rebinding.
//!
//! A page from anywhere can give its own name this host's address, and then read with the browser
//! of its visitor what only the visitor's network should see. The browser says under which name it
//! asks. A name that somebody out there can own has a dot; of those only this host's is answered.

use std::net::{IpAddr, Ipv6Addr};

use nix::unistd::gethostname;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Names {
    /// What this host is called, if it can say so.
    own: Option<String>,
}

impl Names {
    /// Those of this host.
    pub(super) fn of_this_host() -> Self {
        Self { own: gethostname().ok().and_then(|name| name.into_string().ok()) }
    }

    /// Whether `host`, with or without a port, is one of them.
    pub(super) fn include(&self, host: &str) -> bool {
        let name = without_port(host);
        if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            return address.parse::<Ipv6Addr>().is_ok();
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_own = self.own.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name));
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
        Names { own: Some("lab-server.example.org".to_owned()) }.include(host)
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
        assert!(!Names { own: None }.include("lab-server.example.org"));
    }
}
