//! What one transaction will hold, planned but not yet stored.

use std::collections::VecDeque;

use crate::clock::Now;
use crate::registry::{Change, Plan, Registry};
use crate::server::keeper::{Batch, Keeper};
use crate::server::messages::Job;

use super::CLEANUP_PER_TURN;
use super::step::Step;

/// The changes of one transaction, and the steps that asked for them.
pub(super) struct Draft {
    plan: Plan,
    pub(super) cleanup: Vec<Change>,
    /// Some of the cleaning up is left.
    pub(super) more: bool,
    pub(super) steps: Vec<Step>,
}

impl Draft {
    /// Plans some of the cleaning up, where that is due, and as many of `jobs` as fit, up to
    /// `limit`.
    pub(super) fn new(
        registry: &Registry,
        keeper: &Keeper,
        jobs: &mut VecDeque<Job>,
        limit: usize,
        cleanup_due: bool,
        now: Now,
    ) -> Self {
        let batch = keeper.batch();
        let mut draft = Self {
            plan: Plan::new(registry, now).knowing_until(keeper.known_until(now)),
            cleanup: Vec::new(),
            more: false,
            steps: Vec::new(),
        };
        if cleanup_due {
            draft.clean_up(registry, batch, keeper.hears_all(now));
        }
        draft.plan_jobs(registry, batch, jobs, limit);
        draft
    }

    fn clean_up(&mut self, registry: &Registry, batch: Option<Batch>, hears_all: bool) {
        // Heartbeats that are shared are told by the herald.
        if batch.is_none() {
            let (heard, more) = self.plan.save_heartbeats(registry, CLEANUP_PER_TURN);
            self.cleanup.extend(heard);
            self.more |= more;
        }
        if hears_all {
            let limit = batch.map_or(CLEANUP_PER_TURN, |batch| batch.changes);
            let (expired, more) = self.plan.expire(registry, limit);
            self.cleanup.extend(expired);
            self.more |= more;
        }
    }

    fn plan_jobs(
        &mut self,
        registry: &Registry,
        batch: Option<Batch>,
        jobs: &mut VecDeque<Job>,
        limit: usize,
    ) {
        let mut size = Size::default();
        size.add(&self.cleanup);
        while self.steps.len() < limit
            && batch.is_none_or(|batch| size.fits(batch))
            && let Some(job) = jobs.pop_front()
        {
            let step = Step::plan(&mut self.plan, registry, job, batch.is_some());
            size.add(step.changes());
            self.steps.push(step);
        }
    }

    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.cleanup.iter().chain(self.steps.iter().flat_map(Step::changes))
    }

    /// Whether somebody is told what became of a change that was asked for.
    pub(super) fn decides(&self) -> bool {
        self.steps.iter().any(Step::decides)
    }

    /// Whether it holds more than one thing that can be stored by itself.
    pub(super) fn is_divisible(&self) -> bool {
        self.steps.len() + usize::from(!self.cleanup.is_empty()) > 1
    }

    /// Takes the plan back, and leaves the steps.
    pub(super) fn abandon(self, registry: &Registry) -> Vec<Step> {
        self.plan.abandon(registry);
        self.steps
    }
}

/// How much was planned.
#[derive(Default)]
struct Size {
    changes: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, changes: &[Change]) {
        self.changes += changes.len();
        self.bytes += changes.iter().map(bytes).sum::<usize>();
    }

    const fn fits(&self, batch: Batch) -> bool {
        self.changes < batch.changes && self.bytes < batch.bytes
    }
}

fn bytes(change: &Change) -> usize {
    match change {
        Change::Registered { entry, service_info } => {
            entry.service.bytes() + service_info.as_str().len()
        }
        _ => 0,
    }
}
