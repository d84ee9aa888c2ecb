//! One connection to a socket of a registry: a request out, its reply back.
//!
//! A connection asks one thing at a time. Where a reply did not come, it starts anew under
//! another identity (the Lazy Pirate of the ZeroMQ guide): if the reply comes late, it finds
//! nobody. Each request has a number besides, which is compared where the registry sends it back;
//! the Python registry does not.

use std::num::NonZeroU16;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::protocol::envelope::{REQUEST, RESPONSE};

use super::Host;
use super::curve_keys::CurveKeys;
use super::endpoints::Endpoint;
use super::registries::Place;
use super::settings::ClientSettings;
use super::socket::connect_dealer;
use super::thread::{Stop, whole_milliseconds};

/// The field in which a request carries its number, and a reply that of its request.
pub(super) const REQUEST_ID: &str = "request_id";

/// What a connection is called that has no client.
const CLIENT_ID: &str = "service-registry";

/// A blocking connection to one registry. Dropping it never waits.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let port = endpoints.requests.as_str().rsplit(':').next().ok_or("no port")?.parse()?;
/// use serde_json::{Map, Value};
/// use std::time::Duration;
///
/// let mut connection = Connection::new(&Host::localhost(), port, Duration::from_secs(2));
/// let question = Map::from_iter([("action".to_owned(), "health".into())]);
/// let answer: Map<String, Value> = connection.request(&question)?;
/// assert_eq!(answer["status"], "ok");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connection {
    endpoint: Endpoint,
    client_id: String,
    keys: Option<CurveKeys>,
    framing: Framing,
    timeout: Duration,
    /// None before the first request, and after one that got no reply.
    socket: Option<zmq::Socket>,
    /// The number of the latest request.
    number: u64,
}

/// Why a request got no reply.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// Nothing came back. A registry that is busy may have carried out the request all the same.
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
    #[error("cannot use a connection to {endpoint}: {source}")]
    Socket {
        /// Where the registry was to be asked.
        endpoint: String,
        /// What ZeroMQ says.
        source: zmq::Error,
    },
}

/// What stands around a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// A message type: the request socket.
    Typed,
    /// Nothing: the heartbeat socket.
    Bare,
}

/// When to give up, and what may end the waiting earlier.
struct Patience<'a> {
    started: Instant,
    timeout: Duration,
    stop: Option<&'a Stop>,
}

/// Why nothing came.
enum Silence {
    TimeOver,
    Broken(zmq::Error),
}

impl Connection {
    /// A connection to the registry at `port` of `host`, on which no request waits longer than
    /// `timeout`. Nothing is opened before the first request.
    #[must_use]
    pub fn new(host: &Host, port: NonZeroU16, timeout: Duration) -> Self {
        Self::open_later(Endpoint::new(host, port), CLIENT_ID, Framing::Typed, timeout)
    }

    /// The same with a registry that asks for keys.
    #[must_use]
    pub fn with_keys(self, keys: CurveKeys) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// A connection to the request socket of the registry at `place`.
    pub(super) fn for_requests(settings: &ClientSettings, place: Place) -> Self {
        let endpoint = settings.registries.at(place).requests.clone();
        let timeout = settings.request_timeout;
        let keys = settings.keys.clone();
        Self { keys, ..Self::open_later(endpoint, &settings.client_id, Framing::Typed, timeout) }
    }

    /// A connection to the heartbeat socket of the registry at `place`.
    pub(super) fn for_heartbeats(settings: &ClientSettings, place: Place) -> Self {
        let endpoint = settings.registries.at(place).heartbeats.clone();
        let timeout = settings.heartbeat_timeout;
        let keys = settings.keys.clone();
        Self { keys, ..Self::open_later(endpoint, &settings.client_id, Framing::Bare, timeout) }
    }

    /// The ZeroMQ endpoint of the registry.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.endpoint.as_str()
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
        self.request_within(self.timeout, None, request)
    }

    /// As [`Self::request`], waiting up to `timeout`. The word to `stop` ends the waiting as if
    /// the time were over.
    pub(super) fn request_within(
        &mut self,
        timeout: Duration,
        stop: Option<&Stop>,
        request: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ConnectionError> {
        let patience = Patience { started: Instant::now(), timeout, stop };
        self.number += 1;
        let frames = self.framing.wrap(&with_number(request, self.number));
        // Only a connection that was answered is kept.
        let socket = match self.socket.take().filter(has_nothing_unasked) {
            Some(socket) => socket,
            None => connect_dealer(&self.endpoint, &self.client_id, self.keys.as_ref())
                .map_err(|source| self.silence(Silence::Broken(source), timeout))?,
        };
        let reply = self.exchange(&socket, &frames, &patience)?;
        self.socket = Some(socket);
        Ok(reply)
    }

    fn open_later(
        endpoint: Endpoint,
        client_id: &str,
        framing: Framing,
        timeout: Duration,
    ) -> Self {
        let client_id = client_id.to_owned();
        Self { endpoint, client_id, keys: None, framing, timeout, socket: None, number: 0 }
    }

    fn exchange(
        &self,
        socket: &zmq::Socket,
        frames: &[Vec<u8>],
        patience: &Patience<'_>,
    ) -> Result<Map<String, Value>, ConnectionError> {
        let silent = |silence| self.silence(silence, patience.timeout);
        let send = || socket.send_multipart(frames, zmq::DONTWAIT);
        patience.try_when(socket, zmq::POLLOUT, send).map_err(silent)?;
        loop {
            let receive = || socket.recv_multipart(zmq::DONTWAIT);
            let frames = patience.try_when(socket, zmq::POLLIN, receive).map_err(silent)?;
            let read = self.framing.unwrap(&frames).and_then(read_body);
            let mut reply = read.map_err(|reason| ConnectionError::NotARegistry {
                endpoint: self.endpoint.to_string(),
                reason,
            })?;
            match reply.remove(REQUEST_ID) {
                // The answer to a question that was given up.
                Some(number) if number != self.number => {}
                _ => return Ok(reply),
            }
        }
    }

    fn silence(&self, silence: Silence, after: Duration) -> ConnectionError {
        let endpoint = self.endpoint.to_string();
        match silence {
            Silence::TimeOver => ConnectionError::Unreachable { endpoint, after },
            Silence::Broken(source) => ConnectionError::Socket { endpoint, source },
        }
    }
}

impl Framing {
    fn wrap(self, body: &str) -> Vec<Vec<u8>> {
        let body = body.as_bytes().to_vec();
        match self {
            Self::Typed => vec![REQUEST.to_vec(), body],
            Self::Bare => vec![body],
        }
    }

    fn unwrap(self, frames: &[Vec<u8>]) -> Result<&[u8], &'static str> {
        match (self, frames) {
            (Self::Typed, [kind, body]) if kind == RESPONSE => Ok(body),
            (Self::Typed, [_, _]) => Err("its answer is not marked as a response"),
            (Self::Typed, _) => Err("its answer does not have two frames"),
            (Self::Bare, [body]) => Ok(body),
            (Self::Bare, _) => Err("its answer does not have one frame"),
        }
    }
}

impl Patience<'_> {
    /// Takes `step` when `socket` is ready for it, and again where it was not after all.
    fn try_when<T>(
        &self,
        socket: &zmq::Socket,
        ready: zmq::PollEvents,
        step: impl Fn() -> zmq::Result<T>,
    ) -> Result<T, Silence> {
        loop {
            match step() {
                Err(zmq::Error::EAGAIN | zmq::Error::EINTR) => {}
                done => return done.map_err(Silence::Broken),
            }
            let remaining = self.timeout.saturating_sub(self.started.elapsed());
            if remaining.is_zero() {
                return Err(Silence::TimeOver);
            }
            let mut items = vec![socket.as_poll_item(ready)];
            items.extend(
                self.stop.map(|stop| zmq::PollItem::from_fd(stop.as_raw_fd(), zmq::POLLIN)),
            );
            match zmq::poll(&mut items, whole_milliseconds(remaining)) {
                Ok(_) | Err(zmq::Error::EINTR) => {}
                Err(error) => return Err(Silence::Broken(error)),
            }
            if items.get(1).is_some_and(|stop| !stop.get_revents().is_empty()) {
                return Err(Silence::TimeOver);
            }
        }
    }
}

/// The reply in what came from the request socket, or what makes it none.
pub(super) fn read_reply(frames: &[Vec<u8>]) -> Result<Map<String, Value>, &'static str> {
    Framing::Typed.unwrap(frames).and_then(read_body)
}

/// The body of `request` with its number.
pub(super) fn with_number(request: &Map<String, Value>, number: u64) -> String {
    let mut request = request.clone();
    request.insert(REQUEST_ID.to_owned(), number.into());
    Value::Object(request).to_string()
}

/// Whether nothing has come that nobody asked for, which would be taken for the next reply.
/// Whether the registry is still at the other end, ZeroMQ does not tell; where it is not, the
/// request is sent when it is back.
fn has_nothing_unasked(socket: &zmq::Socket) -> bool {
    socket.get_events().is_ok_and(|events| !events.contains(zmq::POLLIN))
}

fn read_body(body: &[u8]) -> Result<Map<String, Value>, &'static str> {
    let reply: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "its answer is not a JSON object")?;
    match reply.get("success") {
        Some(Value::Bool(_)) => Ok(reply),
        _ => Err("its answer does not say whether it succeeded"),
    }
}

#[cfg(test)]
pub(in crate::client) mod tests;
