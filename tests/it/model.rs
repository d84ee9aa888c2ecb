//! The core does what a naive model of it does, whatever happens in whatever order: every
//! action, heartbeats in the middle of a commit, ticks, pauses, steps of the clock, restarts,
//! and commits that fail.
//!
//! The model (`model/naive.rs`) is a list and a few rules. The real thing (`model/real.rs`) is
//! `Registry`, driven as the storage thread drives it. After every action both must show the
//! same, and so must what starts on what is stored by then; a plan that is dropped shows nowhere.
//! A sequence that tells them apart is shrunk and printed, with the seed that makes it again.

mod action;
mod committed;
mod naive;
mod real;
mod words;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use service_registry::access::Ownership;
use service_registry::backend::SqliteBackend;

use action::{Action, Turn, actions};
use naive::Naive;
use real::{Kept, Real};
use words::{Picture, Times, sort_sweeps};

use crate::support::{Chance, repetitions};

const CASES_VARIABLE: &str = "SERVICE_REGISTRY_MODEL_CASES";

/// So many sequences in memory; in a file, where each action is a few commits, fewer.
const CASES: u64 = 600;
const CASES_PER_CASE_IN_A_FILE: u64 = 40;

const LONGEST_SEQUENCE: usize = 80;

/// So many sequences are tried to find a shorter one that fails.
const SHRINKING_STEPS: u32 = 4_000;

/// Compares so many sequences, each with a seed of its own.
#[track_caller]
fn assert_equal(cases: u64, kept: impl Fn() -> Kept) {
    let ownership = proptest::sample::select(&[Ownership::Open, Ownership::Host][..]);
    let sequences = (any::<bool>(), ownership, actions(LONGEST_SEQUENCE));
    for chance in Chance::several(cases) {
        let mut runner = TestRunner::new(Config {
            cases: 1,
            rng_seed: RngSeed::Fixed(chance.seed()),
            max_shrink_iters: SHRINKING_STEPS,
            // The seed says everything; no file is left behind.
            failure_persistence: None,
            ..Config::default()
        });
        let compared = runner.run(&sequences, |(enforce, ownership, actions)| {
            let real = Real::start(enforce, ownership, kept(), Times::START);
            compare(Naive::new(enforce, ownership), real, actions)
        });
        if let Err(difference) = compared {
            panic!("{difference}");
        }
    }
}

/// Carries out all actions on both, and holds them against each other after each.
fn compare(mut naive: Naive, mut real: Real, actions: Vec<Action>) -> Result<(), TestCaseError> {
    let mut times = Times::START;
    let mut seq = 0;
    for action in actions {
        step(&mut times, &mut naive, &mut real, &action)?;

        let mut events = std::mem::take(&mut naive.events);
        if matches!(action, Action::Restart { .. }) {
            seq = 0;
        }
        seq += events.len() as u64;
        sort_sweeps(&mut events);
        let mut real_events = real.events();
        sort_sweeps(&mut real_events);
        prop_assert_eq!(real_events, events);
        prop_assert_eq!(real.picture(times), picture(&naive, seq, times));
        let mut restarted = naive.clone();
        restarted.restart(times.restarted());
        let replayed = real.replayed(times.restarted());
        prop_assert_eq!(replayed, picture(&restarted, 0, times.restarted()), "replayed");
        for service_type in action::TYPES {
            let holders = naive.services(Some(service_type), times);
            prop_assert_eq!(&real.holders(service_type, times), &holders);
            let passing = holders.iter().filter(|shown| shown.passing);
            let passing: Vec<action::Id> = passing.map(|shown| shown.id).collect();
            for pick in 0..4 {
                let found = real.discover(service_type, pick, times);
                let fits = found.map_or(passing.is_empty(), |id| passing.contains(&id));
                prop_assert!(fits, "{:?} is discovered of {:?}", found, passing);
            }
        }
    }
    Ok(())
}

fn picture(naive: &Naive, seq: u64, now: Times) -> Picture {
    Picture { services: naive.services(None, now), policies: naive.policies.clone(), seq }
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
                naive.save(|_| true);
            }
            times.be_off(*outage);
            real.restart(*times);
            naive.restart(*times);
        }
        Action::Turn(turn) => {
            let before = real.picture(*times);
            let (dropped, _) = real.plan(turn, *times);
            real.abandon(dropped);
            prop_assert_eq!(real.picture(*times), before, "a dropped plan leaves a trace");
            carry_out(turn, times, naive, real)?;
        }
    }
    Ok(())
}

fn carry_out(
    turn: &Turn,
    times: &mut Times,
    naive: &mut Naive,
    real: &mut Real,
) -> Result<(), TestCaseError> {
    let planned = *times;
    let (plan, cleaned_up) = real.plan(turn, planned);
    if !turn.fails {
        real.commit(&plan);
    }
    times.elapse(turn.commit_milliseconds);
    if let Some(seconds) = turn.pause {
        times.pause(seconds);
    }
    let heard: Vec<bool> = turn.heard_meanwhile.iter().map(|id| real.renew(id, *times)).collect();
    let answers = plan.answers.clone();
    if turn.fails {
        real.abandon(plan);
    } else {
        real.apply(plan, *times);
    }
    let expected = naive.turn(turn, &cleaned_up, [planned, *times]);
    prop_assert_eq!((answers, heard), expected);
    Ok(())
}

#[test]
fn the_core_does_what_a_naive_model_does() {
    assert_equal(repetitions(CASES_VARIABLE, CASES), Kept::in_memory);
}

#[test]
fn a_registry_in_a_file_does_what_a_naive_model_does() {
    let cases = repetitions(CASES_VARIABLE, CASES) / CASES_PER_CASE_IN_A_FILE;
    assert_equal(cases, || {
        let folder = tempfile::tempdir().unwrap();
        Kept::by(move || Box::new(SqliteBackend::open(&folder.path().join("registry.db")).unwrap()))
    });
}
