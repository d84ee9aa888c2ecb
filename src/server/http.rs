//! The HTTP thread.
//!
//! *Owns* the HTTP listener and its connections. *Receives* HTTP requests, and from its mailbox
//! the word to stop. *Sends* what can be read from memory, and changes nothing. *Ends* when it
//! was told to stop; who is being answered then loses the rest.
//!
//! One thread serves all peers and waits for none of them, so that neither a slow nor a hostile
//! one costs the registry more than this thread: connections, heads and times are bounded.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::time::Duration;

use zmq::{POLLIN, POLLOUT, PollEvents, PollItem};

use crate::access::{PeerReport, RefusedPeers};
use crate::clock::{Clock, ListeningTime};
use crate::limits::{Limit, Limits};
use crate::mailbox::{Mailbox, Post};

use super::descriptors::WARNING_INTERVAL;
use super::doors::Doors;
use super::error::SocketError;
use super::messages::Stop;
use super::statistics::Statistics;
use super::thread::Failure;

mod cached;
mod connection;
mod exposition;
mod metrics;
mod names;
mod page;
mod pages;
mod request;
mod response;

pub(super) use pages::Pages;

use connection::{Connection, State};

/// How many connections are taken before those that are open are looked at again, so that a flood
/// of them leaves to each some time to say what it wants.
const ACCEPTS_PER_TURN: usize = 8;

/// How long no connection is taken after the operating system refused one, for want of
/// descriptors or memory: it would refuse the next one just as fast.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// Serves the page and the metrics: the HTTP thread, ready to run.
pub(super) struct Http {
    pub(super) listener: TcpListener,
    pub(super) mailbox: Mailbox<Stop>,
    pub(super) doors: Doors,
    pub(super) clock: Clock,
    pub(super) limits: Limits,
    pub(super) statistics: Statistics,
    pub(super) pages: Pages,
    pub(super) visitors: Visitors,
}

/// Who is connected, and who is kept out.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    connections: Vec<Connection>,
    refused: RefusedPeers,
    /// Until when no connection is taken.
    paused_until: Option<ListeningTime>,
    /// When the log told last that none can be taken.
    warned: Option<ListeningTime>,
}

/// Opens the socket for HTTP.
pub(super) fn open(address: SocketAddr) -> Result<TcpListener, SocketError> {
    let failed = |error: io::Error| SocketError::Http { address, reason: error.to_string() };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

impl Http {
    /// Runs the thread.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        loop {
            let ready = self.wait()?;
            if self.mailbox.take() != Post::Empty {
                break;
            }
            let now = self.clock.now().listening;
            self.visitors.paused_until = self.visitors.paused_until.filter(|&until| now < until);
            self.advance(&ready);
            if ready.listener {
                self.accept();
            }
            log_refusals(self.visitors.refused.report(now).as_ref());
        }
        log_refusals(self.visitors.refused.rest().as_ref());
        Ok(())
    }

    /// Waits until there is something to do, or a deadline passes.
    fn wait(&self) -> Result<Ready, Failure> {
        let mut items = vec![
            PollItem::from_fd(self.mailbox.descriptor(), POLLIN),
            PollItem::from_fd(self.listener.as_raw_fd(), self.listening()),
        ];
        items.extend(self.visitors.connections.iter().map(|connection| {
            let event = if connection.is_writing() { POLLOUT } else { POLLIN };
            PollItem::from_fd(connection.descriptor(), event)
        }));
        loop {
            match zmq::poll(&mut items, self.due_in()) {
                Ok(_) => break,
                Err(zmq::Error::EINTR) => {}
                Err(error) => return Err(format!("waiting for HTTP peers failed: {error}")),
            }
        }
        let mut ready = items.iter().skip(1).map(|item| !item.get_revents().is_empty());
        Ok(Ready { listener: ready.next().unwrap_or(false), connections: ready.collect() })
    }

    /// Takes connections that are waiting.
    fn accept(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            let now = self.clock.now().listening;
            let connection = match self.listener.accept() {
                Ok((_, peer)) if self.doors.admit(Some(peer.ip())).is_err() => {
                    self.doors.count_refused_connection();
                    self.visitors.refused.note(Some(peer.ip()));
                    continue;
                }
                Ok((stream, _)) => Connection::new(stream, now, &self.limits),
                Err(error) => Err(error),
            };
            match connection {
                Ok(connection) => self.serve(connection),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if is_the_peers(error.kind()) => {}
                Err(error) => {
                    self.warn(now, &error);
                    self.visitors.paused_until = Some(now.plus(PAUSE_AFTER_REFUSAL));
                    return;
                }
            }
        }
    }

    /// Tells that no connection can be taken: once, however often it is tried meanwhile.
    fn warn(&mut self, now: ListeningTime, error: &io::Error) {
        if self.visitors.warned.is_none_or(|warned| now.since(warned) >= WARNING_INTERVAL) {
            log::warn!("cannot take an HTTP connection: {error}");
            self.visitors.warned = Some(now);
        }
    }

    /// Takes a connection in, and answers at once where its request has come already. Where there
    /// are too many, the one that had to be done first makes room, so that peers that say nothing
    /// keep nobody out.
    fn serve(&mut self, mut connection: Connection) {
        if self.go_on(&mut connection) == State::Over {
            return;
        }
        if self.visitors.connections.len() >= self.limits.count(Limit::HttpConnections) {
            let oldest =
                self.visitors.connections.iter().enumerate().min_by_key(|(_, one)| one.deadline());
            if let Some((index, _)) = oldest {
                let closed = self.visitors.connections.swap_remove(index);
                self.statistics.count_exceeded(Limit::HttpConnections, closed.peer());
            }
        }
        self.visitors.connections.push(connection);
    }

    /// Goes on with the connections that are ready, and drops those that are over.
    fn advance(&mut self, ready: &Ready) {
        let now = self.clock.now().listening;
        let connections = std::mem::take(&mut self.visitors.connections);
        for (mut connection, &is_ready) in connections.into_iter().zip(&ready.connections) {
            let state = if is_ready { self.go_on(&mut connection) } else { State::Open };
            if state == State::Over {
                continue;
            }
            if connection.deadline() > now {
                self.visitors.connections.push(connection);
            } else if let Some(limit) = connection.overdue() {
                self.statistics.count_exceeded(limit, connection.peer());
            }
        }
    }

    fn go_on(&mut self, connection: &mut Connection) -> State {
        let now = self.clock.now();
        connection.advance(now, |request| self.pages.answer(request, now))
    }

    /// What of the listener is awaited: nothing, while it is of no use.
    fn listening(&self) -> PollEvents {
        if self.visitors.paused_until.is_some() { PollEvents::empty() } else { POLLIN }
    }

    /// In how many milliseconds something is due; -1, if nothing is.
    fn due_in(&self) -> i64 {
        let now = self.clock.now().listening;
        let deadlines = self.visitors.connections.iter().map(Connection::deadline);
        let deadline = deadlines.chain(self.visitors.paused_until).min().map(|due| due.since(now));
        let due = deadline.into_iter().chain(self.visitors.refused.due_in(now)).min();
        // At least one: without ticks of the clock a deadline can come no nearer.
        due.map_or(-1, |due| i64::try_from(due.as_millis()).unwrap_or(i64::MAX).max(1))
    }
}

/// What a wait found ready.
struct Ready {
    listener: bool,
    /// In the order of the connections.
    connections: Vec<bool>,
}

/// Whether it is the connection that failed, and not the host.
fn is_the_peers(error: ErrorKind) -> bool {
    matches!(
        error,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

fn log_refusals(refusals: Option<&PeerReport>) {
    if let Some(refusals) = refusals {
        log::warn!("refused {refusals}: they are not in `allow`");
    }
}
