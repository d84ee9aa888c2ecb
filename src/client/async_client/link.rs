//! One connection of the asynchronous client: a socket, and the requests on their way over it.

use std::time::Instant;

use zmq::{DONTWAIT, Socket};

use crate::protocol::envelope::REQUEST;

use super::super::registries::Place;
use super::exchange::Exchange;
use super::question::Question;

/// A connection to one registry, with what is asked over it. Dropping it closes the socket without
/// linger: what it still holds for a registry that is not there goes with it.
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) exchange: Exchange<Question>,
    pub(super) opened: Instant,
    /// The registry that it leads to.
    pub(super) place: Place,
    is_retired: bool,
}

impl Link {
    pub(super) fn new(socket: Socket, place: Place) -> Self {
        let (exchange, opened) = (Exchange::new(), Instant::now());
        Self { socket, exchange, opened, place, is_retired: false }
    }

    /// Sends nothing more over it; it is only kept for the replies that may still come.
    pub(super) fn retire(&mut self) {
        self.is_retired = true;
    }

    /// Whether no more is asked over it.
    pub(super) fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// Sends a request. The socket takes it even where the registry is not there, and has room for
    /// more than may be on their way.
    pub(super) fn send(&self, body: &str) -> zmq::Result<()> {
        unless_interrupted(|| self.socket.send_multipart([REQUEST, body.as_bytes()], DONTWAIT))
    }

    /// Takes the next message that has arrived, if any.
    pub(super) fn receive(&self) -> zmq::Result<Option<Vec<Vec<u8>>>> {
        match unless_interrupted(|| self.socket.recv_multipart(DONTWAIT)) {
            Ok(frames) => Ok(Some(frames)),
            Err(zmq::Error::EAGAIN) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Takes `step`, again where a signal came in between.
fn unless_interrupted<T>(step: impl Fn() -> zmq::Result<T>) -> zmq::Result<T> {
    loop {
        match step() {
            Err(zmq::Error::EINTR) => {}
            done => return done,
        }
    }
}
