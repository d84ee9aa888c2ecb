//! The core does what a naive model of it does, whatever happens in whatever order: every
//! action, heartbeats in the middle of a commit, ticks, pauses, steps of the clock, restarts,
//! and commits that fail.
//!
//! The model (`model/naive.rs`) is a list and a few rules. The real thing (`model/real.rs`) is
//! `Registry`, driven as the storage thread drives it. After every action both must show the
//! same. A sequence that tells them apart is shrunk and printed.

mod action;
mod naive;
mod real;
mod words;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};
use service_registry::backend::SqliteBackend;

use action::{Action, actions};
use naive::Naive;
use real::{Kept, Real};
use words::Times;

use crate::support::repetitions;

const CASES_VARIABLE: &str = "SERVICE_REGISTRY_MODEL_CASES";

/// So many sequences in memory; in a file, where each action is a few commits, fewer.
const CASES: u64 = 600;
const CASES_PER_CASE_IN_A_FILE: u64 = 40;

const LONGEST_SEQUENCE: usize = 80;

fn config(cases: u64) -> Config {
    Config {
        cases: u32::try_from(cases).unwrap(),
        // Nothing is left behind: the sequence that is printed says everything.
        failure_persistence: None,
        ..Config::default()
    }
}

/// Carries out all actions on both, and holds them against each other after each.
fn compare(enforce: bool, actions: Vec<Action>, kept: Kept) -> Result<(), TestCaseError> {
    let mut times = Times::START;
    let mut naive = Naive::new(enforce);
    let mut real = Real::start(enforce, kept, times);
    for action in actions {
        step(&mut times, &mut naive, &mut real, &action)?;
        prop_assert_eq!(real.events(), naive.events());
        prop_assert_eq!(real.seq(), naive.seq());
        prop_assert_eq!(real.services(times), naive.services(times));
        prop_assert_eq!(real.policies(), naive.policies());
        prop_assert_eq!(real.stored(), naive.stored());
        for service_type in action::TYPES {
            let holders = naive.holders(service_type);
            prop_assert_eq!(real.holders(service_type), holders);
            let passing = naive.passing(service_type, times);
            for pick in 0..4 {
                let discovered = real.discover(service_type, pick, times);
                let fits =
                    discovered.as_ref().map_or(passing.is_empty(), |id| passing.contains(id));
                prop_assert!(fits, "{:?} is discovered of {:?}", discovered, passing);
            }
        }
    }
    // Every sequence ends in a restart, so that what it stored is replayed.
    step(&mut times, &mut naive, &mut real, &Action::Restart { clean: false, outage: 1 })?;
    prop_assert_eq!(real.services(times), naive.services(times));
    Ok(())
}

fn step(
    times: &mut Times,
    naive: &mut Naive,
    real: &mut Real,
    action: &Action,
) -> Result<(), TestCaseError> {
    match action {
        Action::Elapse { milliseconds } => times.elapse(*milliseconds),
        Action::ClockStep { seconds } => times.step_clock(*seconds),
        Action::Pause { seconds } => times.pause(*seconds),
        Action::Renew { id } => prop_assert_eq!(real.renew(id, *times), naive.renew(id, *times)),
        Action::Restart { clean, outage } => {
            if *clean {
                real.save_all(*times);
                naive.save_all();
            }
            times.be_off(*outage);
            real.restart(*times);
            naive.restart(*times);
        }
        Action::Turn(turn) => {
            let (real_plan, selection) = real.plan(turn, *times);
            let naive_plan = naive.plan(turn, &selection, *times).map_err(TestCaseError::fail)?;
            prop_assert_eq!(&real_plan.outcomes, &naive_plan.outcomes);
            if !turn.fails {
                real.commit(&real_plan);
            }
            times.elapse(turn.commit_milliseconds);
            for id in &turn.heard_meanwhile {
                let heard = naive.renew_meanwhile(id, &naive_plan, *times);
                prop_assert_eq!(real.renew(id, *times), heard, "{} during the commit", id);
            }
            if turn.fails {
                real.abandon(real_plan);
                naive.abandon(&naive_plan);
            } else {
                real.apply(real_plan, *times);
                naive.apply(naive_plan, *times);
            }
        }
    }
    Ok(())
}

#[test]
fn the_core_does_what_a_naive_model_does() {
    let cases = repetitions(CASES_VARIABLE, CASES);
    let sequences = (any::<bool>(), actions(LONGEST_SEQUENCE));

    proptest!(config(cases), |((enforce, actions) in sequences)| {
        compare(enforce, actions, Kept::in_memory())?;
    });
}

#[test]
fn a_registry_in_a_file_does_what_a_naive_model_does() {
    let cases = repetitions(CASES_VARIABLE, CASES) / CASES_PER_CASE_IN_A_FILE;
    let sequences = (any::<bool>(), actions(LONGEST_SEQUENCE));

    proptest!(config(cases), |((enforce, actions) in sequences)| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.db");
        let open = move || Box::new(SqliteBackend::open(&path).unwrap()) as _;
        compare(enforce, actions, Kept::by(open))?;
    });
}
