//! What several registries that share a list answered, held against the one order in which all of
//! them tell what happened.
//!
//! Each answer has a place in that order, which is the number of the last event that it knows:
//!
//! - A change stands where it is told, and what refuses one stands where the refusal is right.
//!   Neither stands before a change or refusal that was answered before it was asked for, by
//!   whichever registry.
//! - What was looked at stands where it was so. It does not stand before anything that the same
//!   registry answered before: it may be behind another registry, and never goes back.
//! - Nothing stands behind a change that was asked for later, by whomever.

use std::fmt::Write;

use todc_utils::Specification;

use super::clients::Recording;
use super::history::{Asked, History, Line};
use super::specification::{Answer, Id, OneAtATime, Operation, Question, Services, Version};
use super::told::Life;

/// What is registered from one event on until the next.
struct State {
    since: u64,
    services: Services,
    /// The change that led to it; none, at the beginning.
    by: Option<Question>,
}

/// What the list held behind each event, in the order of events.
pub(super) struct OneOrder {
    states: Vec<State>,
}

/// Checks what was answered while a history was made, of whose services there was none before.
#[track_caller]
pub(super) fn assert_one_order(recording: &Recording, life: &Life) {
    let order = OneOrder::new(life.since.seq(), life.changes(recording));
    if let Some(story) = order.misplaced(&recording.history()) {
        panic!("{story}");
    }
}

impl OneOrder {
    /// The order in which changes were told behind `since`, at which there was nothing.
    pub(super) fn new(since: u64, told: impl IntoIterator<Item = (u64, Question)>) -> Self {
        let mut states = vec![State { since, services: Services::new(), by: None }];
        for (seq, question) in told {
            let before = &states.last().expect("there is the first").services;
            let change = Operation { question, answer: Some(Answer::Done) };
            let (fits, services) = OneAtATime::apply(&change, before);
            assert!(fits, "event {seq}: {question:?} is no change to {before:?}");
            states.push(State { since: seq, services, by: Some(question) });
        }
        Self { states }
    }

    /// The first answer that has no place in the order, if there is one.
    pub(super) fn misplaced(&self, history: &History) -> Option<String> {
        let operations = history.operations();
        let ends = self.ends(&operations);
        let mut answered: Vec<&Asked> = operations.iter().filter(|it| counts(it)).collect();
        answered.sort_by_key(|it| it.answered);
        let mut placed: Vec<(&Asked, u64)> = Vec::new();
        for it in answered {
            let binding = placed.iter().filter(|(other, _)| binds(other, it));
            // The first place that fits leaves the most room for those behind.
            let last = binding.max_by_key(|(_, place)| *place);
            let least = last.map_or(0, |(_, place)| *place);
            let end = ends[operations.partition_point(|other| Some(other.asked) < it.answered)];
            let Some(place) = self.place(it, least, end) else {
                return Some(self.story(it, last, end));
            };
            placed.push((it, place));
        }
        None
    }

    /// Tells why an answer has no place behind `last` and before `end`.
    fn story(&self, it: &Asked, last: Option<&(&Asked, u64)>, end: u64) -> String {
        let least = last.map_or(0, |(_, place)| *place);
        let mut story = format!("{it:?}\nhas no place before {end} and behind\n{last:?}\n");
        for state in self.states.iter().filter(|state| state.since < end.saturating_add(3)) {
            if state.since + 10 >= least {
                let _ = writeln!(story, "{:>6} {:?}: {:?}", state.since, state.by, state.services);
            }
        }
        story
    }

    /// Where the first is told of the changes that were asked for at an operation or later; one
    /// more for none.
    fn ends(&self, operations: &[Asked]) -> Vec<u64> {
        let mut ends = vec![u64::MAX];
        for it in operations.iter().rev() {
            let told = self.told(it.operation.question).unwrap_or(u64::MAX);
            ends.push(told.min(ends[ends.len() - 1]));
        }
        ends.reverse();
        ends
    }

    /// The first place from `least` on and before `end` that an answer fits.
    fn place(&self, it: &Asked, least: u64, end: u64) -> Option<u64> {
        let is_change =
            it.operation.question.is_write() && it.operation.answer == Some(Answer::Done);
        let nexts = self.states.iter().skip(1).map(|state| state.since).chain([u64::MAX]);
        self.states.iter().zip(nexts).find_map(|(state, next)| {
            let from = state.since.max(least);
            let place = it.seq.unwrap_or(if is_change { state.since } else { from });
            let fits = if is_change {
                state.by == Some(it.operation.question)
            } else {
                OneAtATime::apply(&it.operation, &state.services).0
            };
            (fits && (from..next.min(end)).contains(&place)).then_some(place)
        })
    }

    /// Where a registration is told. No two are the same, as deregistrations are.
    fn told(&self, question: Question) -> Option<u64> {
        if !matches!(question, Question::Register { .. }) {
            return None;
        }
        self.states.iter().find(|state| state.by == Some(question)).map(|state| state.since)
    }
}

/// Whether an answer says something about the order.
fn counts(it: &Asked) -> bool {
    !matches!(it.operation.answer, None | Some(Answer::NotStored))
}

/// Whether `later` may not stand before `other`.
fn binds(other: &Asked, later: &Asked) -> bool {
    let are_writes = other.operation.question.is_write() && later.operation.question.is_write();
    let are_of_one_registry = other.line.registry == later.line.registry;
    (are_writes || are_of_one_registry) && other.answered < Some(later.asked)
}

const fn register(id: Id, version: Version) -> Question {
    Question::Register { id, service_type: 0, shared: false, version }
}

/// A registration, its replacement and its end are told as 11, 12 and 13. Each line is a registry,
/// what it is asked and what it answers, with the number of a list; one line behind the other.
fn is_explained(lines: &[(usize, Question, Answer, Option<u64>)]) -> bool {
    let changes = [register(0, 1), register(0, 2), Question::Deregister { id: 0 }];
    let order = OneOrder::new(10, (11..).zip(changes));
    let mut history = History::default();
    for (number, (registry, question, answer, seq)) in lines.iter().enumerate() {
        let line = Line { registry: *registry, number };
        history.ask(line, *question);
        match seq {
            Some(seq) => history.answer_as_of(line, answer.clone(), *seq),
            None => history.answer(line, answer.clone()),
        }
    }
    order.misplaced(&history).is_none()
}

#[test]
fn a_registry_may_be_behind_another_but_goes_nowhere_else() {
    use Answer::{Done, Nobody, Service, Services, TakenBy};
    let done = |registry, question| (registry, question, Done, None);
    let get = |registry, answer| (registry, Question::Get { id: 0 }, answer, None);
    let list = |registry, services, seq| (registry, Question::List, Services(services), Some(seq));
    let (first, second, end) =
        (done(0, register(0, 1)), done(0, register(0, 2)), done(0, Question::Deregister { id: 0 }));
    let refused = |id| (1, register(1, 9), TakenBy(id), None);

    let right = [
        vec![first.clone(), get(1, Nobody), get(1, Service(0, 1))],
        vec![first.clone(), second.clone(), get(0, Service(0, 2)), get(1, Service(0, 1))],
        vec![first.clone(), second.clone(), list(1, vec![(0, 1)], 11), list(1, vec![(0, 2)], 12)],
        vec![first.clone(), refused(0)],
    ];
    for lines in right {
        assert!(is_explained(&lines), "{lines:?}");
    }
    let wrong = [
        ("back", vec![first.clone(), get(1, Service(0, 1)), get(1, Nobody), second.clone()]),
        ("behind itself", vec![first.clone(), get(0, Nobody), second.clone()]),
        ("ahead", vec![first.clone(), get(1, Service(0, 2)), second.clone()]),
        ("never so", vec![first.clone(), get(1, Service(0, 7))]),
        ("not told", vec![done(0, register(3, 3))]),
        ("another number", vec![first.clone(), second.clone(), list(1, vec![(0, 1)], 12)]),
        (
            "numbers that go back",
            vec![first.clone(), list(1, vec![(0, 1)], 11), list(1, vec![], 10)],
        ),
        ("refused for nobody", vec![first.clone(), second.clone(), end.clone(), refused(0)]),
        ("told in another order", vec![second, first, end]),
    ];
    for (name, lines) in wrong {
        assert!(!is_explained(&lines), "{name}");
    }
}
