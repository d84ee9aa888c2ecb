//! Whether somebody answers at a port, and whether that speaks ZeroMQ.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use super::finding::Finding;

/// How ZMTP begins, up to its version.
const GREETING: [u8; 11] = [0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3];

/// How it goes on: with how it is kept secret.
const MECHANISM: Range<usize> = 12..32;
const CURVE: &[u8] = b"CURVE\0";

/// What a check of a port came to.
pub(super) struct Port {
    pub(super) is: Reached,
    pub(super) finding: Finding,
}

/// What is at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reached {
    /// A ZeroMQ socket, which may want keys.
    Zmtp { encrypted: bool },
    /// Something else, which said this.
    Other(Vec<u8>),
    /// Something that takes connections and says nothing.
    Silent,
    /// Nothing that takes connections.
    Nothing(ErrorKind),
}

/// What is at `address`, which should be the socket `name`.
pub(super) fn check(name: &'static str, address: SocketAddr, timeout: Duration) -> Port {
    let is = reach(address, timeout).unwrap_or_else(|error| Reached::Nothing(error.kind()));
    let finding = judge(name, address, &is);
    Port { is, finding }
}

/// Connects, greets, and listens.
fn reach(address: SocketAddr, timeout: Duration) -> io::Result<Reached> {
    let deadline = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    // What becomes of a connection that was made is no matter of connecting.
    let heard = greet(&mut stream, timeout, deadline).unwrap_or_default();
    Ok(match heard.as_slice() {
        [] => Reached::Silent,
        heard if is_greeting(heard) => {
            let mechanism = heard.get(MECHANISM).unwrap_or_default();
            Reached::Zmtp { encrypted: mechanism.starts_with(CURVE) }
        }
        _ => Reached::Other(heard),
    })
}

fn greet(stream: &mut TcpStream, timeout: Duration, deadline: Instant) -> io::Result<Vec<u8>> {
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(&GREETING)?;
    let mut heard = Vec::new();
    let mut buffer = [0; 64];
    while heard.len() < MECHANISM.end {
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(remaining))?;
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(heard)
}

fn is_greeting(heard: &[u8]) -> bool {
    // In between stands a length, which is nothing to us.
    heard.len() >= GREETING.len() && heard[0] == 0xff && heard[9] & 1 == 1
}

fn judge(name: &'static str, address: SocketAddr, reached: &Reached) -> Finding {
    let (found, remedy) = match reached {
        Reached::Zmtp { encrypted } => {
            let keys = if *encrypted { ", encrypted: it asks for keys" } else { "" };
            return Finding::ok(name, &format!("{address} is open and speaks ZeroMQ{keys}"));
        }
        Reached::Other(heard) => (
            format!("what listens at {address} is no registry; it says {}", quoted(heard)),
            "give the registry's port, or stop the other program",
        ),
        Reached::Silent => (
            format!("{address} takes connections and does not speak"),
            "another program listens there, or the registry is stopped or hangs; look at its \
             process and its log",
        ),
        Reached::Nothing(kind) => return unreachable(name, address, *kind),
    };
    Finding::problem(name, &found, remedy)
}

/// What each way of not being connected means.
fn unreachable(name: &'static str, address: SocketAddr, kind: ErrorKind) -> Finding {
    let (found, remedy) = match kind {
        ErrorKind::ConnectionRefused => (
            format!("{address} refuses: the host is there, and nobody listens at this address"),
            "start the registry, or give its port; a registry on 127.0.0.1 is heard by its own \
             host only (start it with --bind '*'); in a container, publish the port; or a \
             firewall rejects it",
        ),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => (
            format!("{address} does not answer: what is sent there is lost"),
            "the host is off (see `ping`), or a firewall drops it: let this TCP port through; see \
             `nft list ruleset` or `iptables -L` on both hosts",
        ),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => (
            format!("there is no way to {address}"),
            "see `ip route get` with the address: a route is missing, a cable is out, or this \
             process is in a network namespace of its own; or a firewall rejects it",
        ),
        ErrorKind::PermissionDenied => (
            format!("this host does not let us connect to {address}"),
            "a rule of this host forbids it; see `ip rule`, `ip route` and `nft list ruleset`, and \
             `IPAddressDeny` where systemd runs this",
        ),
        other => (
            format!("no connection to {address}: {other}"),
            "see `ip addr` and `ip route` on both hosts",
        ),
    };
    Finding::problem(name, &found, remedy)
}

/// The first words of whatever it is.
fn quoted(heard: &[u8]) -> String {
    let text = String::from_utf8_lossy(heard);
    let line = text.lines().next().unwrap_or_default();
    format!("{:?}", line.chars().take(40).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::super::finding::Verdict;
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn listen() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// What is found where something listens that says `words` and goes.
    fn found_where_it_says(words: &'static [u8]) -> Reached {
        let (listener, address) = listen();
        let speaker = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut greeting = [0; GREETING.len()];
            stream.read_exact(&mut greeting).unwrap();
            stream.write_all(words).unwrap();
        });
        let reached = reach(address, PATIENCE).unwrap();
        speaker.join().unwrap();
        reached
    }

    #[test]
    fn zeromq_is_told_from_what_is_not() {
        let old = Reached::Zmtp { encrypted: false };
        assert_eq!(found_where_it_says(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3]), old);
        let curve = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        assert_eq!(found_where_it_says(curve), Reached::Zmtp { encrypted: true });
        let http = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        assert_eq!(found_where_it_says(http), Reached::Other(http.to_vec()));
        assert_eq!(found_where_it_says(b""), Reached::Silent);
        assert_eq!(found_where_it_says(&[0xff, 0]), Reached::Other(vec![0xff, 0]));
    }

    #[test]
    fn a_port_where_nobody_listens_refuses() {
        // No program gets this one from the system.
        let address = SocketAddr::from(([127, 0, 0, 1], 1));

        let port = check("request port", address, PATIENCE);

        assert_eq!(port.is, Reached::Nothing(ErrorKind::ConnectionRefused));
        assert_eq!(port.finding.verdict, Verdict::Problem);
    }

    #[test]
    fn each_way_of_not_being_connected_has_its_own_meaning() {
        let address = "192.0.2.1:6100".parse().unwrap();
        let kinds = [
            ErrorKind::ConnectionRefused,
            ErrorKind::TimedOut,
            ErrorKind::HostUnreachable,
            ErrorKind::PermissionDenied,
            ErrorKind::Other,
        ];

        let mut remedies: Vec<_> =
            kinds.iter().map(|&kind| unreachable("request port", address, kind).remedy).collect();

        remedies.dedup();
        assert_eq!(remedies.len(), kinds.len());
    }
}
