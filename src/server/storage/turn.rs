//! The work of one turn, and how far it has come.

use std::collections::VecDeque;
use std::mem;

use crate::clock::Now;
use crate::registry::Registry;
use crate::server::keeper::Keeper;
use crate::server::messages::Job;

use super::draft::Draft;
use super::step::Step;

/// The jobs of one turn that are not answered yet, and the cleaning up where that is due.
pub(super) struct Turn {
    pub(super) jobs: VecDeque<Job>,
    cleanup_due: bool,
    /// Some of the cleaning up is left for the next turn.
    pub(super) cleanup_left: bool,
    /// How often other registries were first with what they stored, one time after the other.
    pub(super) overtaken: usize,
    /// So many jobs were too much together, and are planned one by one.
    pub(super) apart: usize,
}

impl Turn {
    pub(super) const fn new(jobs: VecDeque<Job>, cleanup_due: bool) -> Self {
        Self { jobs, cleanup_due, cleanup_left: false, overtaken: 0, apart: 0 }
    }

    /// Whether all is done.
    pub(super) fn is_over(&self) -> bool {
        !self.cleanup_due && self.jobs.is_empty()
    }

    /// Plans what goes into the next transaction.
    pub(super) fn draft(&mut self, registry: &Registry, keeper: &Keeper, now: Now) -> Draft {
        let limit = if self.apart == 0 { usize::MAX } else { 1 };
        let cleanup_due = mem::take(&mut self.cleanup_due);
        Draft::new(registry, keeper, &mut self.jobs, limit, cleanup_due, now)
    }

    /// Notes that a draft is kept.
    pub(super) fn note_stored(&mut self, draft: &Draft) {
        self.cleanup_left |= draft.more;
        self.overtaken = 0;
        self.note_answered(draft.steps.len());
    }

    /// Takes back what was planned and not stored, and leaves the steps, to be planned again. What
    /// was to be cleaned up is still due in the next turn.
    pub(super) fn take_back(&mut self, draft: Draft, registry: &Registry) -> Vec<Step> {
        self.cleanup_left |= !draft.cleanup.is_empty();
        draft.abandon(registry)
    }

    /// Notes that so many jobs are answered.
    pub(super) fn note_answered(&mut self, steps: usize) {
        self.apart = self.apart.saturating_sub(steps);
    }
}
