//! Whether the registry of this host answers over HTTP, where its settings say so.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::finding::Finding;

const CHECK: &str = "http";

/// What a probe asks.
const QUESTION: &[u8] = b"GET /health HTTP/1.0\r\n\r\n";

/// Many times what a registry says of its health.
const ANSWER_MAX: usize = 64 * 1_024;

/// What is at `http` of the settings.
pub(super) fn check(http: SocketAddr, timeout: Duration) -> Finding {
    let address = reachable(http);
    match ask(address, timeout) {
        Ok(answer) => judge(address, &String::from_utf8_lossy(&answer)),
        Err(error) => Finding::problem(
            CHECK,
            &format!("nobody answers at http://{address}/: {error}"),
            "the registry was not started again since `http` was set, or runs with other \
             settings; its log says where it answers",
        ),
    }
}

/// Where somebody on this host asks who listens at `http`.
fn reachable(http: SocketAddr) -> SocketAddr {
    let loopback = match http {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let ip = if http.ip().is_unspecified() { loopback } else { http.ip() };
    SocketAddr::new(ip, http.port())
}

fn ask(address: SocketAddr, timeout: Duration) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_write_timeout(Some(timeout))?;
    // Who is not allowed is closed, or reset: then the answer is empty, whichever it was.
    let _ = stream.write_all(QUESTION);
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    while answer.len() < ANSWER_MAX {
        // For the whole answer: somebody may say it byte by byte.
        let remaining = deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() {
            return Err(endless());
        }
        stream.set_read_timeout(Some(remaining))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) => match error.kind() {
                ErrorKind::ConnectionReset => break,
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(endless()),
                _ => return Err(error),
            },
        }
    }
    Ok(answer)
}

/// The error of an answer that is not whole in time.
fn endless() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no whole answer came in time")
}

fn judge(address: SocketAddr, answer: &str) -> Finding {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    let health: Value = serde_json::from_str(body).unwrap_or_default();
    match (status, health["status"].as_str()) {
        ("200", Some("ok")) => Finding::ok(CHECK, &format!("http://{address}/ is well")),
        ("503", Some(_)) => {
            let error = health["error"].as_str().unwrap_or_default();
            let remedy = "look at the disk, and at the log of the registry";
            Finding::problem(CHECK, &format!("http://{address}/health says: {error}"), remedy)
        }
        _ if answer.is_empty() => Finding::warning(
            CHECK,
            &format!("http://{address}/ closes without an answer"),
            "`allow` lacks this host; who is in it may look",
        ),
        _ => Finding::problem(
            CHECK,
            &format!("what listens at {address} is no registry"),
            "give `http` another port, or stop the other program",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn each_answer_has_its_meaning() {
        let address = "127.0.0.1:6103".parse().unwrap();
        let unwell = "{\"status\":\"failing\",\"error\":\"slow\"}";
        for (answer, verdict, word) in [
            ("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\"}", Verdict::Ok, "well"),
            (&format!("HTTP/1.1 503 Unavailable\r\n\r\n{unwell}"), Verdict::Problem, "slow"),
            ("", Verdict::Warning, "closes"),
            ("HTTP/1.1 200 OK\r\n\r\nIt works!", Verdict::Problem, "no registry"),
            ("SSH-2.0-OpenSSH", Verdict::Problem, "no registry"),
        ] {
            let finding = judge(address, answer);

            assert_eq!(finding.verdict, verdict, "{answer}");
            assert!(finding.found.contains(word), "{}", finding.found);
        }
    }

    #[test]
    fn who_listens_everywhere_is_asked_on_the_loopback() {
        let asked = |http: &str| reachable(http.parse().unwrap()).to_string();

        assert_eq!(asked("0.0.0.0:6103"), "127.0.0.1:6103");
        assert_eq!(asked("[::]:6103"), "[::1]:6103");
        assert_eq!(asked("192.0.2.1:6103"), "192.0.2.1:6103");
    }
}
