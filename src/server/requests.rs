//! The request thread.
//!
//! *Owns* the request ROUTER. *Receives* requests from clients, and from its mailbox finished
//! jobs and the word to stop. *Sends* replies to clients and jobs to the storage thread. *Ends*
//! when it was told to stop and everything that it took is answered, or when the storage thread
//! is gone.
//!
//! Reads are answered here, from memory, so that they never wait for a disk. Writes go to the
//! storage thread, and so does whatever the same client asks after them.

use std::ops::Deref;

use crossbeam_channel::Sender;
use zmq::Socket;

use crate::clock::{Clock, Now, Stopwatch};
use crate::limits::{Limit, Limits};
use crate::mailbox::{Mailbox, Post};
use crate::protocol::envelope::{Message, open_request};
use crate::protocol::fault::{RequestFailure, RequestFault};
use crate::protocol::reply;
use crate::protocol::request::{ParsedBody, Read, Request, read_request};

use super::StopHandle;
use super::answer::{Answer, Reader};
use super::doors::Doors;
use super::handed_over::HandedOver;
use super::lanes::Lanes;
use super::memory::{LARGE_REPLY, Memory};
use super::messages::{Caller, Job, Reply, Task, ToRequests};
use super::statistics::{RequestKind, Statistics};
use super::thread::Failure;
use super::transport::{MessageSize, Peer, Received, receive, send};
use super::vitals::Pulse;
use super::waiting::{Left, Waiting};

/// How many requests that had arrived before the server was stopped are still taken.
const LAST_REQUESTS_MAX: usize = 10_000;

/// Answers requests, or hands them to the storage thread: the request thread, ready to run.
pub(super) struct Requests {
    pub(super) socket: Socket,
    pub(super) mailbox: Mailbox<ToRequests>,
    pub(super) waiting: Waiting,
    pub(super) jobs: Sender<Job>,
    pub(super) reader: Reader,
    pub(super) clock: Clock,
    pub(super) doors: Doors,
    pub(super) stop: StopHandle,
    pub(super) lanes: Lanes,
    pub(super) limits: Limits,
    pub(super) handed_over: HandedOver,
    pub(super) memory: Memory,
    pub(super) statistics: Statistics,
    pub(super) pulse: Pulse,
}

/// A request, taken from the socket.
struct Taken {
    caller: Caller,
    kind: RequestKind,
    bytes: usize,
    request: Result<Request, RequestFault>,
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
        let (mut state, mut left) = (State::Running, Left::Unknown);
        while state == State::Running {
            (state, left) = self.take_turn(left)?;
        }
        if state == State::Stopping {
            self.take_requests(LAST_REQUESTS_MAX, usize::MAX)?;
        }
        while state == State::Stopping && self.lanes.awaited() > 0 {
            self.waiting.wait(Left::Nothing)?;
            if self.empty_mailbox()? == State::Abandoned {
                state = State::Abandoned;
            }
        }
        if let Some(report) = self.statistics.last_report() {
            log::warn!("{report}");
        }
        Ok(())
    }

    /// Waits for something to do, and does it; no more is taken than a turn may have, so that
    /// replies that are ready meanwhile can leave.
    fn take_turn(&mut self, left: Left) -> Result<(State, Left), Failure> {
        let has_post = self.waiting.wait(left)?;
        let state = if has_post { self.empty_mailbox()? } else { State::Running };
        let [requests, bytes] = [Limit::RequestsPerTurn, Limit::BytesPerTurn];
        // Also after the mailbox was emptied, which may have sent replies: see `Waiting`.
        let left = self.take_requests(self.limits.count(requests), self.limits.count(bytes))?;
        self.pulse.beat();
        Ok((state, left))
    }

    fn empty_mailbox(&mut self) -> Result<State, Failure> {
        self.mailbox.answer_bell();
        let mut state = State::Running;
        loop {
            match self.mailbox.take() {
                Post::Message(ToRequests::Completed(replies)) => {
                    for completed in replies {
                        for reply in self.lanes.complete(completed) {
                            self.send(reply)?;
                        }
                    }
                    self.statistics.set_jobs(self.lanes.awaited());
                }
                Post::Message(ToRequests::Stop) => state = State::Stopping,
                Post::Empty => return Ok(state),
                Post::Closed => return Ok(State::Abandoned),
            }
        }
    }

    /// Takes what has arrived: at most so many requests, and no further one after so many bytes.
    fn take_requests(&mut self, requests_max: usize, bytes_max: usize) -> Result<Left, Failure> {
        let mut received = Received::default();
        let mut laps = self.clock.laps();
        let (mut requests, mut bytes) = (0, 0);
        while requests < requests_max && bytes < bytes_max {
            if !receive(&self.socket, &mut received)? {
                return Ok(Left::Nothing);
            }
            requests += 1;
            bytes += received.size().bytes;
            let taken = read(received.frames(), received.size(), &self.limits);
            let (kind, awaited) = (taken.kind, self.lanes.awaited());
            self.handed_over.note(&mut received);
            self.take_request(taken, laps.now(), &mut received)?;
            let duration = laps.lap();
            // What was handed over is answered by the storage thread, which measures it as well.
            if self.lanes.awaited() == awaited {
                self.statistics.count_answer_time(kind, duration);
            }
        }
        Ok(Left::Unknown)
    }

    /// Answers a request, or hands it to the storage thread.
    fn take_request(
        &mut self,
        taken: Taken,
        now: Now,
        peer: &mut impl Peer,
    ) -> Result<(), Failure> {
        let Taken { caller, kind, bytes, request } = taken;
        let busy = self.lanes.is_busy(&caller.client);
        let request = match self.judge(request, &caller, now, peer) {
            Ok(request) => request,
            Err(refusal) => return self.refuse(caller, kind, refusal, peer),
        };
        match request {
            Request::Write(write) => self.hand_over(caller, Task::Write(write), bytes, peer),
            Request::Backup(backup) => self.hand_over(caller, Task::Backup(backup), bytes, peer),
            Request::Read(read) if busy => self.hand_over(caller, Task::Read(read), bytes, peer),
            Request::Terminate if busy => self.hand_over(caller, Task::Terminate, bytes, peer),
            Request::Read(read) => {
                let answer = self.reader.answer(read, now);
                self.statistics.count(kind, answer.refused, None);
                self.send(Reply::new(caller, answer.body))
            }
            Request::Terminate => {
                log::info!("the registry stops, asked by {}", self.doors.asker(peer));
                self.statistics.count(kind, None, None);
                let body = reply::terminating(now.wall);
                self.send(Reply::last(caller, body))
            }
        }
    }

    /// The request as it is carried out, or the answer that refuses it: nothing may be wrong with
    /// it, its peer must be allowed to make it, and there must be memory for a large reply.
    fn judge(
        &mut self,
        request: Result<Request, RequestFault>,
        caller: &Caller,
        now: Now,
        peer: &mut impl Peer,
    ) -> Result<Request, Answer> {
        let refusal = |failure: RequestFailure| Answer::from(&failure);
        let request = request.map_err(|fault| {
            log::debug!("refused a request: {:?}", fault.to_string());
            Answer::from(&fault)
        })?;
        let judged = self.doors.judge(request, peer);
        let request = judged.map_err(|denial| refusal(RequestFailure::NotAllowed(denial)))?;
        if matches!(request, Request::Backup(_)) && !self.doors.may_back_up(peer) {
            return Err(refusal(RequestFailure::NotOnThisHost));
        }
        // A list takes its time and its memory: none is made that would not be sent.
        if self.is_large(&request) {
            let looked = self.memory.look(&caller.client, now.listening);
            looked.map_err(|exceeded| refusal(RequestFailure::ShortOfMemory(exceeded)))?;
        }
        Ok(request)
    }

    /// Whether the answer may be large: it tells of all services, and these come to something.
    fn is_large(&self, request: &Request) -> bool {
        matches!(request, Request::Read(Read::List { .. } | Read::Info))
            && self.reader.registry.read().bytes() >= LARGE_REPLY
    }

    fn hand_over(
        &mut self,
        caller: Caller,
        task: Task,
        bytes: usize,
        peer: &mut impl Peer,
    ) -> Result<(), Failure> {
        let kind = RequestKind::Action(task.action());
        if let Err(overload) = self.lanes.admit(&caller.client, bytes) {
            let answer = Answer::from(&RequestFailure::Overloaded(overload));
            return self.refuse(caller, kind, answer, peer);
        }
        let client = caller.client.clone();
        let is_noticed = !matches!(task, Task::Read(_));
        let asker = is_noticed.then(|| self.doors.asker(peer));
        // Without the storage thread the server is about to stop. The reply never comes, but is
        // awaited all the same, so that no later one is taken for it.
        let _ = self.jobs.send(Job { caller, task, asker, stopwatch: Stopwatch::start() });
        self.lanes.expect(client, bytes);
        self.statistics.set_jobs(self.lanes.awaited());
        Ok(())
    }

    fn refuse(
        &mut self,
        caller: Caller,
        kind: RequestKind,
        answer: Answer,
        peer: &mut impl Peer,
    ) -> Result<(), Failure> {
        self.statistics.count(kind, answer.refused, peer.address());
        let reply = Reply::new(caller, answer.body);
        if !self.lanes.is_busy(&reply.caller.client) {
            return self.send(reply);
        }
        if let Err(exceeded) = self.lanes.queue(reply) {
            self.statistics.count_dropped(exceeded.limit);
        }
        Ok(())
    }

    /// Sends a reply, or says why not where too much waits for those that do not read.
    fn send(&mut self, mut reply: Reply) -> Result<(), Failure> {
        let now = || self.clock.now().listening;
        if let Err(exceeded) = self.memory.admit(&reply.caller.client, reply.body.len(), now) {
            self.statistics.count_exceeded(exceeded.limit, None);
            reply =
                Reply::new(reply.caller, RequestFailure::ShortOfMemory(exceeded).reply().body());
        }
        let Caller { client, envelope, .. } = &reply.caller;
        if let Some(frames) = envelope.seal(client, &reply.body) {
            self.statistics.count_delivery(send(&self.socket, frames)?);
        }
        if reply.then_stop {
            self.stop.stop();
        }
        Ok(())
    }
}

fn read<Frame: Deref<Target = [u8]>>(
    frames: &[Frame],
    size: MessageSize,
    limits: &Limits,
) -> Taken {
    let Message { client, envelope, body } = open_request(frames);
    let size_fault = size.check(limits).err().map(RequestFault::Exceeded);
    let ParsedBody { action, request_id, request } =
        ParsedBody::of_message(body, size_fault, read_request);
    let request = request.and_then(|request| match request.check(limits) {
        Ok(()) => Ok(request),
        Err(exceeded) => Err(RequestFault::Exceeded(exceeded)),
    });
    let caller = Caller { client: client.to_vec(), envelope, request_id };
    Taken { caller, kind: action.into(), bytes: size.bytes, request }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use crossbeam_channel::{Receiver, bounded};
    use zmq::{Context, SocketType};

    use super::*;
    use crate::config::Config;
    use crate::mailbox::mailbox;
    use crate::protocol::reply::Ports;
    use crate::registry::{Epoch, Registry};
    use crate::server::memory::ProcessMemory;
    use crate::server::shared::SharedRegistry;
    use crate::server::vitals::Watchdog;

    fn thread() -> (Requests, Receiver<Job>) {
        let (jobs, taken) = bounded(1);
        let (stop, _) = bounded(1);
        let socket = Context::new().socket(SocketType::ROUTER).unwrap();
        let mailbox = mailbox(1).unwrap().1;
        let reader = Reader {
            registry: SharedRegistry::new(Registry::new(Epoch::new("tested"), true), None),
            ports: Ports { requests: 1, events: 2, heartbeats: 3 },
            doors: Doors::new(&Config::default()),
            statistics: Statistics::default(),
        };
        let requests = Requests {
            waiting: Waiting::new(&socket, mailbox.descriptor()).unwrap(),
            socket,
            mailbox,
            jobs,
            doors: reader.doors.clone(),
            clock: Clock::start(),
            stop: StopHandle(stop),
            lanes: Lanes::new(Limits::default()),
            limits: Limits::default(),
            handed_over: HandedOver::default(),
            memory: Memory::new(Limits::default(), ProcessMemory::open()),
            statistics: reader.statistics.clone(),
            reader,
            pulse: Watchdog::default().over_clockwork("tested"),
        };
        (requests, taken)
    }

    #[test]
    fn a_backup_is_made_for_programs_on_this_host_alone() {
        let body = br#"{"action": "backup", "destination": "/backup.db"}"#;
        let frames = [b"me".as_slice(), b"REQ", body];

        for (peer, allowed) in [("127.0.0.1", true), ("192.0.2.1", false), ("unknown", false)] {
            let (mut requests, taken) = thread();

            let mut peer: Option<IpAddr> = peer.parse().ok();
            let taken_request = read(&frames, MessageSize::default(), &Limits::default());
            let now = requests.clock.now();
            requests.take_request(taken_request, now, &mut peer).unwrap();

            let job = taken.try_recv().ok();
            assert_eq!(job.is_some(), allowed, "{peer:?}");
            assert!(job.is_none_or(|job| matches!(job.task, Task::Backup(_))));
        }
    }

    /// A thread whose limits are `limits`, and how many of seven requests, with so much of a filler
    /// in each, it answers in each turn.
    fn turns(limits: &str, filler: usize) -> Vec<usize> {
        let (mut requests, _taken) = thread();
        let (_postbox, mailbox) = mailbox(1).unwrap();
        let context = Context::new();
        requests.mailbox = mailbox;
        requests.socket = context.socket(SocketType::ROUTER).unwrap();
        requests.limits = requests.limits.with_text(limits).unwrap();
        requests.socket.bind("inproc://requests").unwrap();
        let flood = context.socket(SocketType::DEALER).unwrap();
        flood.connect("inproc://requests").unwrap();
        let body = format!(r#"{{"action": "health", "filler": "{}"}}"#, "x".repeat(filler));
        for _ in 0..7 {
            flood.send_multipart([b"REQ".as_slice(), body.as_bytes()], 0).unwrap();
        }

        requests.waiting = Waiting::new(&requests.socket, requests.mailbox.descriptor()).unwrap();
        let mut left = Left::Unknown;
        let mut turns = Vec::new();
        while turns.iter().sum::<usize>() < 7 {
            let (state, still_left) = requests.take_turn(left).unwrap();
            assert!(state == State::Running);
            left = still_left;
            let answers = || flood.recv_multipart(zmq::DONTWAIT).ok();
            turns.push(std::iter::from_fn(answers).count());
        }
        turns
    }

    #[test]
    fn no_more_is_taken_in_a_turn_than_the_limits_say() {
        assert_eq!(turns("requests_per_turn=3", 0), [3, 3, 1]);
        // The request with which it is more is answered in that turn.
        assert_eq!(turns("bytes_per_turn=10000", 4_000), [3, 3, 1]);
        assert_eq!(turns("requests_per_turn=2,bytes_per_turn=10000", 4_000), [2, 2, 2, 1]);
    }
}
