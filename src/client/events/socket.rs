//! The SUB socket, and the monitor that tells whether it is connected.
//!
//! It is subscribed to everything, whatever its owner wants to see: the numbers of the events
//! tell a gap only to one who sees them all.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use uuid::Uuid;
use zmq::{DONTWAIT, PollItem, SocketEvent};

use crate::client::curve_keys::CurveKeys;
use crate::client::endpoints::Endpoint;
use crate::client::error::ClientError;
use crate::client::registries::Place;
use crate::client::settings::ClientSettings;
use crate::client::socket;
use crate::client::thread::{Stop, whole_milliseconds};

/// How many events may wait in the socket. More are dropped, and their numbers show it.
const EVENTS_WAITING_MAX: i32 = 10_000;

/// How often a silent connection is tested, and for how long it may not react, in milliseconds.
/// Without it a subscriber would wait for ever on a connection that only a firewall knows to be
/// gone.
const PING_INTERVAL: i32 = 2_000;
const PING_TIMEOUT: i32 = 6_000;

/// A subscription to one registry, which knows whether it is connected.
pub(in crate::client) struct EventSocket {
    events: zmq::Socket,
    monitor: zmq::Socket,
    endpoint: Endpoint,
}

/// What there is to hear.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::client) enum Heard {
    /// The frames of an event.
    Event(Vec<Vec<u8>>),
    /// The connection is up, and the subscription on its way.
    Connected,
    /// The connection is lost. ZeroMQ tries to get it back.
    Disconnected,
    /// Nothing.
    Nothing,
}

impl EventSocket {
    /// Subscribes to the events of the registry at `place`. Nothing is heard before the connection
    /// is up.
    pub(in crate::client) fn connect(
        settings: &ClientSettings,
        place: Place,
    ) -> Result<Self, ClientError> {
        let endpoint = &settings.registries.at(place).events;
        Self::open(endpoint, settings.keys.as_ref()).map_err(|source| broken(endpoint, source))
    }

    fn open(endpoint: &Endpoint, keys: Option<&CurveKeys>) -> zmq::Result<Self> {
        let events = socket::open(zmq::SUB, endpoint, keys)?;
        events.set_rcvhwm(EVENTS_WAITING_MAX)?;
        events.set_heartbeat_ivl(PING_INTERVAL)?;
        events.set_heartbeat_timeout(PING_TIMEOUT)?;
        events.set_subscribe(b"")?;
        let wanted = [SocketEvent::HANDSHAKE_SUCCEEDED, SocketEvent::DISCONNECTED];
        let mask = wanted.into_iter().fold(0, |mask, event| mask | i32::from(event.to_raw()));
        let name = monitor_name();
        events.monitor(&name, mask)?;
        let monitor = socket::context(endpoint).socket(zmq::PAIR)?;
        monitor.set_linger(0)?;
        monitor.connect(&name)?;
        events.connect(endpoint.as_str())?;
        Ok(Self { events, monitor, endpoint: endpoint.clone() })
    }

    /// Where the events come from.
    pub(in crate::client) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Waits until the connection is up, at most for `timeout`, and tells whether it is. The word
    /// to stop ends the waiting as if the time were over.
    pub(in crate::client) fn wait_until_connected(
        &self,
        stop: &Stop,
        timeout: Duration,
    ) -> Result<bool, ClientError> {
        let started = Instant::now();
        loop {
            if self.take_news()? == Heard::Connected {
                return Ok(true);
            }
            let remaining = timeout.saturating_sub(started.elapsed());
            if remaining.is_zero() || stop.is_requested() {
                return Ok(false);
            }
            let mut items = [
                PollItem::from_fd(stop.as_raw_fd(), zmq::POLLIN),
                self.monitor.as_poll_item(zmq::POLLIN),
            ];
            self.poll(&mut items, remaining)?;
        }
    }

    /// Takes what has come, if anything has: news of the connection before events.
    pub(in crate::client) fn take(&self) -> Result<Heard, ClientError> {
        match self.take_news()? {
            Heard::Nothing => self.take_event(),
            news => Ok(news),
        }
    }

    /// Takes an event that has come, if any has, whatever became of the connection since.
    pub(in crate::client) fn take_event(&self) -> Result<Heard, ClientError> {
        Ok(self.receive(&self.events)?.map_or(Heard::Nothing, Heard::Event))
    }

    /// Waits until there is something to take, or to stop for, at most for `timeout`.
    pub(in crate::client) fn wait(
        &self,
        stop: &Stop,
        timeout: Duration,
    ) -> Result<(), ClientError> {
        let mut items = [
            PollItem::from_fd(stop.as_raw_fd(), zmq::POLLIN),
            self.monitor.as_poll_item(zmq::POLLIN),
            self.events.as_poll_item(zmq::POLLIN),
        ];
        self.poll(&mut items, timeout)
    }

    fn take_news(&self) -> Result<Heard, ClientError> {
        while let Some(frames) = self.receive(&self.monitor)? {
            let event = frames.first().and_then(|frame| frame.first_chunk::<2>());
            let event = event.map(|bytes| u16::from_ne_bytes(*bytes));
            if event == Some(SocketEvent::HANDSHAKE_SUCCEEDED.to_raw()) {
                return Ok(Heard::Connected);
            }
            if event == Some(SocketEvent::DISCONNECTED.to_raw()) {
                return Ok(Heard::Disconnected);
            }
        }
        Ok(Heard::Nothing)
    }

    /// Takes the next message that has arrived, if any.
    fn receive(&self, socket: &zmq::Socket) -> Result<Option<Vec<Vec<u8>>>, ClientError> {
        loop {
            match socket.recv_multipart(DONTWAIT) {
                Ok(frames) => return Ok(Some(frames)),
                Err(zmq::Error::EAGAIN) => return Ok(None),
                Err(zmq::Error::EINTR) => {}
                Err(source) => return Err(broken(&self.endpoint, source)),
            }
        }
    }

    /// Polls once; a signal ends the wait as well.
    fn poll(&self, items: &mut [PollItem<'_>], timeout: Duration) -> Result<(), ClientError> {
        match zmq::poll(items, whole_milliseconds(timeout)) {
            Ok(_) | Err(zmq::Error::EINTR) => Ok(()),
            Err(source) => Err(broken(&self.endpoint, source)),
        }
    }
}

impl Drop for EventSocket {
    fn drop(&mut self) {
        // Before the monitor closes: ZeroMQ's own thread, which serves all sockets, would wait for
        // ever for a monitor that is gone. There is no other way to end one than to begin another,
        // which is told nothing. The old one is ended also where that fails.
        let _ = self.events.monitor(&monitor_name(), 0);
    }
}

fn monitor_name() -> String {
    format!("inproc://events-{}", Uuid::new_v4())
}

fn broken(endpoint: &Endpoint, source: zmq::Error) -> ClientError {
    ClientError::Socket { endpoint: endpoint.to_string(), source }
}
