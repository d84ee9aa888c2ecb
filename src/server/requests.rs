//! The request thread.
//!
//! *Owns* the request ROUTER. *Receives* requests from clients, and from its mailbox finished
//! jobs and the word to stop. *Sends* replies to clients and jobs to the storage thread. *Ends*
//! when it was told to stop and everything that it took is answered, or when the storage thread
//! is gone.
//!
//! Reads are answered here, from memory, so that they never wait for a disk. Writes go to the
//! storage thread, and so does whatever the same client asks behind them.

use std::net::IpAddr;
use std::ops::Deref;

use crossbeam_channel::{Sender, TrySendError};
use zmq::Socket;

use crate::clock::Clock;
use crate::mailbox::{Mailbox, Post};
use crate::protocol::envelope::{Message, open_request};
use crate::protocol::fault::{Failure as RequestFailure, RequestFault};
use crate::protocol::reply::{self, Ports};
use crate::protocol::request::{Question, Request, read_request};

use super::StopHandle;
use super::answer::answer;
use super::doors::Doors;
use super::lanes::Lanes;
use super::messages::{Caller, JOBS_WAITING_MAX, Job, Reply, Task, ToRequests};
use super::shared::SharedRegistry;
use super::sockets::{Received, is_this_host, receive, send, wait};
use super::thread::Failure;

/// How many requests are taken before the mailbox is looked at again, so that a flood of them
/// cannot hold up the replies that are ready.
const REQUESTS_PER_TURN: usize = 256;

/// How many requests that had arrived before the server was stopped are still taken.
const LAST_REQUESTS_MAX: usize = 10_000;

/// See the module's page.
pub(super) struct Requests {
    pub(super) socket: Socket,
    pub(super) mailbox: Mailbox<ToRequests>,
    pub(super) jobs: Sender<Job>,
    pub(super) registry: SharedRegistry,
    pub(super) clock: Clock,
    pub(super) ports: Ports,
    pub(super) doors: Doors,
    pub(super) stop: StopHandle,
    pub(super) lanes: Lanes,
}

/// Whether the server goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// No more requests are taken; what was taken is answered.
    Stopping,
    /// The storage thread is gone: nothing more can be answered.
    Abandoned,
}

impl Requests {
    /// Runs the thread.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let mut state = State::Running;
        while state == State::Running {
            let ready = wait(&self.socket, true, self.mailbox.descriptor())?;
            if ready.mailbox {
                state = self.empty_mailbox()?;
            }
            if ready.socket {
                self.take_requests(REQUESTS_PER_TURN)?;
            }
        }
        if state == State::Stopping {
            self.take_requests(LAST_REQUESTS_MAX)?;
        }
        while state == State::Stopping && self.lanes.awaited() > 0 {
            wait(&self.socket, false, self.mailbox.descriptor())?;
            if self.empty_mailbox()? == State::Abandoned {
                state = State::Abandoned;
            }
        }
        Ok(())
    }

    fn empty_mailbox(&mut self) -> Result<State, Failure> {
        self.mailbox.answer_bell();
        let mut state = State::Running;
        loop {
            match self.mailbox.take() {
                Post::Message(ToRequests::Completed(reply)) => {
                    for reply in self.lanes.complete(reply) {
                        self.send(&reply)?;
                    }
                }
                Post::Message(ToRequests::Stop) => state = State::Stopping,
                Post::Empty => return Ok(state),
                Post::Closed => return Ok(State::Abandoned),
            }
        }
    }

    fn take_requests(&mut self, limit: usize) -> Result<(), Failure> {
        let mut received = Received::default();
        for _ in 0..limit {
            if !receive(&self.socket, &mut received)? {
                break;
            }
            let (caller, request) = read(received.frames());
            self.take_request(caller, request, || received.peer())?;
        }
        Ok(())
    }

    /// `peer` finds out where the request came from, which takes longer than to answer most of
    /// them.
    fn take_request(
        &mut self,
        caller: Caller,
        request: Result<Request, RequestFault>,
        mut peer: impl FnMut() -> Option<IpAddr>,
    ) -> Result<(), Failure> {
        let busy = self.lanes.is_busy(&caller.client);
        let request = match request.map(|request| self.doors.judge(request, &mut peer)) {
            Ok(Err(denial)) => {
                log::warn!("refused a request: {denial}");
                return self.refuse(Reply::new(caller, RequestFailure::NotAllowed(denial).body()));
            }
            Ok(Ok(request)) => Ok(request),
            Err(fault) => Err(fault),
        };
        match request {
            Ok(Request::Write(write)) => self.hand_over(caller, Task::Write(write)),
            Ok(Request::Backup(backup)) if peer().is_some_and(is_this_host) => {
                self.hand_over(caller, Task::Backup(backup))
            }
            Ok(Request::Backup(_)) => {
                log::warn!("refused a backup that was asked for from another host, {:?}", peer());
                self.refuse(Reply::new(caller, RequestFailure::NotOnThisHost.body()))
            }
            Ok(Request::Read(read)) if busy => self.hand_over(caller, Task::Read(read)),
            Ok(Request::Terminate) if busy => self.hand_over(caller, Task::Terminate),
            Ok(Request::Read(read)) => {
                let body = answer(&self.registry, &self.clock, &self.ports, &self.doors, read);
                self.send(&Reply::new(caller, body))
            }
            Ok(Request::Terminate) => {
                let body = reply::terminating(self.clock.now().wall);
                self.send(&Reply::last(caller, body))
            }
            Err(fault) => {
                log::debug!("refused a request: {:?}", fault.to_string());
                self.refuse(Reply::new(caller, fault.body()))
            }
        }
    }

    fn hand_over(&mut self, caller: Caller, task: Task) -> Result<(), Failure> {
        match self.jobs.try_send(Job { caller: caller.clone(), task }) {
            // Without the storage thread the server is about to stop. The reply is awaited all the
            // same, in vain, so that no later one is taken for it.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {
                self.lanes.expect(caller.client);
                Ok(())
            }
            Err(TrySendError::Full(_)) => {
                log::warn!("refused a request: {JOBS_WAITING_MAX} wait for the database already");
                let body = RequestFailure::Overloaded { limit: JOBS_WAITING_MAX }.body();
                self.refuse(Reply::new(caller, body))
            }
        }
    }

    fn refuse(&mut self, reply: Reply) -> Result<(), Failure> {
        if !self.lanes.is_busy(&reply.caller.client) {
            return self.send(&reply);
        }
        if !self.lanes.queue(reply) {
            log::warn!("dropped a refusal: its client has too many unanswered requests");
        }
        Ok(())
    }

    fn send(&self, reply: &Reply) -> Result<(), Failure> {
        let Caller { client, envelope, .. } = &reply.caller;
        if let Some(frames) = envelope.seal(client, &reply.body) {
            send(&self.socket, &frames)?;
        }
        if reply.then_stop {
            log::info!("a client asked the registry to stop");
            self.stop.stop();
        }
        Ok(())
    }
}

fn read<Frame: Deref<Target = [u8]>>(frames: &[Frame]) -> (Caller, Result<Request, RequestFault>) {
    let Message { client, envelope, body } = open_request(frames);
    let Question { request_id, request } = match body {
        Ok(body) => read_request(body),
        Err(fault) => Question { request_id: None, request: Err(fault) },
    };
    (Caller { client: client.to_vec(), envelope, request_id }, request)
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Receiver, bounded};
    use zmq::{Context, SocketType};

    use super::*;
    use crate::config::Config;
    use crate::mailbox::mailbox;
    use crate::registry::{Epoch, Registry};

    fn thread() -> (Requests, Receiver<Job>) {
        let (jobs, taken) = bounded(1);
        let (stop, _) = bounded(1);
        let requests = Requests {
            socket: Context::new().socket(SocketType::ROUTER).unwrap(),
            mailbox: mailbox(1).unwrap().1,
            jobs,
            registry: SharedRegistry::new(Registry::new(Epoch::new("tested"), true)),
            clock: Clock::start(),
            ports: Ports { requests: 1, events: 2, heartbeats: 3 },
            doors: Doors::new(&Config::default()),
            stop: StopHandle(stop),
            lanes: Lanes::default(),
        };
        (requests, taken)
    }

    #[test]
    fn a_backup_is_made_for_programs_on_this_host_alone() {
        let body = br#"{"action": "backup", "destination": "/backup.db"}"#;
        let frames = [b"me".as_slice(), b"REQ", body];

        for (peer, allowed) in [("127.0.0.1", true), ("192.0.2.1", false), ("unknown", false)] {
            let (mut requests, taken) = thread();

            let peer = peer.parse().ok();
            let (caller, request) = read(&frames);
            requests.take_request(caller, request, || peer).unwrap();

            let job = taken.try_recv().ok();
            assert_eq!(job.is_some(), allowed, "{peer:?}");
            assert!(job.is_none_or(|job| matches!(job.task, Task::Backup(_))));
        }
    }
}
