//! The thread that keeps a watch.
//!
//! *Owns* the event socket of a registry and a connection for requests to it, and those of the
//! next registry in their place when the one they lead to does not answer. *Receives* events and
//! answers. *Sends* what they change to the owner of the watch. *Ends* when it is told to stop, or
//! when ZeroMQ fails it, which it logs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::client::events::{Event, EventSocket, Heard};
use crate::client::failover::share;
use crate::client::operation::{self, Operation};
use crate::client::registries::Place;
use crate::client::service::{ServiceList, is_in_contact};
use crate::client::settings::ClientSettings;
use crate::client::thread::Stop;

use super::follower::{Ask, Next};
use super::{Shared, WatchMode, WatchTrouble};

/// How long a watch stays with a registry that is cut off from its storage, where all the others
/// were, too.
const CUT_OFF_PAUSE: Duration = Duration::from_secs(10);

/// How many events are taken before the time is looked at again.
const EVENTS_PER_TURN: usize = 1_000;

/// Follows a registry for a watch: its thread, ready to run.
pub(super) struct Keeper {
    settings: ClientSettings,
    registry: Followed,
    shared: Arc<Shared>,
    /// Where nobody answered since somebody did, or one that is cut off from its storage.
    silent: Vec<String>,
    /// Whether the registry said that it is cut off from its storage, so that no events come.
    is_cut_off: bool,
    /// When the next one is tried, if so.
    next_leave: Instant,
    /// Whether the registry is another one than before, and has not answered yet.
    is_new: bool,
    /// Whether it was said that the registry does not number its events.
    has_warned: bool,
}

/// A registry, and the ways to it. Its events and its answers are compared with each other, so
/// they must not be those of two.
struct Followed {
    place: Place,
    events: EventSocket,
    connection: Connection,
}

/// What a watch does where its registry is silent from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client) enum WhenSilent {
    /// It is an error.
    Fail,
    /// It waits for the registry.
    Wait,
}

impl Followed {
    /// The registry that is asked first.
    fn first(settings: &ClientSettings) -> Result<Self, ClientError> {
        let place = settings.registries.first();
        let events = EventSocket::connect(settings, place)?;
        Ok(Self { place, events, connection: Connection::for_requests(settings, place) })
    }
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
        let registry = Followed::first(&settings)?;
        let mut keeper = Self {
            settings,
            registry,
            shared,
            silent: Vec::new(),
            is_cut_off: false,
            next_leave: Instant::now(),
            is_new: false,
            has_warned: false,
        };
        if !keeper.registry.events.wait_until_connected(stop, keeper.first_timeout())? {
            // The checks make up for it, and for a subscription that is slower than the list.
            log::warn!("no events yet from {}", keeper.registry.events.endpoint());
        }
        while !keeper.has_begun() {
            match keeper.turn(stop)? {
                // Whoever would hear of it has gone.
                _ if stop.is_requested() => return Err(ClientError::Closed),
                Some(error) if !error.is_unreachable() => return Err(error),
                Some(error) if when_silent == WhenSilent::Fail && keeper.has_asked_all() => {
                    return Err(keeper.unreachable(error));
                }
                _ => {}
            }
        }
        Ok(keeper)
    }

    /// Runs the thread.
    pub(super) fn run(mut self, stop: &Stop) {
        let _ended = Ended(Arc::clone(&self.shared));
        while !stop.is_requested() {
            if let Err(error) = self.turn(stop) {
                log::error!("the watch of {} ends: {error}", self.registry.connection.endpoint());
                return;
            }
        }
    }

    fn has_begun(&self) -> bool {
        self.shared.lock().follower.has_begun()
    }

    /// Whether all registries were silent in turn.
    fn has_asked_all(&self) -> bool {
        self.silent.len() >= self.settings.registries.count()
    }

    /// What is told where all registries were silent, the last one with this `error`.
    fn unreachable(&self, error: ClientError) -> ClientError {
        match &self.silent[..] {
            [_] => error,
            silent => ClientError::unreachable(silent, self.settings.request_timeout),
        }
    }

    /// How long a registry may take to show that it is there, when a watch is started: who does
    /// that wants to know soon.
    fn first_timeout(&self) -> Duration {
        share(self.settings.request_timeout, self.settings.registries.count())
    }

    /// Takes the events that have come; then asks, or waits. Returns why there is no answer to
    /// what was asked, and fails where it cannot go on.
    fn turn(&mut self, stop: &Stop) -> Result<Option<ClientError>, ClientError> {
        for _ in 0..EVENTS_PER_TURN {
            match self.registry.events.take()? {
                Heard::Event(frames) => self.on_event(&frames),
                Heard::Connected => self.shared.lock().follower.check_now(Instant::now()),
                Heard::Disconnected => self.on_disconnected(),
                Heard::Nothing => break,
            }
        }
        let now = Instant::now();
        let next = self.shared.lock().follower.next(now);
        let ask = match next {
            Next::Ask(ask) => ask,
            Next::WaitUntil(until) => {
                self.registry.events.wait(stop, until.saturating_duration_since(now))?;
                return Ok(None);
            }
        };
        self.is_cut_off = false;
        let silence = self.ask(ask, stop).err();
        self.tell_trouble(silence.as_ref());
        match &silence {
            // What it knows, however old, is better than nothing.
            None if self.is_cut_off && !self.has_begun() => {}
            None if self.is_cut_off => self.leave_if_there_is_another()?,
            None => self.silent.clear(),
            Some(error) => {
                log::debug!("the watch waits for its registry: {error}");
                self.shared.lock().follower.on_silence(ask, now, Instant::now());
                if !stop.is_requested() {
                    self.turn_to_the_next()?;
                }
            }
        }
        Ok(silence)
    }

    /// The registry did not answer, or not as registries do. The next one is asked at once, unless
    /// each has had its turn: then after the pause that a silent registry is given.
    fn turn_to_the_next(&mut self) -> Result<(), ClientError> {
        if self.has_asked_all() {
            self.silent.clear();
        }
        self.silent.push(self.registry.connection.endpoint().to_owned());
        let registries = &self.settings.registries;
        if registries.count() == 1 {
            return Ok(());
        }
        registries.failed(self.registry.place);
        self.registry = Followed::first(&self.settings)?;
        self.is_new = true;
        let mut state = self.shared.lock();
        state.registry = self.registry.place;
        state.follower.on_move();
        if self.silent.len() < registries.count() {
            state.follower.check_now(Instant::now());
        }
        Ok(())
    }

    /// The registry answers, but has nothing new to tell. Where none of the others was better, the
    /// watch stays with it for a while.
    fn leave_if_there_is_another(&mut self) -> Result<(), ClientError> {
        let now = Instant::now();
        if self.settings.registries.count() == 1 || now < self.next_leave {
            return Ok(());
        }
        if self.has_asked_all() {
            self.silent.clear();
            self.next_leave = now + CUT_OFF_PAUSE;
            return Ok(());
        }
        self.turn_to_the_next()
    }

    /// Lets the owner know why a registry that is there does not do what it is asked, and says in
    /// the log what is new.
    fn tell_trouble(&mut self, silence: Option<&ClientError>) {
        let endpoint = self.registry.connection.endpoint();
        if silence.is_none() && std::mem::take(&mut self.is_new) {
            log::info!("watching {endpoint} from now on");
        }
        let trouble = silence.and_then(WatchTrouble::of);
        let before = std::mem::replace(&mut self.shared.lock().trouble, trouble.clone());
        if let Some(trouble) = trouble.filter(|trouble| before.as_ref() != Some(trouble)) {
            log::warn!("the watch of {endpoint} is not told what is true: {trouble}");
        }
    }

    fn on_disconnected(&self) {
        log::info!("no events from {}", self.registry.events.endpoint());
        // With another to go to, whether this one is still there is worth a question.
        if self.settings.registries.count() > 1 {
            self.shared.lock().follower.check_now(Instant::now());
        }
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
            Err(mistake) => {
                log::warn!("an event from {}: {mistake}", self.registry.events.endpoint())
            }
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
                let timeout = match (self.has_begun(), self.settings.registries.count()) {
                    (false, _) => self.first_timeout(),
                    (true, 1) => self.settings.health_timeout,
                    // The next one is there already.
                    (true, _) => self.settings.request_timeout,
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
        let connection = &mut self.registry.connection;
        let reply = connection.request_within(timeout, Some(stop), &operation.request)?;
        self.is_cut_off = !is_in_contact(&reply);
        operation.answer(reply, connection.endpoint())
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
                self.registry.connection.endpoint(),
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
