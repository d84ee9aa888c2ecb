//! The clients of a load: their connections, and how many requests each has under way.

use std::time::Duration;

use zmq::Context;

use crate::cli::failure::Failure;

use super::BenchError;
use super::action::Action;
use super::connection::{Connection, Target};
use super::pace::Moment;
use super::waiting::Waiting;

/// How many sockets share a context: as many as it takes, short of a few that it uses itself.
const SOCKETS_PER_CONTEXT: usize = 1_000;

/// What is noted with a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Note {
    pub(super) action: Action,
    pub(super) due: Moment,
    pub(super) bytes: usize,
}

/// A connection, and the client that it belongs to.
pub(super) struct Line {
    pub(super) connection: Connection<Note>,
    pub(super) client: usize,
    /// Whether something may have come that the operating system will not tell of.
    pub(super) is_to_be_read: bool,
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    /// Its lines. Where all that it sends goes to one socket, it has but one, and both are that.
    requests: usize,
    heartbeats: usize,
    pub(super) under_way: usize,
    /// How often it has registered or deregistered a passing service.
    pub(super) passings: u32,
}

/// The clients of a load, and the lines over which they ask.
pub(super) struct Fleet {
    pub(super) clients: Vec<Client>,
    pub(super) lines: Vec<Line>,
    /// How many requests each client may have under way.
    pub(super) in_flight: usize,
    waiting: Waiting,
}

impl Fleet {
    /// Opens `count` clients, each with a connection to those of the sockets that are given.
    pub(super) fn open(
        count: usize,
        in_flight: usize,
        run: &str,
        requests: Option<&Target>,
        heartbeats: Option<&Target>,
    ) -> Result<Self, Failure> {
        let mut contexts = Contexts::default();
        let mut clients = Vec::with_capacity(count);
        let mut lines = Vec::with_capacity(count);
        for client in 0..count {
            let first = lines.len();
            for target in requests.into_iter().chain(heartbeats) {
                let identity = format!("bench-{run}-{client}-{}", target.purpose.name());
                let connection = Connection::open(contexts.next(), target, &identity)?;
                lines.push(Line { connection, client, is_to_be_read: true });
            }
            let (requests, heartbeats) = (first, lines.len().saturating_sub(1));
            clients.push(Client { requests, heartbeats, under_way: 0, passings: 0 });
        }
        let fds = lines.iter().map(|line| line.connection.fd());
        let waiting = Waiting::new(&fds.collect::<Result<Vec<_>, _>>()?)?;
        Ok(Self { clients, lines, in_flight, waiting })
    }

    /// Sends `body` for `client` to the socket that takes the action.
    pub(super) fn send(&mut self, client: usize, body: &[u8], note: Note) -> Result<(), Failure> {
        let sender = &mut self.clients[client];
        let line = match note.action {
            Action::Heartbeat => sender.heartbeats,
            _ => sender.requests,
        };
        sender.under_way += 1;
        let line = &mut self.lines[line];
        line.connection.send(body, note)?;
        line.is_to_be_read = true;
        Ok(())
    }

    pub(super) fn has_room(&self, client: usize) -> bool {
        self.clients[client].under_way < self.in_flight
    }

    /// How many requests are not answered yet.
    pub(super) fn under_way(&self) -> usize {
        self.clients.iter().map(|client| client.under_way).sum()
    }

    /// Waits until something has come, but no longer than `at_most`, and notes where.
    pub(super) fn wait(&mut self, at_most: Duration) -> Result<(), BenchError> {
        self.waiting.wait(at_most)?;
        for line in self.waiting.ready() {
            self.lines[line].is_to_be_read = true;
        }
        Ok(())
    }
}

/// ZeroMQ contexts, each with as many sockets as there is room for.
#[derive(Default)]
struct Contexts {
    latest: Option<Context>,
    sockets: usize,
}

impl Contexts {
    /// The context for one more socket. Sockets keep their context alive.
    fn next(&mut self) -> &Context {
        if self.sockets.is_multiple_of(SOCKETS_PER_CONTEXT) {
            self.latest = None;
        }
        self.sockets += 1;
        self.latest.get_or_insert_with(Context::new)
    }
}
