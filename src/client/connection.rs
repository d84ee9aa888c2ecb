//! One connection to a registry's request socket: a request out, its reply back.
//!
//! Requests carry no number by which their replies could be told apart. So a connection asks
//! one thing at a time, and starts anew, under another identity, where a reply did not come: if
//! it comes late, it finds nobody.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use thiserror::Error;
use uuid::Uuid;

use crate::protocol::envelope::{REQUEST, RESPONSE};

use super::Host;

/// A blocking connection to one registry.
pub struct Connection {
    endpoint: String,
    ipv6: bool,
    timeout: Duration,
    /// None before the first request, and after one that got no reply. Stands before the
    /// context, which waits for its sockets when it is dropped.
    socket: Option<zmq::Socket>,
    context: zmq::Context,
}

/// Why a request got no reply.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// Nothing came back. The request may have been carried out all the same.
    #[error("no answer from {endpoint} within {} s", after.as_secs_f64())]
    Unreachable {
        /// Where the registry was asked.
        endpoint: String,
        /// How long the answer was waited for.
        after: Duration,
    },
    /// Something came back that no registry sends.
    #[error("what answers at {endpoint} is not a registry: {reason}")]
    NotARegistry {
        /// Where the registry was asked.
        endpoint: String,
        /// What is wrong with the answer.
        reason: &'static str,
    },
    /// This process could not use a socket.
    #[error("cannot use a connection to {endpoint}")]
    Socket {
        /// Where the registry was to be asked.
        endpoint: String,
        /// What ZeroMQ says.
        source: zmq::Error,
    },
}

impl Connection {
    /// A connection to the registry at `port` of `host`, on which no request waits longer than
    /// `timeout`. Nothing is opened before the first request.
    #[must_use]
    pub fn new(host: &Host, port: NonZeroU16, timeout: Duration) -> Self {
        Self {
            endpoint: host.endpoint(port.get()),
            ipv6: host.is_ipv6(),
            timeout,
            socket: None,
            context: zmq::Context::new(),
        }
    }

    /// The ZeroMQ endpoint of the registry.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends `request` and waits for its reply: an object with a truth value `success`, which
    /// is false where the registry refuses.
    ///
    /// # Errors
    /// [`ConnectionError`], after which the next request is a fresh start.
    pub fn request(
        &mut self,
        request: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ConnectionError> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.connect().map_err(|source| self.socket_error(source))?,
        };
        let reply = self.exchange(&socket, request)?;
        self.socket = Some(socket);
        Ok(reply)
    }

    fn connect(&self) -> Result<zmq::Socket, zmq::Error> {
        let socket = self.context.socket(zmq::DEALER)?;
        // What could not be sent is not worth waiting for when the socket is dropped.
        socket.set_linger(0)?;
        socket.set_ipv6(self.ipv6)?;
        socket.set_identity(format!("service-registry-{}", Uuid::new_v4()).as_bytes())?;
        socket.connect(&self.endpoint)?;
        Ok(socket)
    }

    fn exchange(
        &self,
        socket: &zmq::Socket,
        request: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ConnectionError> {
        let started = Instant::now();
        let body = Value::Object(request.clone()).to_string();
        self.until_timeout(started, |_| socket.send(REQUEST, zmq::DONTWAIT | zmq::SNDMORE))?;
        self.until_timeout(started, |_| socket.send(body.as_str(), zmq::DONTWAIT))?;
        let frames = self.until_timeout(started, |remaining| {
            socket.poll(zmq::POLLIN, whole_milliseconds(remaining))?;
            socket.recv_multipart(zmq::DONTWAIT)
        })?;
        reply(&frames).map_err(|reason| ConnectionError::NotARegistry {
            endpoint: self.endpoint.clone(),
            reason,
        })
    }

    /// Repeats `step`, which is given the time that remains, when a signal interrupted it or
    /// nothing had come.
    fn until_timeout<T>(
        &self,
        started: Instant,
        step: impl Fn(Duration) -> Result<T, zmq::Error>,
    ) -> Result<T, ConnectionError> {
        loop {
            let remaining = self.timeout.saturating_sub(started.elapsed());
            match step(remaining) {
                Ok(done) => return Ok(done),
                Err(zmq::Error::EINTR | zmq::Error::EAGAIN) if remaining.is_zero() => {
                    let endpoint = self.endpoint.clone();
                    return Err(ConnectionError::Unreachable { endpoint, after: self.timeout });
                }
                Err(zmq::Error::EINTR | zmq::Error::EAGAIN) => {}
                Err(source) => return Err(self.socket_error(source)),
            }
        }
    }

    fn socket_error(&self, source: zmq::Error) -> ConnectionError {
        ConnectionError::Socket { endpoint: self.endpoint.clone(), source }
    }
}

/// Rounded up, so that the last poll before the timeout is not repeated in a spin.
fn whole_milliseconds(duration: Duration) -> i64 {
    duration.as_micros().div_ceil(1_000).try_into().unwrap_or(i64::MAX)
}

/// The reply in `frames`, or what makes it none.
fn reply(frames: &[Vec<u8>]) -> Result<Map<String, Value>, &'static str> {
    let [kind, body] = frames else {
        return Err("its answer does not have two frames");
    };
    if kind != RESPONSE {
        return Err("its answer is not marked as a response");
    }
    let reply: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "its answer is not a JSON object")?;
    match reply.get("success") {
        Some(Value::Bool(_)) => Ok(reply),
        _ => Err("its answer does not say whether it succeeded"),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use serde_json::json;

    use super::*;

    /// Plays a registry that does with each request what `answer` says.
    fn registry(
        mut answer: impl FnMut(&zmq::Socket, Vec<Vec<u8>>) + Send + 'static,
        requests: usize,
    ) -> (NonZeroU16, thread::JoinHandle<Vec<Vec<u8>>>) {
        let context = zmq::Context::new();
        let socket = context.socket(zmq::ROUTER).unwrap();
        socket.set_rcvtimeo(10_000).unwrap();
        socket.bind("tcp://127.0.0.1:*").unwrap();
        let endpoint = socket.get_last_endpoint().unwrap().unwrap();
        let port = endpoint.rsplit(':').next().unwrap().parse().unwrap();
        let player = thread::spawn(move || {
            let mut identities = Vec::new();
            for _ in 0..requests {
                let frames = socket.recv_multipart(0).unwrap();
                identities.push(frames[0].clone());
                answer(&socket, frames);
            }
            drop(socket);
            drop(context);
            identities
        });
        (port, player)
    }

    fn health() -> Map<String, Value> {
        Map::from_iter([("action".to_owned(), json!("health"))])
    }

    fn connection(port: NonZeroU16, timeout: Duration) -> Connection {
        Connection::new(&Host::localhost(), port, timeout)
    }

    fn refusal(frames: &[&[u8]]) -> &'static str {
        reply(&frames.iter().map(|frame| frame.to_vec()).collect::<Vec<_>>()).unwrap_err()
    }

    #[test]
    fn a_request_is_marked_and_its_reply_comes_back() {
        let (port, player) = registry(
            |socket, frames| {
                assert_eq!(frames[1..], [b"REQ".to_vec(), br#"{"action":"health"}"#.to_vec()]);
                let reply = br#"{"success":true,"z":1.50,"a":"x"}"#;
                socket.send_multipart([&frames[0], RESPONSE, reply], 0).unwrap();
            },
            1,
        );

        let reply = connection(port, Duration::from_secs(10)).request(&health()).unwrap();

        assert_eq!(Value::Object(reply).to_string(), r#"{"success":true,"z":1.50,"a":"x"}"#);
        assert!(player.join().unwrap()[0].starts_with(b"service-registry-"));
    }

    #[test]
    fn silence_ends_with_the_timeout_and_names_the_endpoint() {
        let nobody = zmq::Context::new().socket(zmq::ROUTER).unwrap();
        nobody.bind("tcp://127.0.0.1:*").unwrap();
        let endpoint = nobody.get_last_endpoint().unwrap().unwrap();
        let port = endpoint.rsplit(':').next().unwrap().parse().unwrap();
        let started = Instant::now();

        let timeout = Duration::from_millis(150);
        let error = connection(port, timeout).request(&health()).unwrap_err();

        assert_eq!(
            error.to_string(),
            format!("no answer from tcp://localhost:{port} within 0.15 s")
        );
        assert!(started.elapsed() >= timeout);
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_reply_that_comes_too_late_does_not_answer_the_next_request() {
        let mut late = None;
        let (port, player) = registry(
            move |socket, frames| match late.take() {
                None => late = Some(frames[0].clone()),
                Some(identity) => {
                    let first = br#"{"success":true,"to":"first"}"#;
                    let second = br#"{"success":true,"to":"second"}"#;
                    socket.send_multipart([&identity, RESPONSE, first], 0).unwrap();
                    socket.send_multipart([&frames[0], RESPONSE, second], 0).unwrap();
                }
            },
            2,
        );
        let mut connection = connection(port, Duration::from_secs(1));
        let ask = |action: &str| Map::from_iter([("action".to_owned(), json!(action))]);

        let first = connection.request(&ask("first"));
        let second = connection.request(&ask("second")).unwrap();

        assert!(matches!(first, Err(ConnectionError::Unreachable { .. })));
        assert_eq!(second["to"], "second");
        let identities = player.join().unwrap();
        assert_ne!(identities[0], identities[1]);
    }

    #[test]
    fn an_answer_that_no_registry_sends_is_told_apart() {
        assert_eq!(refusal(&[b"{}"]), "its answer does not have two frames");
        assert_eq!(refusal(&[b"REQ", b"{}"]), "its answer is not marked as a response");
        assert_eq!(refusal(&[RESPONSE, b"[]"]), "its answer is not a JSON object");
        assert_eq!(refusal(&[RESPONSE, b"\xff"]), "its answer is not a JSON object");
        for body in [b"{}".as_slice(), br#"{"success":1}"#] {
            assert_eq!(refusal(&[RESPONSE, body]), "its answer does not say whether it succeeded");
        }
    }
}
