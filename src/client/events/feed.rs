//! The events of one registry after another: of the first that is there, and when its connection is
//! lost, of the next.

use std::time::{Duration, Instant};

use crate::client::endpoints::Endpoint;
use crate::client::error::ClientError;
use crate::client::failover::share;
use crate::client::registries::Place;
use crate::client::settings::ClientSettings;
use crate::client::thread::Stop;

use super::socket::{EventSocket, Heard};

/// See the module's page. With one registry, it waits for that to be back.
pub(super) struct Feed {
    settings: ClientSettings,
    place: Place,
    socket: EventSocket,
    /// The socket before, for as long as it has events that came while it was connected.
    before: Option<EventSocket>,
    /// When to turn to the next registry, unless this one is there by then. None while it is.
    next_turn: Option<Instant>,
    /// No earlier than this, lest registries that let nobody in are tried without a pause.
    next_turn_min: Instant,
}

impl Feed {
    /// Connects to the first registry that is there within the time of a request. The word to
    /// `stop` ends the waiting as if the time were over.
    pub(super) fn connect(settings: ClientSettings, stop: &Stop) -> Result<Self, ClientError> {
        let (started, timeout) = (Instant::now(), settings.request_timeout);
        let places = settings.registries.order();
        let mut silent = Vec::new();
        for (tried, place) in places.iter().copied().enumerate() {
            let socket = EventSocket::connect(&settings, place)?;
            let remaining = timeout.saturating_sub(started.elapsed());
            if socket.wait_until_connected(stop, share(remaining, places.len() - tried))? {
                let (next_turn, next_turn_min) = (None, Instant::now());
                return Ok(Self {
                    settings,
                    place,
                    socket,
                    before: None,
                    next_turn,
                    next_turn_min,
                });
            }
            silent.push(socket.endpoint().to_string());
            if !stop.is_told() {
                settings.registries.failed(place);
            }
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
            Heard::Connected => self.next_turn = None,
            Heard::Disconnected if self.settings.registries.count() > 1 => {
                self.next_turn.get_or_insert(self.next_turn_min);
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
        let registries = &self.settings.registries;
        registries.failed(self.place);
        self.place = registries.first();
        let socket = EventSocket::connect(&self.settings, self.place)?;
        log::info!("events from {} from now on, if it is there", socket.endpoint());
        self.before = Some(std::mem::replace(&mut self.socket, socket));
        // At other times than all the others who look for a registry.
        let patience = self.settings.request_timeout.mul_f64(1.0 + fastrand::f64());
        self.next_turn_min = Instant::now() + patience;
        self.next_turn = Some(self.next_turn_min);
        Ok(())
    }
}
