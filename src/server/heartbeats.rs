//! The heartbeat thread.
//!
//! *Owns* the heartbeat ROUTER. *Receives* heartbeats from clients, and from its mailbox the word
//! to stop. *Sends* replies to clients. *Ends* when it was told to stop and every heartbeat that
//! had arrived is answered.
//!
//! A heartbeat renews a lease in memory and is answered at once; the storage thread writes it
//! down later, together with others.

use std::ops::Deref;

use crossbeam_channel::Sender;
use zmq::Socket;

use crate::clock::Clock;
use crate::mailbox::{Mailbox, Post};
use crate::protocol::envelope::{Message, open_heartbeat};
use crate::protocol::fault::{Failure as RequestFailure, RequestFault};
use crate::protocol::reply::Ports;
use crate::protocol::request::{Question, Read, read_heartbeat};

use super::answer::answer;
use super::doors::Doors;
use super::messages::{Caller, Job, Reply, Stop};
use super::shared::SharedRegistry;
use super::sockets::{Received, receive, send, wait};
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
    pub(super) doors: Doors,
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
        let mut received = Received::default();
        for _ in 0..limit {
            if !receive(&self.socket, &mut received)? {
                break;
            }
            self.take_heartbeat(&mut received)?;
        }
        Ok(())
    }

    fn take_heartbeat(&self, received: &mut Received) -> Result<(), Failure> {
        let (caller, request) = read(received.frames());
        let body = match request {
            Ok(renewal) => match self.doors.admit_still(|| received.peer()) {
                Ok(()) => answer(&self.registry, &self.clock, &self.ports, &self.doors, renewal),
                Err(denial) => RequestFailure::NotAllowed(denial).body(),
            },
            Err(fault) => {
                log::debug!("refused a heartbeat: {:?}", fault.to_string());
                fault.body()
            }
        };
        let reply = Reply::new(caller, body);
        let caller = &reply.caller;
        match caller.envelope.seal(&caller.client, &reply.body) {
            Some(frames) => send(&self.socket, &frames),
            None => Ok(()),
        }
    }
}

fn read<Frame: Deref<Target = [u8]>>(frames: &[Frame]) -> (Caller, Result<Read, RequestFault>) {
    let Message { client, envelope, body } = open_heartbeat(frames);
    let Question { request_id, request } = match body {
        Ok(body) => read_heartbeat(body),
        Err(fault) => Question { request_id: None, request: Err(fault) },
    };
    (Caller { client: client.to_vec(), envelope, request_id }, request)
}
