//! A request on its way through a turn of the storage thread: planned, then answered.

use uuid::Uuid;

use crate::clock::Stopwatch;
use crate::protocol::action::Action;
use crate::protocol::fault::RequestFailure;
use crate::protocol::reply;
use crate::protocol::request::{Backup, Read, Write};
use crate::registry::{Change, Outcome, Plan, Planned, Registry};
use crate::server::answer::Answer;
use crate::server::asker::Asker;
use crate::server::messages::{Caller, Job, Task};

/// One job with what was planned for it.
pub(super) struct Step {
    pub(super) caller: Caller,
    pub(super) action: Action,
    pub(super) work: Work,
    pub(super) asker: Option<Asker>,
    pub(super) stopwatch: Stopwatch,
}

pub(super) enum Work {
    /// With what was asked, where it may have to be planned again.
    Registration(Planned, Option<Write>),
    /// The same.
    Deregistration(Planned, Option<Write>),
    /// Answered when the steps before it are applied, so that it sees just those.
    Read(Read),
    /// Made when the steps around it are stored, all of which it then holds.
    Backup(Backup),
    Terminate,
}

impl Step {
    /// Plans what `job` asks for. What is planned `for_now` only can be asked for again.
    pub(super) fn plan(plan: &mut Plan, registry: &Registry, job: Job, for_now: bool) -> Self {
        let action = job.task.action();
        let work = match job.task {
            Task::Write(write) => {
                let again = for_now.then(|| write.clone());
                match write {
                    Write::Register(registration) => {
                        let planned = plan.register(registry, *registration, Uuid::new_v4());
                        Work::Registration(planned, again)
                    }
                    Write::Deregister { service_id, from } => {
                        Work::Deregistration(plan.deregister(registry, &service_id, from), again)
                    }
                }
            }
            Task::Read(read) => Work::Read(read),
            Task::Backup(backup) => Work::Backup(backup),
            Task::Terminate => Work::Terminate,
        };
        Self { caller: job.caller, action, work, asker: job.asker, stopwatch: job.stopwatch }
    }

    /// The job that this was planned for; the step itself, where it was planned for good.
    pub(super) fn again(self) -> Result<Job, Box<Self>> {
        let Self { caller, action, asker, stopwatch, .. } = self;
        let task = match self.work {
            Work::Registration(_, Some(write)) | Work::Deregistration(_, Some(write)) => {
                Task::Write(write)
            }
            Work::Read(read) => Task::Read(read),
            Work::Backup(backup) => Task::Backup(backup),
            Work::Terminate => Task::Terminate,
            work => return Err(Box::new(Self { caller, action, work, asker, stopwatch })),
        };
        Ok(Job { caller, task, asker, stopwatch })
    }

    pub(super) const fn decides(&self) -> bool {
        matches!(self.work, Work::Registration(..) | Work::Deregistration(..))
    }

    pub(super) fn changes(&self) -> &[Change] {
        match &self.work {
            Work::Registration(planned, _) | Work::Deregistration(planned, _) => &planned.changes,
            Work::Read(_) | Work::Backup(_) | Work::Terminate => &[],
        }
    }
}

pub(super) fn outcome_answer(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Registered(id) => Answer::carried_out(reply::registered(&id)),
        Outcome::Deregistered => Answer::carried_out(reply::deregistered()),
        Outcome::Refused(refusal) => Answer::from(&RequestFailure::Refused(refusal)),
    }
}
