//! What concurrent clients asked and were told, in the order in which it happened, and whether
//! one request at a time could have led to the same.

use std::collections::BTreeMap;
use std::fmt::Write;

use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History as CheckedHistory};

use super::specification::{Answer, OneAtATime, Operation, Question};

/// How many steps are shown before the one that contradicts them.
const STEPS_SHOWN: usize = 40;

/// One line of requests to one registry, each asked when the one before was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    /// Which registry is asked, where there are several.
    pub(super) registry: usize,
    pub(super) number: usize,
}

/// An operation in its history.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) line: Line,
    /// The place of the question among all steps, and that of the answer, where one came.
    pub(super) asked: usize,
    pub(super) answered: Option<usize>,
    /// The number of the last event that the answer includes, where it says that.
    pub(super) seq: Option<u64>,
    pub(super) operation: Operation,
}

/// The questions and answers of concurrent clients, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    steps: Vec<(Line, Step)>,
    seqs: BTreeMap<usize, u64>,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Asked(Question),
    Answered(Answer),
}

impl History {
    pub(super) fn ask(&mut self, line: Line, question: Question) {
        self.steps.push((line, Step::Asked(question)));
    }

    pub(super) fn answer(&mut self, line: Line, answer: Answer) {
        self.steps.push((line, Step::Answered(answer)));
    }

    /// As [`Self::answer`], with the number of the last event that the answer includes.
    pub(super) fn answer_as_of(&mut self, line: Line, answer: Answer, seq: u64) {
        self.seqs.insert(self.steps.len(), seq);
        self.answer(line, answer);
    }

    pub(super) fn operations(&self) -> Vec<Asked> {
        let mut operations: Vec<Asked> = Vec::new();
        let mut open: BTreeMap<Line, usize> = BTreeMap::new();
        for (place, (line, step)) in self.steps.iter().enumerate() {
            match step {
                Step::Asked(question) => {
                    open.insert(*line, operations.len());
                    operations.push(Asked {
                        line: *line,
                        asked: place,
                        answered: None,
                        seq: None,
                        operation: Operation { question: *question, answer: None },
                    });
                }
                Step::Answered(answer) => {
                    let operation = &mut operations[open.remove(line).expect("it was asked")];
                    operation.answered = Some(place);
                    operation.seq = self.seqs.get(&place).copied();
                    operation.operation.answer = Some(answer.clone());
                }
            }
        }
        operations
    }

    /// The same with one answer replaced.
    pub(super) fn with_answer(&self, place: usize, answer: Answer) -> Self {
        let mut changed = self.clone();
        changed.steps[place].1 = Step::Answered(answer);
        changed
    }

    pub(super) fn is_linearizable(&self) -> bool {
        let operations = self.operations();
        let mut actions: Vec<Option<(usize, Action<Operation>)>> = vec![None; self.steps.len()];
        let mut last = Vec::new();
        for (number, it) in operations.into_iter().enumerate() {
            let Asked { asked, answered, operation, .. } = it;
            // Nobody can tell whether a question without an answer was asked, unless it writes.
            if answered.is_none() && !operation.question.is_write() {
                continue;
            }
            actions[asked] = Some((number, Action::Call(operation.clone())));
            let answer = Some((number, Action::Response(operation)));
            match answered {
                Some(place) => actions[place] = answer,
                // It may happen at any time, so also when nobody looks any more.
                None => last.push(answer),
            }
        }
        let actions: Vec<_> = actions.into_iter().chain(last).flatten().collect();
        let checked = CheckedHistory::from_actions(actions);
        WGLChecker::<OneAtATime>::is_linearizable(checked)
    }

    /// Fails at the first step that no order of the requests explains.
    #[track_caller]
    pub(super) fn assert_linearizable(&self) {
        if self.is_linearizable() {
            return;
        }
        let until = |steps: usize| Self { steps: self.steps[..steps].to_vec(), ..Self::default() };
        // What explains a history explains its beginning.
        let lengths: Vec<usize> = (1..=self.steps.len()).collect();
        let explained = lengths.partition_point(|length| until(*length).is_linearizable());
        let mut story = String::new();
        let first_shown = (explained + 1).saturating_sub(STEPS_SHOWN);
        for (line, step) in &self.steps[first_shown..=explained] {
            let _ = writeln!(story, "{}.{:<4} {step:?}", line.registry, line.number);
        }
        panic!("no order of the requests explains the last of these answers:\n{story}");
    }
}
