//! One connection of the asynchronous client: a socket, and the requests on their way over it.

use std::time::Instant;

use zmq::{DONTWAIT, POLLIN, POLLOUT, PollEvents, Socket};

use crate::protocol::envelope::REQUEST;

use super::exchange::Exchange;
use super::question::Question;

/// See the module's page.
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) exchange: Exchange<Question>,
    pub(super) opened: Instant,
    /// Whether a registry has ever been at its other end.
    pub(super) has_replied: bool,
    retired: bool,
}

impl Link {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            socket,
            exchange: Exchange::new(),
            opened: Instant::now(),
            has_replied: false,
            retired: false,
        }
    }

    /// From now on it is only kept for the replies that may still come.
    pub(super) fn retire(&mut self) {
        self.retired = true;
    }

    /// Whether no more is asked over it.
    pub(super) fn is_retired(&self) -> bool {
        self.retired
    }

    /// Whether it may take another request.
    pub(super) fn has_room(&self) -> bool {
        !self.retired && self.exchange.has_room()
    }

    /// What to wait for: replies, and, where a request waits for its turn, a registry to send it
    /// to.
    pub(super) fn interests(&self, request_waits: bool) -> PollEvents {
        if request_waits && self.has_room() { POLLIN | POLLOUT } else { POLLIN }
    }

    /// Sends a request. False, where the registry is not there to receive it.
    pub(super) fn send(&self, body: &str) -> zmq::Result<bool> {
        let frames = [REQUEST, body.as_bytes()];
        unless_empty(|| self.socket.send_multipart(frames, DONTWAIT)).map(|sent| sent.is_some())
    }

    /// Takes the next message that has arrived, if any.
    pub(super) fn receive(&self) -> zmq::Result<Option<Vec<Vec<u8>>>> {
        unless_empty(|| self.socket.recv_multipart(DONTWAIT))
    }
}

/// Takes `step`, again where a signal came in between. None where it would have to wait.
fn unless_empty<T>(step: impl Fn() -> zmq::Result<T>) -> zmq::Result<Option<T>> {
    loop {
        match step() {
            Ok(done) => return Ok(Some(done)),
            Err(zmq::Error::EAGAIN) => return Ok(None),
            Err(zmq::Error::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}
