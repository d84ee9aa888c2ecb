//! The events of one registry after another: of the first that is there, and when its connection is
//! lost and does not come back, of the next.
//!
//! That a connection for events is lost does not mean that the registry is gone: it may have closed
//! it, or a firewall lets nobody in. So the others who use the same registries are told nothing.

use std::time::{Duration, Instant};

use crate::client::endpoints::Endpoint;
use crate::client::error::ClientError;
use crate::client::failover::share;
use crate::client::registries::Place;
use crate::client::settings::ClientSettings;
use crate::client::thread::Stop;

use super::socket::{EventSocket, Heard};

/// Where the events of one registry at a time come from. With one registry, it waits for that to be
/// back.
pub(super) struct Feed {
    settings: ClientSettings,
    place: Place,
    socket: EventSocket,
    /// The socket before, for as long as it has events that came while it was connected.
    before: Option<EventSocket>,
    /// When to turn to the next registry, unless this one is there by then. None while it is.
    next_turn: Option<Instant>,
    /// Whether the registry is another than the one whose connection was up last.
    is_new: bool,
}

impl Feed {
    /// Connects to the first registry that is there within the time of a request. A
    /// request to `stop` ends the waiting as if the time were over.
    pub(super) fn connect(settings: ClientSettings, stop: &Stop) -> Result<Self, ClientError> {
        let (started, timeout) = (Instant::now(), settings.request_timeout);
        let places = settings.registries.order();
        let mut silent = Vec::new();
        for (tried, place) in places.iter().copied().enumerate() {
            let socket = EventSocket::connect(&settings, place)?;
            let remaining = timeout.saturating_sub(started.elapsed());
            if socket.wait_until_connected(stop, share(remaining, places.len() - tried))? {
                let (before, next_turn, is_new) = (None, None, false);
                return Ok(Self { settings, place, socket, before, next_turn, is_new });
            }
            silent.push(socket.endpoint().to_string());
        }
        Err(ClientError::unreachable(&silent, timeout))
    }

    /// Where the events come from.
    pub(super) const fn endpoint(&self) -> &Endpoint {
        self.socket.endpoint()
    }

    /// Takes what has come, if anything has.
    pub(super) fn take(&mut self) -> Result<Heard, ClientError> {
        if let Some(before) = &self.before {
            match before.take_event()? {
                Heard::Nothing => self.before = None,
                event => return Ok(event),
            }
        }
        let heard = self.socket.take()?;
        match heard {
            Heard::Connected => {
                self.next_turn = None;
                if std::mem::take(&mut self.is_new) {
                    log::info!("events come from {} from now on", self.socket.endpoint());
                }
            }
            Heard::Disconnected if self.settings.registries.count() > 1 => {
                let due = self.patience_ends();
                self.next_turn.get_or_insert(due);
            }
            _ => {}
        }
        if self.next_turn.is_some_and(|due| due <= Instant::now()) {
            self.turn_to_the_next()?;
        }
        Ok(heard)
    }

    /// Waits until there is something to take, or to stop for, at most for `timeout`.
    pub(super) fn wait(&self, stop: &Stop, timeout: Duration) -> Result<(), ClientError> {
        if self.before.is_some() {
            return Ok(());
        }
        let until_turn = self.next_turn.map(|due| due.saturating_duration_since(Instant::now()));
        self.socket.wait(stop, until_turn.map_or(timeout, |until_turn| timeout.min(until_turn)))
    }

    fn turn_to_the_next(&mut self) -> Result<(), ClientError> {
        self.place = self.settings.registries.after(self.place);
        let socket = EventSocket::connect(&self.settings, self.place)?;
        self.before = Some(std::mem::replace(&mut self.socket, socket));
        self.next_turn = Some(self.patience_ends());
        self.is_new = true;
        Ok(())
    }

    /// Until when a registry is waited for, at other times than all the others who look for one.
    fn patience_ends(&self) -> Instant {
        Instant::now() + self.settings.request_timeout.mul_f64(1.0 + fastrand::f64())
    }
}
