//! One HTTP connection: a request comes in, its answer goes out, and that was all.
//!
//! One request for each connection keeps this small, and nobody here asks often. Nothing waits:
//! a connection goes as far as it can, and says what to poll it for.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{ListeningTime, Now};
use crate::limits::{Limit, Limits};

use super::request::{Fault, HEAD_LENGTH_MAX, Request, read_head};
use super::response::Response;

/// How long the peer may take to close its side.
const LEAVING_MAX: Duration = Duration::from_secs(1);

/// How much of what comes after a request is thrown away before the connection is closed under
/// it. Closing at once would take from the peer the answer that it has not read yet.
const LEFT_OVER_MAX: usize = 64 * 1_024;

/// A peer of the HTTP port, from its request to the end of its answer.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    stage: Stage,
    deadline: ListeningTime,
    /// How long its answer may take to leave.
    answering_max: Duration,
}

#[derive(Debug)]
enum Stage {
    /// The head comes in.
    Reading(Vec<u8>),
    /// The answer goes out.
    Answering(Outgoing),
    /// Everything is said. So many bytes came all the same.
    Leaving(usize),
}

#[derive(Debug)]
struct Outgoing {
    head: Vec<u8>,
    body: Arc<Vec<u8>>,
    written: usize,
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Over,
}

impl Connection {
    /// A connection that was just made.
    pub(super) fn new(stream: TcpStream, now: ListeningTime, limits: &Limits) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stage = Stage::Reading(Vec::new());
        let deadline = now.plus(limits.duration(Limit::HttpRequestSeconds));
        let answering_max = limits.duration(Limit::HttpAnswerSeconds);
        Ok(Self { stream, stage, deadline, answering_max })
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Whether it waits for room to write rather than for something to read.
    pub(super) const fn is_writing(&self) -> bool {
        matches!(self.stage, Stage::Answering(_))
    }

    /// When it is closed, whatever has become of it.
    pub(super) const fn deadline(&self) -> ListeningTime {
        self.deadline
    }

    /// Which limit it has reached when its deadline has passed. None, where its peer said nothing,
    /// as browsers do that connect in advance, or has been told everything.
    pub(super) const fn overdue(&self) -> Option<Limit> {
        match &self.stage {
            Stage::Reading(received) if received.is_empty() => None,
            Stage::Reading(_) => Some(Limit::HttpRequestSeconds),
            Stage::Answering(_) => Some(Limit::HttpAnswerSeconds),
            Stage::Leaving(_) => None,
        }
    }

    /// Where it comes from, if that can still be told.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.stream.peer_addr().ok().map(|address| address.ip())
    }

    /// Goes on as far as that is possible without waiting. `answer` is asked at most once.
    pub(super) fn advance(
        &mut self,
        now: Now,
        mut answer: impl FnMut(Result<Request, Fault>) -> (Response, bool),
    ) -> State {
        loop {
            let next = match &mut self.stage {
                Stage::Reading(received) => match read_request(&mut self.stream, received) {
                    Ok(request) => {
                        let (response, with_body) = answer(request);
                        self.deadline = now.listening.plus(self.answering_max);
                        Stage::Answering(Outgoing::new(&response, with_body, now))
                    }
                    Err(pause) => return pause,
                },
                Stage::Answering(outgoing) => match outgoing.write(&mut self.stream) {
                    Ok(()) => {
                        self.deadline = now.listening.plus(LEAVING_MAX);
                        Stage::Leaving(0)
                    }
                    Err(pause) => return pause,
                },
                Stage::Leaving(left_over) => return read_left_over(&mut self.stream, left_over),
            };
            self.stage = next;
        }
    }
}

impl Outgoing {
    fn new(response: &Response, with_body: bool, now: Now) -> Self {
        let head = response.head(now.wall).into_bytes();
        let body = if with_body { Arc::clone(&response.body) } else { Arc::default() };
        Self { head, body, written: 0 }
    }

    fn write(&mut self, stream: &mut TcpStream) -> Result<(), State> {
        loop {
            let head = self.head.get(self.written..).unwrap_or_default();
            let of_body = self.written.saturating_sub(self.head.len());
            let body = self.body.get(of_body..).unwrap_or_default();
            if head.is_empty() && body.is_empty() {
                // A peer that is gone already needs no end of the answer.
                return stream.shutdown(Shutdown::Write).map_err(|_| State::Over);
            }
            match stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)]) {
                Ok(0) => return Err(State::Over),
                Ok(count) => self.written += count,
                Err(error) => pause_unless_interrupted(&error)?,
            }
        }
    }
}

/// The request when its head is whole; otherwise whether there is a point in waiting for more.
fn read_request(
    stream: &mut TcpStream,
    received: &mut Vec<u8>,
) -> Result<Result<Request, Fault>, State> {
    let mut chunk = [0; 2_048];
    loop {
        let room = HEAD_LENGTH_MAX.saturating_sub(received.len()).min(chunk.len());
        match stream.read(&mut chunk[..room]) {
            Ok(0) => return Err(State::Over),
            Ok(count) => {
                received.extend_from_slice(&chunk[..count]);
                if let Some(request) = read_head(received) {
                    return Ok(request);
                }
            }
            Err(error) => pause_unless_interrupted(&error)?,
        }
    }
}

fn read_left_over(stream: &mut TcpStream, left_over: &mut usize) -> State {
    let mut chunk = [0; 2_048];
    while *left_over < LEFT_OVER_MAX {
        match stream.read(&mut chunk) {
            Ok(0) => return State::Over,
            Ok(count) => *left_over += count,
            Err(error) => {
                if let Err(state) = pause_unless_interrupted(&error) {
                    return state;
                }
            }
        }
    }
    State::Over
}

fn pause_unless_interrupted(error: &io::Error) -> Result<(), State> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock => Err(State::Open),
        // Whatever it is, it is the peer's: it is gone.
        _ => Err(State::Over),
    }
}
