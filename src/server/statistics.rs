//! What the threads count, for `info`, the log and whoever measures.
//!
//! Counting costs an addition to a number in memory, which nobody waits for. Numbers that belong
//! together can be read in the middle of a change, and are right a moment later.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::ListeningTime;
use crate::limits::Limit;
use crate::protocol::action::Action;
use crate::protocol::code::Code;
use crate::protocol::reply::{Counts, Totals};
use crate::registry::EventKind;

use super::refusals::{Refusals, Refused, Report};
use super::transport::Delivery;

/// The upper ends of the ranges in which commits are counted by how long they took. What took
/// longer than the last is counted after it.
pub(super) const COMMIT_RANGES: [Duration; 10] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// The same for answers, most of which come from memory.
pub(super) const ANSWER_RANGES: [Duration; 12] = [
    Duration::from_micros(5),
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(5),
];

/// What a message asks for, as far as it can be told: by this, answers are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// An action of the request socket.
    Action(Action),
    /// A renewal on the heartbeat socket.
    Heartbeat,
    /// Nothing that could be read.
    Unreadable,
}

/// The counters of a server. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Statistics(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    answers: [Answers; RequestKind::COUNT],
    exceeded: [Counter; Limit::ALL.len()],
    registrations: Counter,
    deregistrations: Counter,
    expiries: Counter,
    commits: [Counter; COMMIT_RANGES.len() + 1],
    commit_microseconds: Counter,
    failed_commits: Counter,
    undelivered: Counter,
    jobs: AtomicU64,
    events: AtomicU64,
    /// Taken for what is refused alone.
    untold: Mutex<Refusals>,
}

/// How requests of one kind were answered. In a line of the processor's cache of its own, so that
/// threads that count different requests do not disturb each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Answers {
    carried_out: Counter,
    refused: [Counter; Code::ALL.len()],
    durations: [Counter; ANSWER_RANGES.len() + 1],
    nanoseconds: Counter,
}

#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl RequestKind {
    const COUNT: usize = Action::ALL.len() + 2;

    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Action::ALL.into_iter().map(Self::Action).chain([Self::Heartbeat, Self::Unreadable])
    }

    /// A name for it, in `info` and wherever numbers are shown.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Action(action) => action.name(),
            Self::Heartbeat => "heartbeat",
            Self::Unreadable => "unreadable",
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Action(action) => action as usize,
            Self::Heartbeat => Action::ALL.len(),
            Self::Unreadable => Action::ALL.len() + 1,
        }
    }
}

impl From<Option<Action>> for RequestKind {
    fn from(action: Option<Action>) -> Self {
        action.map_or(Self::Unreadable, Self::Action)
    }
}

impl Statistics {
    /// Counts an answer that took so long.
    pub(super) fn count_answer_time(&self, kind: RequestKind, duration: Duration) {
        let answers = &self.0.answers[kind.index()];
        let range = ANSWER_RANGES.partition_point(|end| *end < duration);
        answers.durations[range].add(1);
        answers.nanoseconds.add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts an answer to `client`.
    pub(super) fn count(
        &self,
        kind: RequestKind,
        refused: Option<Refused>,
        client: Option<IpAddr>,
    ) {
        let answers = &self.0.answers[kind.index()];
        let Some(refused) = refused else { return answers.carried_out.add(1) };
        answers.refused[refused.code as usize].add(1);
        if let Some(limit) = refused.limit {
            self.0.exceeded[limit as usize].add(1);
        }
        if refused.is_worth_telling() {
            self.untold().note(refused, client);
        }
    }

    /// Counts something for `client` that was no request, and more than `limit` allows.
    pub(super) fn count_exceeded(&self, limit: Limit, client: Option<IpAddr>) {
        self.0.exceeded[limit as usize].add(1);
        self.untold().note(Refused { code: Code::LimitExceeded, limit: Some(limit) }, client);
    }

    /// Counts a connection that was closed for the memory that it took.
    pub(super) fn count_closed(&self) {
        self.0.exceeded[Limit::MemoryBytes as usize].add(1);
    }

    /// What the log is to tell of refusals now.
    pub(super) fn report(&self, now: ListeningTime) -> Option<Report> {
        self.untold().report(now)
    }

    /// What the log has not told of refusals yet.
    pub(super) fn last_report(&self) -> Option<Report> {
        self.untold().rest()
    }

    /// Counts what came true in the registry.
    pub(super) fn count_event(&self, event: &EventKind) {
        match event {
            EventKind::Register { .. } => self.0.registrations.add(1),
            EventKind::Deregister { .. } => self.0.deregistrations.add(1),
            EventKind::Expire { .. } => self.0.expiries.add(1),
        }
    }

    /// Counts a commit that took so long.
    pub(super) fn count_commit(&self, duration: Duration) {
        let range = COMMIT_RANGES.partition_point(|end| *end < duration);
        self.0.commits[range].add(1);
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.0.commit_microseconds.add(microseconds);
    }

    /// Counts a commit that failed.
    pub(super) fn count_failed_commit(&self) {
        self.0.failed_commits.add(1);
    }

    /// Counts what became of a reply.
    pub(super) fn count_delivery(&self, delivery: Delivery) {
        match delivery {
            Delivery::Sent => {}
            Delivery::Full => self.count_dropped(Limit::RepliesPerClient),
            Delivery::Gone => self.0.undelivered.add(1),
        }
    }

    /// Counts a reply that was dropped, because there would be more than `limit` allows.
    pub(super) fn count_dropped(&self, limit: Limit) {
        self.0.undelivered.add(1);
        self.count_exceeded(limit, None);
    }

    /// Notes how many jobs wait to be stored.
    pub(super) fn set_jobs(&self, jobs: usize) {
        self.0.jobs.store(jobs as u64, Ordering::Relaxed);
    }

    /// Notes how many batches of events wait to be published; those of a turn are one.
    pub(super) fn set_events(&self, events: usize) {
        self.0.events.store(events as u64, Ordering::Relaxed);
    }

    /// How many requests were carried out.
    pub(super) fn carried_out(&self, kind: RequestKind) -> u64 {
        self.0.answers[kind.index()].carried_out.get()
    }

    /// How many requests were refused with this code.
    pub(super) fn refused(&self, kind: RequestKind, code: Code) -> u64 {
        self.0.answers[kind.index()].refused[code as usize].get()
    }

    /// How many answers ended in each of the [`ANSWER_RANGES`], and beyond them.
    pub(super) fn answers_by_duration(&self, kind: RequestKind) -> [u64; ANSWER_RANGES.len() + 1] {
        std::array::from_fn(|range| self.0.answers[kind.index()].durations[range].get())
    }

    /// How long all answers took together.
    pub(super) fn time_in_answers(&self, kind: RequestKind) -> Duration {
        Duration::from_nanos(self.0.answers[kind.index()].nanoseconds.get())
    }

    /// What `info` tells.
    pub(super) fn counts(&self) -> Counts {
        let carried_out = |kind: RequestKind| (kind.name(), self.carried_out(kind));
        let refused = |code: Code| (code.as_str(), self.refused_with(code));
        let exceeded = |limit: Limit| (limit.name(), self.exceeded(limit));
        let is_some = |(_, count): &(&str, u64)| *count > 0;
        Counts {
            requests: RequestKind::all().map(carried_out).filter(is_some).collect(),
            refused: Code::ALL.into_iter().map(refused).filter(is_some).collect(),
            exceeded: Limit::ALL.into_iter().map(exceeded).filter(is_some).collect(),
            totals: Totals {
                registrations: self.registrations(),
                deregistrations: self.deregistrations(),
                expiries: self.expiries(),
                commits: self.commits(),
                failed_commits: self.failed_commits(),
                undelivered: self.undelivered(),
            },
            jobs_waiting: self.jobs(),
        }
    }

    /// How many requests of all kinds were refused with this code.
    pub(super) fn refused_with(&self, code: Code) -> u64 {
        RequestKind::all().map(|kind| self.refused(kind, code)).sum()
    }

    /// How many things were more than `limit` allows.
    pub(super) fn exceeded(&self, limit: Limit) -> u64 {
        self.0.exceeded[limit as usize].get()
    }

    /// How many services were registered, a second time under their id or for the first.
    pub(super) fn registrations(&self) -> u64 {
        self.0.registrations.get()
    }

    /// How many services were deregistered.
    pub(super) fn deregistrations(&self) -> u64 {
        self.0.deregistrations.get()
    }

    /// How many services expired.
    pub(super) fn expiries(&self) -> u64 {
        self.0.expiries.get()
    }

    /// How many commits ended in each of the [`COMMIT_RANGES`], and beyond them.
    pub(super) fn commits_by_duration(&self) -> [u64; COMMIT_RANGES.len() + 1] {
        std::array::from_fn(|range| self.0.commits[range].get())
    }

    /// How many commits there were.
    pub(super) fn commits(&self) -> u64 {
        self.commits_by_duration().iter().sum()
    }

    /// How long all commits took together.
    pub(super) fn time_in_commits(&self) -> Duration {
        Duration::from_micros(self.0.commit_microseconds.get())
    }

    /// How many commits failed.
    pub(super) fn failed_commits(&self) -> u64 {
        self.0.failed_commits.get()
    }

    /// How many replies were not taken by their receivers.
    pub(super) fn undelivered(&self) -> u64 {
        self.0.undelivered.get()
    }

    /// How many jobs wait to be stored.
    pub(super) fn jobs(&self) -> u64 {
        self.0.jobs.load(Ordering::Relaxed)
    }

    /// How many batches of events wait to be published.
    pub(super) fn events(&self) -> u64 {
        self.0.events.load(Ordering::Relaxed)
    }

    fn untold(&self) -> MutexGuard<'_, Refusals> {
        self.0.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_a_number_of_its_own() {
        for (number, kind) in RequestKind::all().enumerate() {
            assert_eq!(kind.index(), number);
        }
        assert_eq!(RequestKind::all().count(), RequestKind::COUNT);
    }

    #[test]
    fn what_is_counted_is_read_where_it_belongs() {
        let statistics = Statistics::default();
        let get = RequestKind::Action(Action::Get);

        let refused = Refused { code: Code::ServiceNotFound, limit: None };
        statistics.count(get, None, None);
        statistics.clone().count(get, Some(refused), None);
        statistics.count(RequestKind::Heartbeat, Some(refused), None);

        assert_eq!(statistics.carried_out(get), 1);
        assert_eq!(statistics.refused(get, Code::ServiceNotFound), 1);
        assert_eq!(statistics.refused_with(Code::ServiceNotFound), 2);
        assert_eq!(statistics.refused_with(Code::Overloaded), 0);
        assert_eq!(statistics.carried_out(RequestKind::Heartbeat), 0);
    }

    #[test]
    fn an_answer_is_counted_in_the_range_in_which_it_ended() {
        let statistics = Statistics::default();

        for microseconds in [5, 6, 10_000_000] {
            let duration = Duration::from_micros(microseconds);
            statistics.count_answer_time(RequestKind::Heartbeat, duration);
        }

        let counts = statistics.answers_by_duration(RequestKind::Heartbeat);
        assert_eq!(counts, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(
            statistics.time_in_answers(RequestKind::Heartbeat),
            Duration::from_micros(10_000_011)
        );
        assert_eq!(statistics.answers_by_duration(RequestKind::Unreadable), [0; 13]);
    }

    #[test]
    fn a_commit_is_counted_in_the_range_in_which_it_ended() {
        let statistics = Statistics::default();

        for milliseconds in [0, 1, 3, 6_000] {
            statistics.count_commit(Duration::from_millis(milliseconds));
        }

        assert_eq!(statistics.commits_by_duration(), [1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(statistics.commits(), 4);
        assert_eq!(statistics.time_in_commits(), Duration::from_millis(6_004));
    }
}
