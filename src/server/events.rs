//! The event thread.
//!
//! *Owns* the PUB socket. *Receives* events from the storage thread, in their order. *Sends*
//! them to all subscribers. *Ends* when the storage thread is gone and the last event is sent.

use crossbeam_channel::{Receiver, select};
use zmq::Socket;

use crate::protocol::event::EventFrames;

use super::recent_events::RecentEvents;
use super::statistics::Statistics;
use super::thread::Failure;
use super::transport::send;
use super::vitals::Pulse;

/// Publishes events: the event thread, ready to run.
pub(super) struct Events {
    pub(super) socket: Socket,
    pub(super) events: Receiver<Vec<EventFrames>>,
    pub(super) recent: RecentEvents,
    pub(super) statistics: Statistics,
    pub(super) pulse: Pulse,
}

impl Events {
    /// Runs the thread.
    pub(super) fn run(self) -> Result<(), Failure> {
        loop {
            select! {
                recv(self.events) -> events => match events {
                    Ok(events) => self.publish(events)?,
                    Err(_) => return Ok(()),
                },
                // To show that it is alive.
                recv(self.pulse.woken()) -> _ => {}
            }
            self.pulse.beat();
        }
    }

    fn publish(&self, events: Vec<EventFrames>) -> Result<(), Failure> {
        // ZeroMQ takes note of new subscribers when it is used, but at most once in a
        // millisecond unless it is asked for its events. Who has subscribed before these
        // events must not miss them.
        let _ = self.socket.get_events();
        for event in events {
            // Whoever does not read is dropped in silence by a PUB socket; the numbers of the
            // events tell.
            send(&self.socket, [event.event_type.as_bytes(), &event.body])?;
            self.recent.note(event);
        }
        self.statistics.set_events(self.events.len());
        Ok(())
    }
}
