//! The thread that keeps a watch.
//!
//! *Owns* the event socket and a connection for requests. *Receives* events and answers. *Sends*
//! what they change to the owner of the watch. *Ends* when it is told to stop, or when ZeroMQ
//! fails it, which it logs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::client::events::{Event, EventSocket, Heard};
use crate::client::operation::{self, Operation};
use crate::client::service::ServiceList;
use crate::client::settings::ClientSettings;
use crate::client::thread::Stop;

use super::follower::{Ask, Next};
use super::{Shared, WatchMode};

/// How many events are taken before the time is looked at again.
const EVENTS_PER_TURN: usize = 1_000;

/// See the module's page.
pub(super) struct Keeper {
    settings: ClientSettings,
    events: EventSocket,
    connection: Connection,
    shared: Arc<Shared>,
    /// Whether it was said that the registry does not number its events.
    has_warned: bool,
}

/// What a watch does where its registry is silent from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client) enum WhenSilent {
    /// It is an error.
    Fail,
    /// It waits for the registry.
    Wait,
}

impl Keeper {
    /// Subscribes and takes the first list. What is wrong with the registry, but that it is
    /// silent, is an error in any case.
    pub(super) fn start(
        settings: ClientSettings,
        shared: Arc<Shared>,
        when_silent: WhenSilent,
        stop: &Stop,
    ) -> Result<Self, ClientError> {
        let events = EventSocket::connect(&settings)?;
        if !events.wait_until_connected(stop, settings.request_timeout)? {
            // The checks make up for it, and for a subscription that is slower than the list.
            log::warn!("no events yet from {}", settings.endpoints.events);
        }
        let connection = Connection::for_requests(&settings);
        let mut keeper = Self { settings, events, connection, shared, has_warned: false };
        while !keeper.has_begun() {
            match keeper.turn(stop)? {
                // Whoever would hear of it has gone.
                _ if stop.is_told() => return Err(ClientError::Closed),
                Some(error) if when_silent == WhenSilent::Fail || !error.is_unreachable() => {
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(keeper)
    }

    /// Runs the thread.
    pub(super) fn run(mut self, stop: &Stop) {
        let _ended = Ended(Arc::clone(&self.shared));
        while !stop.is_told() {
            if let Err(error) = self.turn(stop) {
                log::error!("the watch of {} ends: {error}", self.connection.endpoint());
                return;
            }
        }
    }

    fn has_begun(&self) -> bool {
        self.shared.lock().follower.has_begun()
    }

    /// Takes the events that have come; then asks, or waits. Returns why there is no answer to
    /// what was asked, and fails where it cannot go on.
    fn turn(&mut self, stop: &Stop) -> Result<Option<ClientError>, ClientError> {
        for _ in 0..EVENTS_PER_TURN {
            match self.events.take()? {
                Heard::Event(frames) => self.on_event(&frames),
                Heard::Connected => self.shared.lock().follower.on_connected(Instant::now()),
                Heard::Disconnected => log::info!("no events from {}", self.events.endpoint()),
                Heard::Nothing => break,
            }
        }
        let now = Instant::now();
        let next = self.shared.lock().follower.next(now);
        let ask = match next {
            Next::Ask(ask) => ask,
            Next::WaitUntil(until) => {
                self.events.wait(stop, until.saturating_duration_since(now))?;
                return Ok(None);
            }
        };
        let silence = self.ask(ask, stop).err();
        if let Some(error) = &silence {
            log::debug!("the watch waits for its registry: {error}");
            self.shared.lock().follower.on_silence(ask, now, Instant::now());
        }
        Ok(silence)
    }

    fn on_event(&self, frames: &[Vec<u8>]) {
        match Event::from_frames(frames) {
            Ok(event) => {
                let mut state = self.shared.lock();
                if let Some(change) = state.follower.on_event(&event) {
                    state.backlog.push([change]);
                    drop(state);
                    self.shared.tell_news();
                }
            }
            // Where it had a number, the next one shows that it is missing.
            Err(mistake) => log::warn!("an event from {}: {mistake}", self.events.endpoint()),
        }
    }

    fn ask(&mut self, ask: Ask, stop: &Stop) -> Result<(), ClientError> {
        match ask {
            Ask::List => {
                let (operation, timeout) = {
                    let follower = &self.shared.lock().follower;
                    (operation::list(follower.picture().service_type()), follower.list_timeout())
                };
                let asked = Instant::now();
                let list = self.request(operation, timeout, stop)?;
                self.on_list(list, asked);
            }
            Ask::Health => {
                let timeout = if self.has_begun() {
                    self.settings.health_timeout
                } else {
                    // Who starts a watch wants to know soon.
                    self.settings.request_timeout
                };
                let report = self.request(operation::health(), timeout, stop)?;
                self.shared.lock().follower.on_health(report, Instant::now());
            }
        }
        Ok(())
    }

    fn request<T>(
        &mut self,
        operation: Operation<T>,
        timeout: Duration,
        stop: &Stop,
    ) -> Result<T, ClientError> {
        let reply = self.connection.request_within(timeout, Some(stop), &operation.request)?;
        operation.answer(reply, self.connection.endpoint())
    }

    fn on_list(&mut self, list: ServiceList, asked: Instant) {
        let mut state = self.shared.lock();
        let now = Instant::now();
        let changes = state.follower.on_list(list, now - asked, now);
        state.backlog.push(changes);
        let mode = state.mode();
        drop(state);
        self.shared.tell_news();
        if let (WatchMode::Lists { interval }, false) = (mode, self.has_warned) {
            log::warn!(
                "the registry at {} does not number its events; its list is taken every {} s, \
                 and what comes and goes in between is not seen",
                self.connection.endpoint(),
                interval.as_secs_f64()
            );
        }
        self.has_warned = mode != WatchMode::Events;
    }
}

/// Tells the owner of a watch that its thread has ended, however it ended.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.tell_news();
    }
}
