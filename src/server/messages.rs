//! What the threads say to each other. Read this first: besides clients, ZeroMQ, the kernel and the
//! clock, nothing else makes them move.
//!
//! ```text
//! requests ── Job ──▶ storage ── ToRequests::Completed ──▶ requests
//! timer ── CleanUp ──▶ storage ── EventFrames ──▶ events
//! follower ── News ──▶ storage
//! gatekeeper ── somebody came in ──▶ guard (`doors.rs`)
//! server ── Stop ──▶ requests, heartbeats, http
//! whoever asks for signs of life ──▶ all (`vitals.rs`)
//! ```
//!
//! Every channel is bounded, that of jobs by the lanes of the request thread, which never waits
//! for room: it refuses a request instead. The storage thread may wait for the request and the
//! event thread, which wait for nobody.

use crate::clock::Stopwatch;
use crate::protocol::action::Action;
use crate::protocol::envelope::{Envelope, Identity};
use crate::protocol::request::{Backup, Read, Write};
use crate::protocol::request_id::RequestId;

use super::asker::Asker;

/// How many turns' replies may wait for the request thread. It never waits for the storage thread,
/// so the storage thread, which may wait here, is never held up for long.
pub(super) const REPLIES_WAITING_MAX: usize = 4;

/// How many turns' events may wait for the event thread, which never waits for its subscribers.
pub(super) const EVENTS_WAITING_MAX: usize = 4;

/// How many pieces of news from other registries may wait for the storage thread. Behind them, they
/// wait in etcd.
pub(super) const NEWS_WAITING_MAX: usize = 16;

/// Who asked, and how the answer is wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) client: Identity,
    pub(super) envelope: Envelope,
    pub(super) request_id: Option<RequestId>,
}

/// A request that the storage thread answers.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) caller: Caller,
    pub(super) task: Task,
    /// Who asked for it, where others will notice.
    pub(super) asker: Option<Asker>,
    /// Runs since the request was taken.
    pub(super) stopwatch: Stopwatch,
}

/// What the storage thread is asked to do.
#[derive(Debug)]
pub(super) enum Task {
    /// To store something.
    Write(Write),
    /// To answer a read whose client has a write on its way, so that it sees that write.
    Read(Read),
    /// To copy what is stored to a file.
    Backup(Backup),
    /// To say goodbye to a client that has a write on its way.
    Terminate,
}

impl Task {
    /// What the client calls it.
    pub(super) const fn action(&self) -> Action {
        match self {
            Self::Write(Write::Register(_)) => Action::Register,
            Self::Write(Write::Deregister { .. }) => Action::Deregister,
            Self::Read(read) => read.action(),
            Self::Backup(_) => Action::Backup,
            Self::Terminate => Action::Terminate,
        }
    }
}

/// Asks to remove services that expired, and to store the heartbeats that came since the last time.
#[derive(Debug, Clone, Copy)]
pub(super) struct CleanUp;

/// What comes into the mailbox of the request thread.
#[derive(Debug)]
pub(super) enum ToRequests {
    /// Jobs are done; send these, in this order.
    Completed(Vec<Reply>),
    /// Take no more requests, and end when all that were taken are answered.
    Stop,
}

/// An answer on its way to a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) caller: Caller,
    pub(super) body: Vec<u8>,
    /// The client asked the server to stop; do so when this is sent.
    pub(super) then_stop: bool,
}

impl Reply {
    /// The answer `body` to `caller`, with the id that the caller gave to its request.
    pub(super) fn new(caller: Caller, mut body: Vec<u8>) -> Self {
        if let Some(request_id) = &caller.request_id {
            request_id.echo(&mut body);
        }
        Self { caller, body, then_stop: false }
    }

    /// The same, after which the server stops.
    pub(super) fn last(caller: Caller, body: Vec<u8>) -> Self {
        Self { then_stop: true, ..Self::new(caller, body) }
    }
}

/// What comes into the mailbox of the heartbeat thread: end when all that came is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop;
