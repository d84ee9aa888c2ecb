//! The guard thread.
//!
//! *Owns* a socket to the kernel, which knows the server's connections. *Receives* word that
//! somebody has come in, or that others may from now on. *Sends* nothing; it closes connections:
//! those whose peers fill the memory, and those of hosts that may not connect any more. *Ends* when
//! its stop channel is closed.
//!
//! While nobody is connected it sleeps. Otherwise it looks at the memory, and more often where
//! there is less of it.

use std::collections::{HashMap, HashSet};
use std::os::fd::RawFd;
use std::time::Duration;
use std::{fs, io};

use crossbeam_channel::{Receiver, after, never, select};
use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};

use crate::access::{Refusals, RefusedPeers};
use crate::clock::{Clock, ListeningTime, Stopwatch};
use crate::limits::{Limit, Limits};
use crate::protocol::reply::Ports;

use super::doors::{Change, Doors};
use super::heard::Heard;
use super::memory::{Measure, ProcessMemory};
use super::sock_diag::{Inode, SockDiag, TcpConnection};
use super::statistics::Statistics;
use super::suspects::{Need, Reading, Suspects};
use super::thread::Failure;
use super::vitals::Pulse;

/// How many bytes a millisecond peers can fill the memory with, at the most: a gigabyte a second.
const BYTES_PER_MILLISECOND: u64 = 1 << 20;

/// How long it waits between two looks, at the least and at the most.
const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = Duration::from_millis(200);

/// A look must not take more than a fifth of the time.
const WAIT_PER_LOOK: u32 = 4;

/// By how much the memory must have grown until the kernel is asked again, or how much time passed:
/// with thousands of connections its answer takes milliseconds.
const GROWTH: u64 = 1 << 20;
const ASK_AFTER: Duration = Duration::from_millis(250);

/// After how many looks that found enough memory it sees whether anybody is connected at all.
const LOOKS_UNTIL_COUNTED: u32 = 64;

/// How often a message may be as large as it may be before its sender is suspected: a client that
/// has several under way shall not be.
const MESSAGES_UNHEARD_MAX: u64 = 8;

/// How much that was not read yet is thrown away in a step.
const DISCARDED_AT_ONCE: usize = 1 << 20;

/// See the module's page.
pub(super) struct Guard {
    pub(super) ports: Ports,
    pub(super) doors: Doors,
    pub(super) heard: Heard,
    pub(super) limits: Limits,
    pub(super) memory: ProcessMemory,
    pub(super) statistics: Statistics,
    pub(super) clock: Clock,
    pub(super) pulse: Pulse,
    /// Nobody sends here; it is closed when the server stops.
    pub(super) stop: Receiver<()>,
}

/// The guard at work, with what it has seen.
struct Watch {
    guard: Guard,
    kernel: SockDiag,
    suspects: Suspects,
    closed: RefusedPeers,
    /// How many looks found enough memory, one after the other.
    calm_looks: u32,
    last_asked: Option<Asked>,
}

/// When the kernel was asked, and how much memory was used then.
struct Asked {
    at: ListeningTime,
    used: u64,
}

impl Guard {
    /// Runs the thread.
    pub(super) fn run(self) -> Result<(), Failure> {
        let kernel = match SockDiag::open() {
            Ok(kernel) => kernel,
            Err(error) => return self.stand_by(error.into()),
        };
        let message_bytes = self.limits.get(Limit::MessageBytes);
        let suspects = Suspects::new(message_bytes.saturating_mul(MESSAGES_UNHEARD_MAX));
        let closed = RefusedPeers::default();
        let mut watch =
            Watch { guard: self, kernel, suspects, closed, calm_looks: 0, last_asked: None };
        let ended = watch.run();
        watch.guard.heard.want(false);
        log_closed(watch.closed.rest().as_ref());
        match ended {
            Ok(()) => Ok(()),
            Err(error) => watch.guard.stand_by(error),
        }
    }

    /// Without the kernel's word nobody can be suspected; everything else goes on.
    fn stand_by(self, error: io::Error) -> Result<(), Failure> {
        log::warn!(
            "cannot see who fills the memory: the system does not list its connections: {error}"
        );
        loop {
            select! {
                recv(self.stop) -> _ => return Ok(()),
                recv(self.pulse.woken()) -> _ => self.pulse.beat(),
            }
        }
    }
}

impl Watch {
    /// Until the server stops, or the kernel refuses to answer.
    fn run(&mut self) -> io::Result<()> {
        let (news, sleep) = (self.guard.doors.news(), never());
        let mut wait = None;
        loop {
            // While it looks again and again, news can wait.
            let (alarm, news) = match wait {
                Some(wait) => (after(wait), &sleep),
                None => (never(), &news),
            };
            select! {
                recv(self.guard.stop) -> _ => return Ok(()),
                recv(alarm) -> _ => {}
                recv(news) -> _ => self.calm_looks = 0,
                recv(self.guard.pulse.woken()) -> _ => {}
            }
            wait = self.look()?;
            self.guard.pulse.beat();
        }
    }

    /// Looks once; how long until the next look, if not until there is news.
    fn look(&mut self) -> io::Result<Option<Duration>> {
        let mut stopwatch = Stopwatch::start();
        let now = self.guard.clock.now().listening;
        self.send_away(self.guard.doors.take_change())?;
        let used = self.guard.memory.measure().unwrap_or_default();
        let limit = self.guard.limits.get(Limit::MemoryBytes);
        log_closed(self.closed.report(now).as_ref());
        // From three quarters on: who is to blame must be known when there is no more.
        if used < limit / 4 * 3 {
            return self.rest(limit - used);
        }
        self.calm_looks = 0;
        if self.is_due(used, now) && !self.suspect(need(used, limit), now)? {
            return Ok(None);
        }
        let wait = wait(limit.saturating_sub(used));
        Ok(Some(wait.max(stopwatch.lap() * WAIT_PER_LOOK)))
    }

    /// There is enough memory.
    fn rest(&mut self, free: u64) -> io::Result<Option<Duration>> {
        if self.calm_looks == 0 {
            self.last_asked = None;
            self.guard.heard.want(false);
            self.guard.heard.take();
            self.suspects.clear();
        }
        self.calm_looks += 1;
        if self.calm_looks.is_multiple_of(LOOKS_UNTIL_COUNTED) && self.connections()?.is_empty() {
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
        self.last_asked = Some(Asked { at: now, used });
        true
    }

    /// Closes connections of those who fill the memory, if it is needed; false where nobody is
    /// connected.
    fn suspect(&mut self, need: Need, now: ListeningTime) -> io::Result<bool> {
        self.guard.heard.want(true);
        // First what was taken, then what was read: what is read in between is taken the next time.
        let heard: HashMap<Inode, u64> = self
            .guard
            .heard
            .take()
            .into_iter()
            .filter_map(|(descriptor, bytes)| Some((inode(descriptor)?, bytes)))
            .collect();
        let readings: Vec<Reading> = self
            .connections()?
            .into_iter()
            .map(|connection| {
                let handed_over = heard.get(&connection.inode).copied().unwrap_or_default();
                Reading { connection, handed_over }
            })
            .collect();
        let to_close: HashSet<Inode> =
            self.suspects.look(&readings, need, now).into_iter().collect();
        let peers = readings.iter().map(|reading| reading.connection);
        let peers: Vec<_> = peers.filter(|one| to_close.contains(&one.inode)).collect();
        for connection in &peers {
            self.closed.note(Some(connection.peer));
            self.guard.statistics.count_closed();
        }
        close(&peers)?;
        Ok(!readings.is_empty())
    }

    /// Closes connections of those who may not connect any more. Whose key made a connection the
    /// kernel does not know. Requests are judged by it one by one; subscriptions all end, and are
    /// made again by those who may.
    fn send_away(&mut self, change: Change) -> io::Result<()> {
        if change == Change::default() {
            return Ok(());
        }
        let mut connections = self.connections()?;
        let Guard { doors, ports, .. } = &self.guard;
        connections.retain(|connection| {
            (change.networks && doors.admit(Some(connection.peer)).is_err())
                || (change.keys && connection.local_port == ports.events)
        });
        close(&connections)
    }

    fn connections(&mut self) -> io::Result<Vec<TcpConnection>> {
        let Ports { requests, events, heartbeats } = self.guard.ports;
        Ok(self.kernel.connections([requests, events, heartbeats])?)
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

/// Ends connections, as their peers would: ZeroMQ closes them, and frees what it kept.
fn close(connections: &[TcpConnection]) -> io::Result<()> {
    if connections.is_empty() {
        return Ok(());
    }
    let mut buffer = vec![0; DISCARDED_AT_ONCE];
    let inodes: HashSet<Inode> = connections.iter().map(|connection| connection.inode).collect();
    for entry in fs::read_dir("/proc/self/fd")? {
        let descriptor = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(descriptor) = descriptor
            && inode(descriptor).is_some_and(|inode| inodes.contains(&inode))
        {
            // One that has ended meanwhile need not be ended.
            let _ = shutdown(descriptor, Shutdown::Both);
            discard(descriptor, &mut buffer);
        }
    }
    Ok(())
}

/// Takes away what has arrived and was not read yet: ZeroMQ would read it first, and keep it.
fn discard(descriptor: RawFd, buffer: &mut [u8]) {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
    while recv(descriptor, buffer, flags).is_ok_and(|count| count > 0) {}
}

/// The socket behind a descriptor of this process, if there is one.
fn inode(descriptor: RawFd) -> Option<Inode> {
    let target = fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn log_closed(closed: Option<&Refusals>) {
    if let Some(closed) = closed {
        log::warn!(
            "closed {closed}: they filled the memory with what never ended, or was never read"
        );
    }
}
