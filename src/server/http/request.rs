//! The head of an HTTP request: what of it counts here, and why there may be none.
//!
//! Nothing is read after the head: no answer depends on a body.

use httparse::{EMPTY_HEADER, Status};

/// The longest head that is read, in bytes. Browsers send one or two thousand.
pub(super) const HEAD_LENGTH_MAX: usize = 8 * 1_024;

/// How many headers a head may have. Browsers send some twenty.
const HEADERS_MAX: usize = 64;

/// A request that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// Whether the answer has a body: not to HEAD.
    pub(super) wants_body: bool,
    /// By which name the peer asks, where it says so, and at which port.
    pub(super) host: Option<String>,
    pub(super) path: String,
    pub(super) query: Option<String>,
}

/// Why a request is refused, whatever it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is no HTTP.
    Malformed,
    /// Its head is longer than is read, or has too many headers.
    TooLarge,
    /// It asks for more than to look.
    Method,
    /// It asks under a name that may be anybody's.
    Name,
}

/// Reads the head of a request; none, while it has not arrived as a whole.
pub(super) fn read_head(received: &[u8]) -> Option<Result<Request, Fault>> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    match head.parse(received) {
        Ok(Status::Partial) if received.len() >= HEAD_LENGTH_MAX => Some(Err(Fault::TooLarge)),
        Ok(Status::Partial) => None,
        Ok(Status::Complete(_)) => Some(understand(&head)),
        Err(httparse::Error::TooManyHeaders) => Some(Err(Fault::TooLarge)),
        Err(_) => Some(Err(Fault::Malformed)),
    }
}

fn understand(head: &httparse::Request<'_, '_>) -> Result<Request, Fault> {
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Err(Fault::Malformed);
    };
    let mut hosts = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    let host = match (version, hosts.next(), hosts.next()) {
        (0, None, _) => None,
        (_, Some(host), None) => Some(str::from_utf8(host.value).map_err(|_| Fault::Malformed)?),
        // HTTP/1.1 wants it refused.
        _ => return Err(Fault::Malformed),
    };
    let wants_body = match method {
        "GET" => true,
        "HEAD" => false,
        _ => return Err(Fault::Method),
    };
    let (named, target) = split_host(target);
    let host = named.or(host).map(str::to_owned);
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    Ok(Request { wants_body, host, path: path.to_owned(), query })
}

/// The host, where it stands in the target as well and counts before the header, and what is
/// asked for of it.
fn split_host(target: &str) -> (Option<&str>, &str) {
    let Some(rest) = target.strip_prefix("http://") else { return (None, target) };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (Some(host), if path.is_empty() { "/" } else { path })
}

impl Request {
    /// The value of a key in the query, where it is there and says something.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let pairs = self.query.as_deref()?.split('&').map(|pair| pair.split_once('='));
        let (_, value) = pairs.flatten().find(|(name, value)| *name == key && !value.is_empty())?;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Option<Result<Request, Fault>> {
        read_head(head.as_bytes())
    }

    fn asked(target: &str) -> Request {
        read(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap().unwrap()
    }

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let head = "GET /metrics HTTP/1.1\r\nHost: registry:6103\r\n\r\n";

        for end in 0..head.len() {
            assert_eq!(read(&head[..end]), None, "{end}");
        }
        let (host, path) = (Some("registry:6103".to_owned()), "/metrics".to_owned());
        let request = Request { wants_body: true, host, path, query: None };
        assert_eq!(read(head), Some(Ok(request)));
    }

    #[test]
    fn the_answer_to_head_has_no_body() {
        let request = read("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap().unwrap();

        assert!(!request.wants_body);
    }

    #[test]
    fn whoever_wants_more_than_to_look_is_refused() {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"] {
            let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");

            assert_eq!(read(&head), Some(Err(Fault::Method)), "{method}");
        }
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for head in [
            "\u{1}\u{2}\u{3}",
            "GET\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nno header\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        ] {
            assert_eq!(read(head), Some(Err(Fault::Malformed)), "{head:?}");
        }
        assert!(read("GET / HTTP/1.0\r\n\r\n").unwrap().is_ok());
    }

    #[test]
    fn a_head_is_bounded() {
        let endless = format!("GET / HTTP/1.1\r\nA: {}", "a".repeat(HEAD_LENGTH_MAX));
        assert_eq!(read(&endless), Some(Err(Fault::TooLarge)));

        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: a\r\n".repeat(HEADERS_MAX));
        assert_eq!(read(&many), Some(Err(Fault::TooLarge)));
    }

    #[test]
    fn a_target_may_name_the_host_and_then_overrides_the_header() {
        for (target, path) in [("http://lab:6103/metrics", "/metrics"), ("http://lab:6103", "/")] {
            let request = asked(target);

            assert_eq!((request.host.as_deref(), request.path.as_str()), (Some("lab:6103"), path));
        }
        assert_eq!(asked("/metrics").host.as_deref(), Some("a"));
    }

    #[test]
    fn values_stand_in_the_query() {
        let request = asked("/api/events?first=1&after=17&empty=&bare");

        assert_eq!(request.path, "/api/events");
        assert_eq!(request.value("after"), Some("17"));
        for absent in ["empty", "bare", "other", ""] {
            assert_eq!(request.value(absent), None, "{absent}");
        }
    }
}
