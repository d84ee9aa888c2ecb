//! The gatekeeper thread.
//!
//! *Owns* the socket at which ZeroMQ asks, for every connection to any socket of this server,
//! whether it may be made (ZAP, RFC 27), and, where keys are asked for, who makes it. *Receives*
//! these questions. *Sends* the answers. *Ends* when the last thread that has a socket is gone:
//! without a gatekeeper ZeroMQ would let everybody in.
//!
//! It does nothing else, so that nobody's connection waits for anything.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use zmq::{Context, DONTWAIT, POLLIN, PollItem, Socket, SocketType};

use crate::access::{PeerReport, RefusedPeers};
use crate::clock::Clock;
use crate::key::PublicKey;
use crate::limits::Limit;
use crate::mailbox::{Mailbox, Post};

use super::descriptors::Connections;
use super::doors::Doors;
use super::error::SocketError;
use super::statistics::Statistics;
use super::thread::Failure;
use super::transport::send;
use super::vitals::Pulse;

mod crowds;

pub(super) use crowds::{Crowds, Kernel};

/// What the sockets of this server say of themselves. ZeroMQ asks the gatekeeper only for sockets
/// that say something.
pub(super) const ZAP_DOMAIN: &str = "service-registry";

/// Where ZeroMQ asks, in the context of the socket that is connected to.
const ENDPOINT: &str = "inproc://zeromq.zap.01";

/// The version of the protocol between ZeroMQ and its gatekeeper.
const VERSION: &[u8] = b"1.0";

/// How many questions are answered before the mailbox is looked at again.
const QUESTIONS_PER_TURN: usize = 256;

/// Answers ZeroMQ whether a connection may be made: the gatekeeper thread, ready to run.
pub(super) struct Gatekeeper {
    pub(super) socket: Socket,
    /// Never gets a message: it is closed when the last thread that has a socket has ended.
    pub(super) holders: Mailbox<Infallible>,
    pub(super) doors: Doors,
    pub(super) connections: Connections,
    pub(super) crowds: Crowds,
    pub(super) statistics: Statistics,
    pub(super) clock: Clock,
    /// From addresses that may not connect.
    pub(super) refused: RefusedPeers,
    /// With keys that may not.
    pub(super) strangers: RefusedPeers,
    pub(super) pulse: Pulse,
}

/// What ZeroMQ is answered: a status of three digits, and what it means.
type Verdict = (&'static str, &'static str);

/// What ZeroMQ tells a gatekeeper of a peer that has shown a key.
const CURVE: &[u8] = b"CURVE";

const WELCOME: Verdict = ("200", "OK");
const REFUSED: Verdict = ("400", "this address may not connect");
const STRANGE: Verdict = ("400", "this key may not connect");
const MALFORMED: Verdict = ("500", "the question is malformed");

/// A peer that is told this tries again by itself.
const FULL: Verdict = ("300", "too many connections");

/// Why peers are refused, as the log says.
const NOT_ALLOWED: &str = "they are not in `allow`";
const NOT_KNOWN: &str = "their keys are not in `curve`";

/// Opens the socket at which ZeroMQ asks: before all others, which would be open to everybody
/// without it.
pub(super) fn open(context: &Context) -> Result<Socket, SocketError> {
    let failed = |error: zmq::Error| SocketError::Unusable {
        purpose: "new connections",
        endpoint: ENDPOINT.to_owned(),
        reason: error.to_string(),
    };
    let socket = context.socket(SocketType::REP).map_err(failed)?;
    socket.set_linger(0).map_err(failed)?;
    socket.bind(ENDPOINT).map_err(failed)?;
    Ok(socket)
}

impl Gatekeeper {
    /// Runs the thread.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        while self.wait()? {
            for _ in 0..QUESTIONS_PER_TURN {
                if !self.answer_question()? {
                    break;
                }
            }
            let now = self.clock.now().listening;
            log_refusals(self.refused.report(now).as_ref(), NOT_ALLOWED);
            log_refusals(self.strangers.report(now).as_ref(), NOT_KNOWN);
            self.pulse.beat();
        }
        log_refusals(self.refused.rest().as_ref(), NOT_ALLOWED);
        log_refusals(self.strangers.rest().as_ref(), NOT_KNOWN);
        Ok(())
    }

    /// Waits for a question, or for a report that is due; false when all sockets are gone.
    fn wait(&mut self) -> Result<bool, Failure> {
        let now = self.clock.now().listening;
        let reports = [&self.refused, &self.strangers];
        let due_in = reports.iter().filter_map(|peers| peers.due_in(now)).min();
        let mut items = [
            PollItem::from_fd(self.holders.descriptor(), POLLIN),
            self.socket.as_poll_item(POLLIN),
        ];
        loop {
            match zmq::poll(&mut items, due_in.map_or(-1, milliseconds)) {
                Ok(_) => break,
                Err(zmq::Error::EINTR) => {}
                Err(error) => return Err(format!("waiting for connections failed: {error}")),
            }
        }
        self.holders.answer_bell();
        Ok(self.holders.take() != Post::Closed)
    }

    /// Answers one question; false where there is none.
    fn answer_question(&mut self) -> Result<bool, Failure> {
        let question = loop {
            match self.socket.recv_multipart(DONTWAIT) {
                Ok(question) => break question,
                Err(zmq::Error::EAGAIN) => return Ok(false),
                Err(zmq::Error::EINTR) => {}
                Err(error) => return Err(format!("receiving failed: {error}")),
            }
        };
        let ((status, meaning), key) = self.verdict(&question);
        // It comes back with every message over the connection.
        let user_id = key.map(|key| key.to_string()).unwrap_or_default();
        let request_id = question.get(1).map(Vec::as_slice).unwrap_or_default();
        let answer: [&[u8]; 6] =
            [VERSION, request_id, status.as_bytes(), meaning.as_bytes(), user_id.as_bytes(), b""];
        // Who hung up meanwhile is told nothing.
        send(&self.socket, answer).map(|_| true)
    }

    /// Whether the connection may be made, and by the owner of which key.
    fn verdict(&mut self, question: &[Vec<u8>]) -> (Verdict, Option<PublicKey>) {
        let [version, _request_id, domain, address, _routing_id, mechanism, credentials @ ..] =
            question
        else {
            return (MALFORMED, None);
        };
        if version != VERSION || domain != ZAP_DOMAIN.as_bytes() {
            return (MALFORMED, None);
        }
        let address = read_address(address);
        if self.connections.are_too_many() {
            self.statistics.count_exceeded(Limit::Connections, address);
            return (FULL, None);
        }
        let key = match credentials {
            [key] if mechanism == CURVE => PublicKey::from_bytes(key),
            _ => None,
        };
        let verdict = if self.doors.admit(address).is_err() {
            self.refused.note(address);
            REFUSED
        } else if self.doors.admit_key(key).is_err() {
            self.strangers.note(address);
            STRANGE
        } else if address.is_some_and(|address| self.is_crowded(address)) {
            self.statistics.count_exceeded(Limit::ConnectionsPerAddress, address);
            return (FULL, None);
        } else {
            self.doors.tell_guard();
            return (WELCOME, key);
        };
        self.doors.count_refused_connection();
        (verdict, None)
    }

    /// Whether one more connection from `address` is too many.
    fn is_crowded(&mut self, address: IpAddr) -> bool {
        self.crowds.is_too_many(address, self.clock.now().listening)
    }
}

fn log_refusals(refusals: Option<&PeerReport>, reason: &str) {
    if let Some(refusals) = refusals {
        log::warn!("refused {refusals}: {reason}");
    }
}

fn read_address(frame: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(frame).ok()?.parse().ok()
}

/// Rounded up: waking too soon would be waking in vain.
fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}
