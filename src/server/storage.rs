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

use std::error::Error;
use std::mem;

use crossbeam_channel::{Receiver, Sender, never, select};
use uuid::Uuid;

use crate::backend::{Backend, BackendError, Existing, Record};
use crate::clock::{Clock, Stopwatch};
use crate::mailbox::Postbox;
use crate::protocol::action::Action;
use crate::protocol::event::{EventFrames, encode_event};
use crate::protocol::fault::Failure as RequestFailure;
use crate::protocol::reply::{self, Ports};
use crate::protocol::request::{Backup, Read, Write};
use crate::registry::{Change, Event, Outcome, Plan, Planned, Registry};

use super::answer::{Answer, answer};
use super::doors::Doors;
use super::journal;
use super::messages::{Caller, CleanUp, Job, Reply, Task, ToRequests};
use super::shared::SharedRegistry;
use super::statistics::{Asked, Statistics};
use super::storage_health::StorageHealth;
use super::thread::Failure;
use super::vitals::Pulse;

/// How many jobs share a transaction at the most. More would make the first of them wait longer
/// and save next to nothing: the cost of the disk is spread over these already.
const JOBS_PER_TURN: usize = 1_024;

/// How many leases a turn looks at, and how many heartbeats it stores, at the most: a hundred
/// thousand that expire at once must not hold up a registration.
const CLEANUP_PER_TURN: usize = 4_096;

/// See the module's page.
pub(super) struct Storage {
    pub(super) backend: Box<dyn Backend>,
    pub(super) registry: SharedRegistry,
    pub(super) clock: Clock,
    pub(super) ports: Ports,
    pub(super) doors: Doors,
    pub(super) jobs: Receiver<Job>,
    pub(super) clean_up: Receiver<CleanUp>,
    pub(super) replies: Postbox<ToRequests>,
    pub(super) events: Sender<Vec<EventFrames>>,
    pub(super) outage: Outage,
    pub(super) health: StorageHealth,
    pub(super) statistics: Statistics,
    pub(super) pulse: Pulse,
}

/// How many commits have failed since the last one that did not.
#[derive(Debug, Default)]
pub(super) struct Outage {
    failed_commits: u64,
}

/// What wakes the thread.
enum Wake {
    Job(Job),
    CleanUp,
    Closed,
}

/// A job on its way through a turn.
struct Step {
    caller: Caller,
    action: Action,
    work: Work,
    stopwatch: Stopwatch,
}

enum Work {
    Registration(Planned),
    Deregistration(Planned),
    /// Answered when the steps before it are applied, so that it sees just those.
    Read(Read),
    /// Made when the steps around it are stored, all of which it then holds.
    Backup(Backup),
    Terminate,
}

impl Storage {
    /// Runs the thread.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let mut cleanup_due = false;
        loop {
            let mut jobs = Vec::new();
            if !cleanup_due {
                match self.wait() {
                    Wake::Job(job) => jobs.push(job),
                    Wake::CleanUp => cleanup_due = true,
                    Wake::Closed => break,
                }
            }
            let room = JOBS_PER_TURN.saturating_sub(jobs.len());
            jobs.extend(self.jobs.try_iter().take(room));
            self.health.begin(self.clock.now().listening);
            cleanup_due = self.turn(jobs, cleanup_due);
            self.health.end();
            self.pulse.beat();
        }
        self.save_last_heartbeats();
        self.backend.close().map_err(|error| describe(&error))
    }

    fn wait(&mut self) -> Wake {
        loop {
            select! {
                recv(self.jobs) -> job => return job.map_or(Wake::Closed, Wake::Job),
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
    fn turn(&mut self, jobs: Vec<Job>, cleanup_due: bool) -> bool {
        let now = self.clock.now();
        let registry = self.registry.clone();
        let (plan, cleanup, steps, more) = {
            let registry = registry.read();
            let mut plan = Plan::new(&registry, now);
            let mut cleanup = Vec::new();
            let mut more = false;
            if cleanup_due {
                let (heard, more_heard) = plan.save_heartbeats(&registry, CLEANUP_PER_TURN);
                let (expired, more_expired) = plan.expire(&registry, CLEANUP_PER_TURN);
                cleanup.extend(heard);
                cleanup.extend(expired);
                more = more_heard || more_expired;
            }
            let steps: Vec<Step> =
                jobs.into_iter().map(|job| plan_job(&mut plan, &registry, job)).collect();
            (plan, cleanup, steps, more)
        };

        let changes = cleanup.iter().chain(steps.iter().flat_map(Step::changes));
        let records: Vec<Record<'_>> = changes.map(Record::from).collect();
        match self.commit(&records) {
            Ok(()) => {
                drop(records);
                let mut events = Vec::new();
                self.apply(cleanup, &mut events);
                journal::log_silent_hosts(&events);
                self.finish(steps, events, Self::release);
                more
            }
            Err(reason) => {
                drop(records);
                plan.abandon(&registry.read());
                self.finish(steps, Vec::new(), |storage, step, _| storage.refuse(step, &reason));
                // What could not be cleaned up is tried again when the timer asks next.
                false
            }
        }
    }

    fn commit(&mut self, records: &[Record<'_>]) -> Result<(), String> {
        if records.is_empty() {
            return Ok(());
        }
        let stopwatch = Stopwatch::start();
        let committed = self.backend.commit(records);
        match committed {
            Ok(()) => self.statistics.count_commit(stopwatch.read()),
            Err(_) => self.statistics.count_failed_commit(),
        }
        self.outage.note(&committed);
        self.health.note_commit(committed.is_err());
        committed.map_err(|error| describe(&error))
    }

    /// Makes changes true that are stored, and adds what is to be told of them to `events`.
    fn apply(&self, changes: Vec<Change>, events: &mut Vec<Event>) {
        for change in changes {
            let event = self.registry.write().apply(change, self.clock.now());
            if let Some(event) = event {
                journal::log(&event);
                self.statistics.count_event(&event.kind);
                events.push(event);
            }
        }
    }

    /// Brings a turn to its end, whose first `events` are these: `settle` makes of each step its
    /// reply, and further events. They leave together, but for those before a backup, which takes
    /// too long to wait for.
    fn finish(
        &mut self,
        steps: Vec<Step>,
        mut events: Vec<Event>,
        settle: impl Fn(&mut Self, Step, &mut Vec<Event>) -> Reply,
    ) {
        let mut replies = Vec::new();
        for step in steps {
            if matches!(step.work, Work::Backup(_)) {
                self.send(mem::take(&mut replies));
                self.publish(&mem::take(&mut events));
            }
            replies.push(settle(self, step, &mut events));
        }
        // Somebody waits for the replies.
        self.send(replies);
        self.publish(&events);
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
            Work::Registration(planned) | Work::Deregistration(planned) => {
                self.apply(planned.changes, events);
                outcome_answer(planned.outcome)
            }
            Work::Read(read) => self.answer(read),
            Work::Backup(backup) => self.back_up(&backup),
            Work::Terminate => return self.goodbye(step.caller),
        };
        self.reply(step.caller, step.action, &step.stopwatch, answer)
    }

    /// Answers a step of a turn whose changes could not be stored.
    fn refuse(&mut self, step: Step, reason: &str) -> Reply {
        let reason = reason.to_owned();
        let answer = match step.work {
            Work::Registration(_) => {
                Answer::from(&RequestFailure::RegistrationNotStored { reason })
            }
            Work::Deregistration(_) => {
                Answer::from(&RequestFailure::DeregistrationNotStored { reason })
            }
            Work::Read(read) => self.answer(read),
            Work::Backup(backup) => self.back_up(&backup),
            Work::Terminate => return self.goodbye(step.caller),
        };
        self.reply(step.caller, step.action, &step.stopwatch, answer)
    }

    fn answer(&self, read: Read) -> Answer {
        let Self { registry, clock, ports, doors, statistics, .. } = self;
        answer(registry, clock, ports, doors, statistics, read)
    }

    fn back_up(&mut self, backup: &Backup) -> Answer {
        let Backup { destination, force } = backup;
        let existing = if *force { Existing::Replace } else { Existing::Keep };
        match self.backend.back_up(destination, existing) {
            Ok(()) => {
                log::info!("backed up to {destination:?}");
                Answer::carried_out(reply::backed_up(destination))
            }
            Err(error) => {
                log::warn!("no backup: {}", describe(&error));
                Answer::from(&RequestFailure::NotBackedUp { reason: describe(&error) })
            }
        }
    }

    fn reply(&self, caller: Caller, action: Action, taken: &Stopwatch, answer: Answer) -> Reply {
        let asked = Asked::Request(action);
        self.statistics.count(asked, answer.refused, None);
        self.statistics.count_answer_time(asked, taken.read());
        Reply::new(caller, answer.body)
    }

    fn goodbye(&self, caller: Caller) -> Reply {
        self.statistics.count(Asked::Request(Action::Terminate), None, None);
        Reply::last(caller, reply::terminating(self.clock.now().wall))
    }

    fn send(&self, replies: Vec<Reply>) {
        if !replies.is_empty() {
            self.replies.send(ToRequests::Completed(replies));
        }
    }

    /// Stores the heartbeats that no cleanup has stored yet, before the backend is closed.
    fn save_last_heartbeats(&mut self) {
        loop {
            let registry = self.registry.clone();
            let mut plan = Plan::new(&registry.read(), self.clock.now());
            let (heard, more) = plan.save_heartbeats(&registry.read(), CLEANUP_PER_TURN);
            let records: Vec<Record<'_>> = heard.iter().map(Record::from).collect();
            if self.commit(&records).is_err() || !more {
                break;
            }
        }
    }
}

impl Step {
    fn changes(&self) -> &[Change] {
        match &self.work {
            Work::Registration(planned) | Work::Deregistration(planned) => &planned.changes,
            Work::Read(_) | Work::Backup(_) | Work::Terminate => &[],
        }
    }
}

impl Outage {
    fn note(&mut self, committed: &Result<(), BackendError>) {
        match committed {
            Ok(()) => {
                if self.failed_commits > 0 {
                    log::info!("the backend stores again, after {} failures", self.failed_commits);
                }
                self.failed_commits = 0;
            }
            Err(error) => {
                self.failed_commits += 1;
                log::error!(
                    "could not store changes, registrations are refused: {}",
                    describe(error)
                );
            }
        }
    }
}

fn plan_job(plan: &mut Plan, registry: &Registry, job: Job) -> Step {
    let action = job.task.action();
    let work = match job.task {
        Task::Write(Write::Register(registration)) => {
            Work::Registration(plan.register(registry, *registration, Uuid::new_v4()))
        }
        Task::Write(Write::Deregister { service_id, from }) => {
            Work::Deregistration(plan.deregister(registry, &service_id, from))
        }
        Task::Read(read) => Work::Read(read),
        Task::Backup(backup) => Work::Backup(backup),
        Task::Terminate => Work::Terminate,
    };
    Step { caller: job.caller, action, work, stopwatch: job.stopwatch }
}

fn outcome_answer(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Registered(id) => Answer::carried_out(reply::registered(&id)),
        Outcome::Deregistered => Answer::carried_out(reply::deregistered()),
        Outcome::Refused(refusal) => Answer::from(&RequestFailure::Refused(refusal)),
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
