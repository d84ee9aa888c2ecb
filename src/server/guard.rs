//! The guard thread.
//!
//! *Owns* a socket to the kernel, which knows the server's connections. *Receives* word that
//! somebody has come in, or that others may from now on. *Sends* nothing; it closes connections:
//! those whose peers fill the memory, and those of hosts that may not connect any more. *Ends* when
//! its stop channel is closed.
//!
//! While nobody is connected it sleeps, unless keys are asked for: then ZeroMQ keeps what strangers
//! say before anybody hears of them. Otherwise it looks at the memory, and more often where there
//! is less of it.

use std::collections::HashMap;
use std::time::Duration;

use crossbeam_channel::{Receiver, after, never, select};
use nix::errno::Errno;

use crate::access::{PeerReport, RefusedPeers};
use crate::clock::{Clock, ListeningTime};
use crate::limits::{Limit, Limits};
use crate::protocol::reply::Ports;

use super::doors::{AccessChange, Doors};
use super::handed_over::HandedOver;
use super::memory::{Measure, ProcessMemory};
use super::sock_diag::{Inode, SockDiag, TcpConnection};
use super::statistics::Statistics;
use super::thread::Failure;
use super::vitals::Pulse;

mod own_sockets;
mod suspects;

use own_sockets::{OwnSockets, inode};
use suspects::{Need, Reading, Suspects};

/// How many bytes a millisecond peers can fill the memory with, at the most: a gigabyte a second.
const BYTES_PER_MILLISECOND: u64 = 1 << 20;

/// How long it waits between two looks, at the least and at the most.
const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_millis(200);

/// By how much the memory must have grown until the kernel is asked again, or how much time passed:
/// with thousands of connections its answer takes milliseconds.
const GROWTH: u64 = 1 << 20;
const ASK_AFTER: Duration = Duration::from_millis(250);

/// After how many looks that found enough memory it sees whether anybody is connected at all.
const LOOKS_UNTIL_COUNTED: u32 = 64;

/// How many messages of the largest size a sender may have on their way before it is suspected: a
/// client may have several.
const MESSAGES_UNHEARD_MAX: u64 = 8;

/// How long the log says nothing of failed looks after it told of one.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Ends connections that must not stay: the guard thread, ready to run.
pub(super) struct Guard {
    pub(super) ports: Ports,
    pub(super) doors: Doors,
    pub(super) handed_over: HandedOver,
    pub(super) limits: Limits,
    pub(super) memory: ProcessMemory,
    /// None, where the system does not list its connections.
    pub(super) view: Option<View>,
    pub(super) statistics: Statistics,
    pub(super) clock: Clock,
    pub(super) pulse: Pulse,
    /// Nobody sends here; it is closed when the server stops.
    pub(super) stop: Receiver<()>,
}

/// By what the guard sees the connections, and ends them.
pub(super) struct View {
    kernel: SockDiag,
    sockets: OwnSockets,
}

/// The guard at work, with what it has seen.
struct Patrol {
    guard: Guard,
    view: View,
    suspects: Suspects,
    closed: RefusedPeers,
    /// What changed in the rules since connections were last closed for it.
    change: AccessChange,
    /// When the log last told of a failed look.
    warned: Option<ListeningTime>,
    /// How many looks found enough memory, one after the other.
    calm_looks: u32,
    last_asked: Option<Inquiry>,
}

/// When the kernel was asked, and how much memory was used then.
struct Inquiry {
    at: ListeningTime,
    used: u64,
}

impl View {
    /// Opens what it takes, and tells where it cannot. To be called before clients can have taken
    /// all descriptors.
    pub(super) fn open() -> Option<Self> {
        match (SockDiag::open(), OwnSockets::open()) {
            (Ok(kernel), Ok(sockets)) => Some(Self { kernel, sockets }),
            (Err(error), _) | (_, Err(error)) => {
                log::warn!(
                    "cannot see who fills the memory: the system does not list its connections: \
                     {error}"
                );
                None
            }
        }
    }
}

impl Guard {
    /// Runs the thread.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        self.warn_if_full();
        let Some(view) = self.view.take() else { return self.stand_by() };
        let message_bytes = self.limits.get(Limit::MessageBytes);
        let mut patrol = Patrol {
            guard: self,
            view,
            suspects: Suspects::new(message_bytes.saturating_mul(MESSAGES_UNHEARD_MAX)),
            closed: RefusedPeers::default(),
            change: AccessChange::default(),
            warned: None,
            calm_looks: 0,
            last_asked: None,
        };
        patrol.run();
        patrol.guard.handed_over.want(false);
        log_closed(patrol.closed.rest().as_ref());
        Ok(())
    }

    /// Says so where the services that were loaded leave no memory for clients.
    fn warn_if_full(&self) {
        let limit = self.limits.get(Limit::MemoryBytes);
        if let Some(used) = self.memory.measure().filter(|&used| used >= limit) {
            log::warn!(
                "the services alone take {used} bytes of memory, more than `memory_bytes` \
                 ({limit}): clients will be disconnected for want of it; raise it"
            );
        }
    }

    /// Without the kernel's word nobody can be suspected; everything else goes on.
    fn stand_by(self) -> Result<(), Failure> {
        let news = self.doors.news();
        loop {
            select! {
                recv(self.stop) -> _ => return Ok(()),
                recv(news) -> _ => Self::tell_who_stays(self.doors.take_change()),
                recv(self.pulse.woken()) -> _ => {}
            }
            self.pulse.beat();
        }
    }

    fn tell_who_stays(change: AccessChange) {
        if change != AccessChange::default() {
            log::warn!(
                "subscriptions of those who may not connect any more go on: the system does not \
                 list its connections; restart the registry to end them"
            );
        }
    }

    /// Whether there may be connections of which the gatekeeper has not heard.
    fn has_strangers(&self) -> bool {
        self.doors.ask_for_keys()
    }
}

impl Patrol {
    /// Until the server stops.
    fn run(&mut self) {
        let (news, sleep) = (self.guard.doors.news(), never());
        let mut wait = self.guard.has_strangers().then_some(WAIT_MIN);
        loop {
            // While it looks again and again, news can wait.
            let (alarm, news) = match wait {
                Some(wait) => (after(wait), &sleep),
                None => (never(), &news),
            };
            select! {
                recv(self.guard.stop) -> _ => return,
                recv(alarm) -> _ => {}
                recv(news) -> _ => self.calm_looks = 0,
                recv(self.guard.pulse.woken()) -> _ => {}
            }
            let now = self.guard.clock.now().listening;
            log_closed(self.closed.report(now).as_ref());
            wait = match self.look(now) {
                Ok(wait) => wait,
                Err(error) => {
                    self.warn(error, now);
                    Some(WAIT_MAX)
                }
            };
            self.guard.pulse.beat();
        }
    }

    /// Tells of a failed look. The next one may succeed.
    fn warn(&mut self, error: Errno, now: ListeningTime) {
        if self.warned.is_none_or(|warned| now.since(warned) >= WARNING_INTERVAL) {
            self.warned = Some(now);
            log::warn!("cannot look at the connections, and tries again: {error}");
        }
    }

    /// Looks once; how long until the next look, if not until there is news.
    fn look(&mut self, now: ListeningTime) -> Result<Option<Duration>, Errno> {
        self.change.add(self.guard.doors.take_change());
        self.send_away()?;
        let used = self.guard.memory.measure().unwrap_or_default();
        let limit = self.guard.limits.get(Limit::MemoryBytes);
        // From three quarters on: who is to blame must be known when there is no more.
        if used < limit / 4 * 3 {
            return self.rest(limit - used);
        }
        self.calm_looks = 0;
        if self.is_due(used, now) && !self.suspect(need(used, limit), now)? {
            return Ok(None);
        }
        Ok(Some(wait(limit.saturating_sub(used))))
    }

    /// Does what is to be done while there is enough memory.
    fn rest(&mut self, free: u64) -> Result<Option<Duration>, Errno> {
        if self.calm_looks == 0 {
            self.last_asked = None;
            self.guard.handed_over.want(false);
            self.guard.handed_over.take();
            self.suspects.clear();
        }
        self.calm_looks += 1;
        if self.calm_looks.is_multiple_of(LOOKS_UNTIL_COUNTED) && self.is_alone()? {
            return Ok(None);
        }
        Ok(Some(wait(free)))
    }

    /// Whether it is time to ask the kernel, where so much memory is used.
    fn is_due(&mut self, used: u64, now: ListeningTime) -> bool {
        if let Some(last) = &mut self.last_asked
            && used < last.used.saturating_add(GROWTH)
            && now.since(last.at) < ASK_AFTER
        {
            last.used = last.used.min(used);
            return false;
        }
        self.last_asked = Some(Inquiry { at: now, used });
        true
    }

    /// Closes connections of those who fill the memory, if it is needed; false where nobody can.
    fn suspect(&mut self, need: Need, now: ListeningTime) -> Result<bool, Errno> {
        self.guard.handed_over.want(true);
        // First what was taken, then what was read: what is read in between is taken the next time.
        let handed_over: HashMap<Inode, u64> = self
            .guard
            .handed_over
            .take()
            .into_iter()
            .filter_map(|(descriptor, bytes)| Some((inode(descriptor)?, bytes)))
            .collect();
        let mut connections = self.connections()?;
        let is_alone = connections.is_empty() && !self.guard.has_strangers();
        let readings: Vec<Reading> = connections
            .iter()
            .map(|&connection| {
                let handed_over = handed_over.get(&connection.inode).copied().unwrap_or_default();
                Reading { connection, handed_over }
            })
            .collect();
        let to_close = self.suspects.look(&readings, need, now);
        connections.retain(|connection| to_close.contains(&connection.inode));
        for connection in self.view.sockets.end(&connections)? {
            self.closed.note(Some(connection.peer));
            self.guard.statistics.count_closed();
        }
        Ok(!is_alone)
    }

    /// Closes connections of those who may not connect any more. Whose key made a connection the
    /// kernel does not know. Requests are judged by it one by one; subscriptions all end, and are
    /// made again by those who may.
    fn send_away(&mut self) -> Result<(), Errno> {
        let change = self.change;
        if change == AccessChange::default() {
            return Ok(());
        }
        let mut connections = self.connections()?;
        let Guard { doors, ports, .. } = &self.guard;
        connections.retain(|connection| {
            (change.networks && doors.admit(Some(connection.peer)).is_err())
                || (change.keys && connection.local_port == ports.events)
        });
        self.view.sockets.end(&connections)?;
        self.change = AccessChange::default();
        Ok(())
    }

    /// Whether nobody is connected, nor can be without the guard's knowledge.
    fn is_alone(&self) -> Result<bool, Errno> {
        if self.guard.has_strangers() {
            return Ok(false);
        }
        match SockDiag::finds_any(self.ports()) {
            // Where no descriptor is left, connections have taken them.
            Err(Errno::EMFILE | Errno::ENFILE) => Ok(false),
            found => Ok(!found?),
        }
    }

    fn connections(&mut self) -> Result<Vec<TcpConnection>, Errno> {
        self.view.kernel.connections(self.ports())
    }

    const fn ports(&self) -> [u16; 3] {
        self.guard.ports.all()
    }
}

fn need(used: u64, limit: u64) -> Need {
    // An eighth above the limit there is no time for doubts.
    if used >= limit.saturating_add(limit / 8) {
        Need::Exhausted(used - limit)
    } else if used >= limit {
        Need::Short
    } else {
        Need::None
    }
}

/// As long as it takes to fill half of what is free.
fn wait(free: u64) -> Duration {
    Duration::from_millis(free / 2 / BYTES_PER_MILLISECOND).clamp(WAIT_MIN, WAIT_MAX)
}

fn log_closed(closed: Option<&PeerReport>) {
    if let Some(closed) = closed {
        log::warn!(
            "closed {closed}: they filled the memory with what never ended, or was never read"
        );
    }
}
