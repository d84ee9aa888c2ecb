//! The heartbeat thread.
//!
//! *Owns* the heartbeat ROUTER. *Receives* heartbeats from clients, and from its mailbox the word
//! to stop. *Sends* replies to clients. *Ends* when it was told to stop and every heartbeat that
//! had arrived is answered.
//!
//! A heartbeat renews a lease in memory and is answered at once; the storage thread writes it
//! down later, together with others.

use crossbeam_channel::Sender;
use zmq::Socket;

use crate::clock::Clock;
use crate::protocol::envelope::{Frames, open_heartbeat};
use crate::protocol::reply::Ports;
use crate::protocol::request::read_heartbeat;

use super::answer::answer;
use super::mailbox::{Mailbox, Post};
use super::messages::{Job, Stop};
use super::shared::SharedRegistry;
use super::sockets::{receive, send, wait};
use super::thread::Failure;

/// How many heartbeats are taken before the mailbox is looked at again.
const HEARTBEATS_PER_TURN: usize = 256;

/// How many heartbeats that had arrived before the server was stopped are still taken.
const LAST_HEARTBEATS_MAX: usize = 10_000;

/// See the module's page.
pub(super) struct Heartbeats {
    pub(super) socket: Socket,
    pub(super) mailbox: Mailbox<Stop>,
    pub(super) registry: SharedRegistry,
    pub(super) clock: Clock,
    pub(super) ports: Ports,
    /// Held, but never sent to: the storage thread ends when the last holder has let go, so that
    /// every heartbeat heard until then is stored.
    pub(super) keeps_storage: Sender<Job>,
}

impl Heartbeats {
    /// Runs the thread.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        loop {
            let ready = wait(&self.socket, true, self.mailbox.descriptor())?;
            if ready.mailbox {
                self.mailbox.answer_bell();
                if self.mailbox.take() != Post::Empty {
                    break;
                }
            }
            if ready.socket {
                self.take_heartbeats(HEARTBEATS_PER_TURN)?;
            }
        }
        self.take_heartbeats(LAST_HEARTBEATS_MAX)?;
        drop(self.keeps_storage);
        Ok(())
    }

    fn take_heartbeats(&self, limit: usize) -> Result<(), Failure> {
        for _ in 0..limit {
            let Some(frames) = receive(&self.socket)? else { break };
            self.take_heartbeat(frames)?;
        }
        Ok(())
    }

    fn take_heartbeat(&self, frames: Frames) -> Result<(), Failure> {
        let message = open_heartbeat(frames);
        let body = match message.body.and_then(|body| read_heartbeat(&body)) {
            Ok(renewal) => answer(&self.registry.read(), renewal, &self.ports, self.clock.now(), 0),
            Err(fault) => {
                log::debug!("refused a heartbeat: {:?}", fault.to_string());
                fault.body()
            }
        };
        match message.envelope.seal(&message.client, &body) {
            Some(frames) => send(&self.socket, &frames),
            None => Ok(()),
        }
    }
}
