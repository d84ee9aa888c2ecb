//! The event thread.
//!
//! *Owns* the PUB socket. *Receives* events from the storage thread, in their order. *Sends*
//! them to all subscribers. *Ends* when the storage thread is gone and the last event is sent.

use crossbeam_channel::Receiver;
use zmq::Socket;

use crate::protocol::event::EventFrames;

use super::sockets::send;
use super::thread::Failure;

/// See the module's page.
pub(super) struct Events {
    pub(super) socket: Socket,
    pub(super) events: Receiver<EventFrames>,
}

impl Events {
    /// Runs the thread.
    pub(super) fn run(self) -> Result<(), Failure> {
        for event in &self.events {
            // ZeroMQ takes note of new subscribers when it is used, but at most once in a
            // millisecond unless it is asked for its events. Who has subscribed before this
            // event must not miss it.
            let _ = self.socket.get_events();
            send(&self.socket, &[event.event_type.as_bytes(), &event.body])?;
        }
        Ok(())
    }
}
