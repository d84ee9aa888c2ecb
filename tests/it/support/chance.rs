//! Random choices that can be made again, and how long the tests that make them go on.

use std::env;
use std::ops::{Deref, DerefMut};
use std::thread;

use super::hanging;

/// The variable that repeats a run's choices. Not its timing, which is chance, too.
const SEED_VARIABLE: &str = "SERVICE_REGISTRY_TEST_SEED";

/// Random numbers from a seed, which is printed where the test fails.
pub(crate) struct Chance {
    seed: u64,
    numbers: fastrand::Rng,
}

impl Chance {
    /// The seed in the environment, or a new one at every run.
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self::with_seed(number_in(SEED_VARIABLE).unwrap_or_else(|| fastrand::u64(..)))
    }

    /// So many, each with a seed of its own. The seed in the environment is that of the first, so
    /// that whatever failed comes first when it is done again.
    #[track_caller]
    pub(crate) fn several(count: u64) -> impl Iterator<Item = Self> {
        let first = Self::new().seed;
        (0..count).map(move |number| Self::with_seed(first.wrapping_add(number)))
    }

    /// What repeats these choices.
    pub(crate) const fn seed(&self) -> u64 {
        self.seed
    }

    fn with_seed(seed: u64) -> Self {
        Self { seed, numbers: fastrand::Rng::with_seed(seed) }
    }
}

impl Deref for Chance {
    type Target = fastrand::Rng;

    fn deref(&self) -> &fastrand::Rng {
        &self.numbers
    }
}

impl DerefMut for Chance {
    fn deref_mut(&mut self) -> &mut fastrand::Rng {
        &mut self.numbers
    }
}

impl Drop for Chance {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("---- its choices are made again with {SEED_VARIABLE}={} ----", self.seed);
        }
    }
}

/// How often a test does what it does: as often as `variable` says, else so often as is enough
/// for every day.
#[track_caller]
pub(crate) fn repetitions(variable: &str, every_day: u64) -> u64 {
    let number = number_in(variable);
    if number.is_some_and(|number| number != every_day) {
        hanging::has_no_limit();
    }
    number.unwrap_or(every_day)
}

#[track_caller]
fn number_in(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no whole number")))
}
