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

use crate::clock::{Clock, Now};
use crate::limits::{Limit, Limits};
use crate::mailbox::{Mailbox, Post};
use crate::protocol::envelope::{Message, open_heartbeat};
use crate::protocol::fault::{RequestFailure, RequestFault};
use crate::protocol::request::{ParsedBody, Renewal, read_heartbeat};

use super::answer::{Answer, Reader};
use super::doors::Doors;
use super::handed_over::HandedOver;
use super::messages::{Caller, Job, Reply, Stop};
use super::statistics::{RequestKind, Statistics};
use super::thread::Failure;
use super::transport::{MessageSize, Peer, Received, receive, send};
use super::vitals::Pulse;
use super::waiting::{Left, Waiting};

/// How many heartbeats that had arrived before the server was stopped are still taken.
const LAST_HEARTBEATS_MAX: usize = 10_000;

/// Answers heartbeats: the heartbeat thread, ready to run.
pub(super) struct Heartbeats {
    pub(super) socket: Socket,
    pub(super) mailbox: Mailbox<Stop>,
    pub(super) waiting: Waiting,
    pub(super) reader: Reader,
    pub(super) clock: Clock,
    pub(super) doors: Doors,
    pub(super) limits: Limits,
    pub(super) handed_over: HandedOver,
    pub(super) statistics: Statistics,
    pub(super) pulse: Pulse,
    /// Held, but never sent to: the storage thread ends when the last holder has let go, so that
    /// every heartbeat heard until then is stored.
    pub(super) keeps_storage: Sender<Job>,
}

impl Heartbeats {
    /// Runs the thread.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let mut left = Left::Unknown;
        loop {
            if self.waiting.wait(left)? {
                self.mailbox.answer_bell();
                if self.mailbox.take() != Post::Empty {
                    break;
                }
            }
            left = self.take_heartbeats(self.limits.count(Limit::RequestsPerTurn))?;
            self.pulse.beat();
        }
        self.take_heartbeats(LAST_HEARTBEATS_MAX)?;
        drop(self.keeps_storage);
        Ok(())
    }

    fn take_heartbeats(&self, limit: usize) -> Result<Left, Failure> {
        let mut received = Received::default();
        let mut laps = self.clock.laps();
        for _ in 0..limit {
            if !receive(&self.socket, &mut received)? {
                return Ok(Left::Nothing);
            }
            self.handed_over.note(&mut received);
            self.take_heartbeat(&mut received, laps.now())?;
            self.statistics.count_answer_time(RequestKind::Heartbeat, laps.lap());
        }
        Ok(Left::Unknown)
    }

    fn take_heartbeat(&self, received: &mut Received, now: Now) -> Result<(), Failure> {
        let (caller, renewal) = read(received.frames(), received.size(), &self.limits);
        let answer = match renewal {
            Ok(renewal) => match self.doors.judge_heartbeat(received) {
                Ok(()) => self.reader.renew(&renewal, now),
                Err(denial) => Answer::from(&RequestFailure::NotAllowed(denial)),
            },
            Err(fault) => {
                log::debug!("refused a heartbeat: {:?}", fault.to_string());
                Answer::from(&fault)
            }
        };
        let client = answer.refused.and_then(|_| received.address());
        self.statistics.count(RequestKind::Heartbeat, answer.refused, client);
        let reply = Reply::new(caller, answer.body);
        let caller = &reply.caller;
        match caller.envelope.seal(&caller.client, &reply.body) {
            Some(frames) => self.send(frames),
            None => Ok(()),
        }
    }

    fn send<'a>(&self, frames: impl Iterator<Item = &'a [u8]>) -> Result<(), Failure> {
        self.statistics.count_delivery(send(&self.socket, frames)?);
        Ok(())
    }
}

fn read<Frame: Deref<Target = [u8]>>(
    frames: &[Frame],
    size: MessageSize,
    limits: &Limits,
) -> (Caller, Result<Renewal, RequestFault>) {
    let Message { client, envelope, body } = open_heartbeat(frames);
    let size_fault = size.check(limits).err().map(RequestFault::Exceeded);
    let ParsedBody { request_id, request: renewal, .. } =
        ParsedBody::of_message(body, size_fault, read_heartbeat);
    (Caller { client: client.to_vec(), envelope, request_id }, renewal)
}
