//! The storage thread.
//!
//! *Owns* the backend, and is the only one to change the registry. *Receives* jobs from the
//! request thread and the word to clean up from the timer. *Sends* replies to the request thread
//! and events to the event thread. *Ends* when the request and the heartbeat threads are
//! gone and the last job is done; then the backend is closed.
//!
//! It works in turns: take all jobs that wait, plan what they change, commit all changes in one
//! transaction, apply them, and only then release the replies and events. Whatever waits for the
//! disk waits here, and holds no lock while it does.
//!
//! Where several registries share the list, this thread also *receives* from the follower what
//! the others did, and a transaction can be overtaken by one of theirs: then that is applied, and
//! the same jobs are planned again (`storage/others.rs`).

use std::collections::VecDeque;
use std::error::Error;
use std::mem;

use crossbeam_channel::{Receiver, Sender, never, select};

use crate::backend::shared::News;
use crate::backend::{BackendError, Existing};
use crate::clock::{Clock, Now, Stopwatch};
use crate::mailbox::Postbox;
use crate::protocol::action::Action;
use crate::protocol::event::{EventFrames, encode_event};
use crate::protocol::fault::RequestFailure;
use crate::protocol::reply;
use crate::protocol::request::Backup;
use crate::registry::{Change, Event, Plan};

use super::answer::{Answer, Reader};
use super::asker::Asker;
use super::journal;
use super::keeper::{Committed, Keeper};
use super::messages::{Caller, CleanUp, Job, Reply, ToRequests};
use super::shared::SharedRegistry;
use super::statistics::{RequestKind, Statistics};
use super::storage_health::StorageHealth;
use super::thread::Failure;
use super::vitals::Pulse;

mod draft;
mod others;
mod outage;
mod step;
mod turn;

pub(super) use outage::Outage;

use draft::Draft;
use step::{Step, Work, outcome_answer};
use turn::Turn;

/// How many jobs share a transaction at the most. More would make the first of them wait longer
/// and save next to nothing: the cost of the disk is spread over these already.
const JOBS_PER_TURN: usize = 1_024;

/// How many leases a turn looks at, and how many heartbeats it stores, at the most: a hundred
/// thousand that expire at once must not hold up a registration.
const CLEANUP_PER_TURN: usize = 4_096;

/// How many bytes of replies are kept until the turn is over. Behind a write there may be a
/// thousand lists, each of which is as long as everything that is registered.
const REPLY_BYTES_PER_TURN: usize = 1 << 20;

/// Stores what changes, and makes it true: the storage thread, ready to run.
pub(super) struct Storage {
    pub(super) keeper: Keeper,
    pub(super) registry: SharedRegistry,
    pub(super) reader: Reader,
    pub(super) clock: Clock,
    pub(super) jobs: Receiver<Job>,
    /// What other registries do, where some share the list.
    pub(super) news: Receiver<Vec<News>>,
    pub(super) clean_up: Receiver<CleanUp>,
    pub(super) replies: Postbox<ToRequests>,
    pub(super) events: Sender<Vec<EventFrames>>,
    pub(super) outage: Outage,
    pub(super) health: StorageHealth,
    pub(super) statistics: Statistics,
    pub(super) pulse: Pulse,
}

/// What wakes the thread.
enum Wake {
    Job(Job),
    News(Vec<News>),
    CleanUp,
    Closed,
}

impl Storage {
    /// Runs the thread.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let mut cleanup_due = false;
        loop {
            let mut jobs = VecDeque::new();
            if !cleanup_due {
                match self.wait() {
                    Wake::Job(job) => jobs.push_back(job),
                    Wake::CleanUp => cleanup_due = true,
                    Wake::News(news) => self.take_news(news),
                    Wake::Closed => break,
                }
            }
            while let Ok(news) = self.news.try_recv() {
                self.take_news(news);
            }
            let room = JOBS_PER_TURN.saturating_sub(jobs.len());
            jobs.extend(self.jobs.try_iter().take(room));
            self.health.begin(self.clock.now().listening);
            cleanup_due = self.turn(jobs, cleanup_due);
            self.health.end();
            self.pulse.beat();
        }
        self.save_last_heartbeats();
        self.keeper.close().map_err(|error| describe(&error))
    }

    fn wait(&mut self) -> Wake {
        loop {
            select! {
                recv(self.jobs) -> job => return job.map_or(Wake::Closed, Wake::Job),
                recv(self.news) -> news => match news {
                    Ok(news) => return Wake::News(news),
                    // The follower has failed, and the server is stopping.
                    Err(_) => self.news = never(),
                },
                recv(self.clean_up) -> word => match word {
                    Ok(CleanUp) => return Wake::CleanUp,
                    // The timer has ended; there are still jobs to come.
                    Err(_) => self.clean_up = never(),
                },
                // To show that it is alive.
                recv(self.pulse.woken()) -> _ => self.pulse.beat(),
            }
        }
    }

    /// Carries out a batch of jobs, and some of the cleaning up where that is due. True when
    /// some of that is left.
    fn turn(&mut self, jobs: VecDeque<Job>, cleanup_due: bool) -> bool {
        let mut turn = Turn::new(jobs, cleanup_due);
        while !turn.is_over() {
            let now = self.clock.now();
            let registry = self.registry.clone();
            let draft = turn.draft(&registry.read(), &self.keeper, now);
            match self.decide(&draft, now) {
                Ok(Committed::Stored) => {
                    turn.note_stored(&draft);
                    self.complete(draft);
                }
                Ok(Committed::Overtaken(missed)) => {
                    let steps = turn.take_back(draft, &registry.read());
                    self.plan_behind(missed, steps, &mut turn);
                }
                Err(error) if error.is_too_large() && draft.is_divisible() => {
                    let steps = turn.take_back(draft, &registry.read());
                    self.plan_apart(steps, &mut turn);
                }
                Err(error) => {
                    let steps = draft.abandon(&registry.read());
                    turn.note_answered(steps.len());
                    self.refuse_all(steps, &describe(&error));
                    // What could not be cleaned up is tried again when the timer asks next.
                }
            }
        }
        turn.cleanup_left
    }

    /// Commits what was planned. Where all that was asked for is refused, that is a decision, too.
    fn decide(&mut self, draft: &Draft, now: Now) -> Result<Committed, BackendError> {
        if draft.changes().next().is_none() && draft.decides() {
            return self.keeper.confirm(now);
        }
        self.commit(draft.changes(), now)
    }

    fn commit<'a>(
        &mut self,
        changes: impl Iterator<Item = &'a Change>,
        now: Now,
    ) -> Result<Committed, BackendError> {
        let mut changes = changes.peekable();
        if changes.peek().is_none() {
            return Ok(Committed::Stored);
        }
        let stopwatch = Stopwatch::start();
        let committed = self.keeper.commit(changes, now);
        // What is too large for it is no fault of the backend.
        if committed.as_ref().is_err_and(BackendError::is_too_large) {
            return committed;
        }
        match committed {
            Ok(_) => self.statistics.count_commit(stopwatch.read()),
            Err(_) => self.statistics.count_failed_commit(),
        }
        self.outage.note(&committed);
        self.health.note_commit(committed.is_err());
        committed
    }

    /// Makes all of a draft true that is stored, and answers what it was planned for.
    fn complete(&mut self, draft: Draft) {
        let mut events = Vec::new();
        self.apply(draft.cleanup, None, &mut events);
        journal::log_silent_hosts(&events);
        self.finish(draft.steps, events, Self::release);
    }

    fn refuse_all(&mut self, steps: Vec<Step>, reason: &str) {
        self.finish(steps, Vec::new(), |storage, step, _| storage.refuse(step, reason));
    }

    /// Makes changes true that are stored and were asked for by `asker`, and adds what is to be
    /// told of them to `events`.
    fn apply(&self, changes: Vec<Change>, asker: Option<&Asker>, events: &mut Vec<Event>) {
        for change in changes {
            let event = self.registry.write().apply(change, self.clock.now());
            if let Some(event) = event {
                self.note(event, asker, events);
            }
        }
    }

    fn note(&self, event: Event, asker: Option<&Asker>, events: &mut Vec<Event>) {
        journal::log(&event, asker);
        self.statistics.count_event(&event.kind);
        events.push(event);
    }

    /// Brings a turn to its end, whose first `events` are these: `settle` makes of each step its
    /// reply, and further events. They leave together, but for those before a backup, which takes
    /// too long to wait for, and for those that would take too much memory together.
    fn finish(
        &mut self,
        steps: Vec<Step>,
        mut events: Vec<Event>,
        settle: impl Fn(&mut Self, Step, &mut Vec<Event>) -> Reply,
    ) {
        let mut replies = Vec::new();
        let mut bytes = 0;
        for step in steps {
            if bytes >= REPLY_BYTES_PER_TURN || matches!(step.work, Work::Backup(_)) {
                bytes = 0;
                self.deliver(mem::take(&mut replies), &mem::take(&mut events));
            }
            let reply = settle(self, step, &mut events);
            bytes += reply.body.len();
            replies.push(reply);
        }
        self.deliver(replies, &events);
    }

    /// The replies first: somebody waits for them.
    fn deliver(&self, replies: Vec<Reply>, events: &[Event]) {
        self.send(replies);
        self.publish(events);
    }

    /// Tells the subscribers of a turn's events at once: waking the event thread for each of them
    /// would take longer than all the rest.
    fn publish(&self, events: &[Event]) {
        if !events.is_empty() {
            // Without the event thread the server is stopping, and says why.
            let _ = self.events.send(events.iter().map(encode_event).collect());
        }
    }

    /// Makes a step true whose changes are stored, and answers it.
    fn release(&mut self, step: Step, events: &mut Vec<Event>) -> Reply {
        let answer = match step.work {
            Work::Registration(planned, _) | Work::Deregistration(planned, _) => {
                self.apply(planned.changes, step.asker.as_ref(), events);
                outcome_answer(planned.outcome)
            }
            Work::Read(read) => self.reader.answer(read, self.clock.now()),
            Work::Backup(backup) => self.back_up(&backup, step.asker.as_ref()),
            Work::Terminate => return self.goodbye(step),
        };
        self.reply(step.caller, step.action, &step.stopwatch, answer)
    }

    /// Answers a step of a turn whose changes could not be stored.
    fn refuse(&mut self, step: Step, reason: &str) -> Reply {
        let reason = reason.to_owned();
        let answer = match step.work {
            Work::Registration(..) => {
                Answer::from(&RequestFailure::RegistrationNotStored { reason })
            }
            Work::Deregistration(..) => {
                Answer::from(&RequestFailure::DeregistrationNotStored { reason })
            }
            Work::Read(read) => self.reader.answer(read, self.clock.now()),
            Work::Backup(backup) => self.back_up(&backup, step.asker.as_ref()),
            Work::Terminate => return self.goodbye(step),
        };
        self.reply(step.caller, step.action, &step.stopwatch, answer)
    }

    fn back_up(&mut self, backup: &Backup, asker: Option<&Asker>) -> Answer {
        let Backup { destination, force } = backup;
        let existing = if *force { Existing::Replace } else { Existing::Keep };
        match self.keeper.back_up(destination, existing) {
            Ok(()) => {
                log::info!("backed up to {destination:?}{}", journal::by(asker));
                Answer::carried_out(reply::backed_up(destination))
            }
            Err(error) => {
                log::warn!("no backup: {}", describe(&error));
                Answer::from(&RequestFailure::NotBackedUp { reason: describe(&error) })
            }
        }
    }

    fn reply(&self, caller: Caller, action: Action, taken: &Stopwatch, answer: Answer) -> Reply {
        let kind = RequestKind::Action(action);
        self.statistics.count(kind, answer.refused, None);
        self.statistics.count_answer_time(kind, taken.read());
        Reply::new(caller, answer.body)
    }

    fn goodbye(&self, step: Step) -> Reply {
        log::info!("the registry stops{}", journal::by(step.asker.as_ref()));
        self.statistics.count(RequestKind::Action(Action::Terminate), None, None);
        Reply::last(step.caller, reply::terminating(self.clock.now().wall))
    }

    fn send(&self, replies: Vec<Reply>) {
        if !replies.is_empty() {
            self.replies.send(ToRequests::Completed(replies));
        }
    }

    /// Stores the heartbeats that no cleanup has stored yet, before the backend is closed. Those
    /// that are shared are told by the herald.
    fn save_last_heartbeats(&mut self) {
        while self.keeper.batch().is_none() {
            let (registry, now) = (self.registry.clone(), self.clock.now());
            let mut plan = Plan::new(&registry.read(), now);
            let (heard, more) = plan.save_heartbeats(&registry.read(), CLEANUP_PER_TURN);
            if self.commit(heard.iter(), now).is_err() || !more {
                break;
            }
        }
    }
}

/// An error with its causes, in one line.
fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
