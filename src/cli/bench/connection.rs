//! One client's connection to a socket of the registry, with many requests under way.
//!
//! The client library asks one thing at a time, or numbers its requests. Here a reply belongs to
//! the request that waits longest: replies come in the order of the requests, in the Python
//! registry too, which does not send numbers back.

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use service_registry::client::{ConnectionError, CurveKeys, Endpoint, Host};
use service_registry::protocol::envelope::{REQUEST, RESPONSE};
use zmq::{Context, DONTWAIT, Error, Message, SNDMORE, Socket};

/// The longest pause between attempts to reach a registry, in milliseconds.
const RECONNECT_PAUSE_MAX: i32 = 2_000;

/// How replies of registries begin that are successes: the Python registry's, and this one's.
const SUCCESSES: [&[u8]; 4] =
    [b"{\"success\":true,", b"{\"success\": true,", b"{\"success\":true}", b"{\"success\": true}"];

/// Which socket of a registry, and so what stands around a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A message type before the body.
    Requests,
    /// The body alone.
    Heartbeats,
}

impl Purpose {
    /// The socket's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Heartbeats => "heartbeats",
        }
    }
}

/// Where a socket of the registry is.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) endpoint: Endpoint,
    pub(super) is_ipv6: bool,
    /// None for a registry that asks for none.
    pub(super) keys: Option<CurveKeys>,
    pub(super) purpose: Purpose,
}

/// What came back for a request.
#[derive(Debug)]
pub(super) struct Answer<T> {
    /// What was noted with the request.
    pub(super) note: T,
    pub(super) at: Instant,
    pub(super) bytes: usize,
    /// The reply, where it is none of success.
    pub(super) refusal: Option<Value>,
}

/// A socket of one client, and the requests on it that wait for their replies. `T` is what is noted
/// with each request.
pub(super) struct Connection<T> {
    socket: Socket,
    target: Target,
    waiting: VecDeque<T>,
    /// When the registry was last heard, or asked when nothing was awaited.
    last_sign: Instant,
    frame: Message,
}

impl Target {
    pub(super) fn new(
        host: &Host,
        port: NonZeroU16,
        keys: Option<CurveKeys>,
        purpose: Purpose,
    ) -> Self {
        Self { endpoint: Endpoint::new(host, port), is_ipv6: host.is_ipv6(), keys, purpose }
    }

    fn broken(&self, source: Error) -> ConnectionError {
        ConnectionError::Socket { endpoint: self.endpoint.to_string(), source }
    }
}

impl<T> Connection<T> {
    /// A connection of its own to `target`, under the name `identity`.
    pub(super) fn open(
        context: &Context,
        target: &Target,
        identity: &str,
    ) -> Result<Self, ConnectionError> {
        let open = || {
            let socket = context.socket(zmq::DEALER)?;
            socket.set_linger(0)?;
            socket.set_ipv6(target.is_ipv6)?;
            socket.set_reconnect_ivl_max(RECONNECT_PAUSE_MAX)?;
            // What is under way is bounded by who sends it.
            socket.set_sndhwm(0)?;
            socket.set_rcvhwm(0)?;
            socket.set_identity(identity.as_bytes())?;
            if let Some(keys) = &target.keys {
                keys.secure(&socket)?;
            }
            socket.connect(target.endpoint.as_str())?;
            Ok(socket)
        };
        let socket = open().map_err(|source| target.broken(source))?;
        Ok(Self {
            socket,
            target: target.clone(),
            waiting: VecDeque::new(),
            last_sign: Instant::now(),
            frame: Message::new(),
        })
    }

    /// What to wait at for answers. It is certain to tell of one only after [`Self::receive`] has
    /// found none.
    pub(super) fn fd(&self) -> Result<RawFd, ConnectionError> {
        self.socket.get_fd().map_err(|source| self.target.broken(source))
    }

    /// How many requests are not answered yet.
    pub(super) fn under_way(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn send(&mut self, body: &[u8], note: T) -> Result<(), ConnectionError> {
        if self.waiting.is_empty() {
            self.last_sign = Instant::now();
        }
        if self.target.purpose == Purpose::Requests {
            self.send_frame(REQUEST, SNDMORE)?;
        }
        self.send_frame(body, 0)?;
        self.waiting.push_back(note);
        Ok(())
    }

    /// The next answer that has arrived.
    pub(super) fn receive(&mut self) -> Result<Option<Answer<T>>, ConnectionError> {
        if !self.receive_frame()? {
            return Ok(None);
        }
        match self.target.purpose {
            Purpose::Requests => {
                if &*self.frame != RESPONSE {
                    return Err(self.no_registry("its answer is not marked as a response"));
                }
                if !self.frame.get_more() || !self.receive_frame()? || self.frame.get_more() {
                    return Err(self.no_registry("its answer does not have two frames"));
                }
            }
            Purpose::Heartbeats if self.frame.get_more() => {
                return Err(self.no_registry("its answer does not have one frame"));
            }
            Purpose::Heartbeats => {}
        }
        let refusal = refusal(&self.frame).map_err(|reason| self.no_registry(reason))?;
        let Some(note) = self.waiting.pop_front() else {
            return Err(self.no_registry("it answers what it was not asked"));
        };
        self.last_sign = Instant::now();
        Ok(Some(Answer { note, at: self.last_sign, bytes: self.frame.len(), refusal }))
    }

    /// Fails where answers are awaited and none has come for longer than `patience`.
    pub(super) fn check_for_silence(
        &self,
        now: Instant,
        patience: Duration,
    ) -> Result<(), ConnectionError> {
        if self.waiting.is_empty() || now.saturating_duration_since(self.last_sign) <= patience {
            return Ok(());
        }
        let endpoint = self.target.endpoint.to_string();
        Err(ConnectionError::Unreachable { endpoint, after: patience })
    }

    fn send_frame(&self, frame: &[u8], more: i32) -> Result<(), ConnectionError> {
        loop {
            match self.socket.send(frame, DONTWAIT | more) {
                Err(Error::EINTR) => {}
                sent => return sent.map_err(|source| self.target.broken(source)),
            }
        }
    }

    fn receive_frame(&mut self) -> Result<bool, ConnectionError> {
        loop {
            match self.socket.recv(&mut self.frame, DONTWAIT) {
                Ok(()) => return Ok(true),
                Err(Error::EAGAIN) => return Ok(false),
                Err(Error::EINTR) => {}
                Err(source) => return Err(self.target.broken(source)),
            }
        }
    }

    fn no_registry(&self, reason: &'static str) -> ConnectionError {
        ConnectionError::NotARegistry { endpoint: self.target.endpoint.to_string(), reason }
    }
}

/// None for a success; else the reply, or why it is none. Only what does not look like a success
/// at once is read as JSON, which would cost more than the registry's own work.
fn refusal(body: &[u8]) -> Result<Option<Value>, &'static str> {
    if body.ends_with(b"}") && SUCCESSES.iter().any(|success| body.starts_with(success)) {
        return Ok(None);
    }
    let reply: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "its answer is not a JSON object")?;
    match reply.get("success") {
        Some(Value::Bool(true)) => Ok(None),
        Some(Value::Bool(false)) => Ok(Some(reply.into())),
        _ => Err("its answer does not say whether it succeeded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_known_however_it_is_written() {
        for body in [
            r#"{"success":true}"#,
            r#"{"success": true}"#,
            r#"{"success":true,"service":{"id":"a"}}"#,
            r#"{"success": true, "service": {"id": "a"}}"#,
            r#"{ "service" : null , "success" : true }"#,
        ] {
            assert_eq!(refusal(body.as_bytes()), Ok(None), "{body}");
        }
    }

    #[test]
    fn a_refusal_is_none_of_success_and_comes_back_whole() {
        for body in [
            r#"{"success":false,"error":"e"}"#,
            r#"{"success": false, "error": "e"}"#,
            r#"{"error":"\"success\":true,","success":false}"#,
        ] {
            let reply: Value = serde_json::from_str(body).unwrap();
            assert_eq!(refusal(body.as_bytes()), Ok(Some(reply)), "{body}");
        }
    }

    #[test]
    fn what_is_no_reply_is_neither() {
        for body in [
            "",
            "x",
            "[]",
            "{}",
            r#"{"success":1}"#,
            r#"{"success":"true"}"#,
            r#"{"success":trueish}"#,
            r#"{"success":true,"service":{"id":"a"#,
        ] {
            assert!(refusal(body.as_bytes()).is_err(), "{body}");
        }
    }
}
