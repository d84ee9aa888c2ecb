//! What a person sees while a load runs: one line that is written over, on a terminal only.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::report::with_separators;

/// From one line to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// Moves to the beginning of the line and clears it.
const CLEAR: &str = "\r\x1b[K";

/// The line on the terminal that tells how far a load is. Dropping it clears the line.
pub(super) struct Progress {
    is_seen: bool,
    shown: Option<Instant>,
}

/// What is going on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// So many services of all are registered.
    Registering { done: u32, all: u32 },
    /// So many services of all are deregistered.
    Deregistering { done: u32, all: u32 },
    /// A measurement.
    Loading {
        name: &'a str,
        elapsed: Duration,
        warm_up: Duration,
        all: Duration,
        done: u64,
        errors: u64,
    },
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { is_seen: io::stderr().is_terminal(), shown: None }
    }

    /// Shows `step`, unless another was shown just before.
    pub(super) fn show(&mut self, step: Step<'_>) {
        let now = Instant::now();
        let is_fresh = |shown: Instant| now.saturating_duration_since(shown) < PAUSE;
        if self.is_seen && !self.shown.is_some_and(is_fresh) {
            self.shown = Some(now);
            write(&format!("{CLEAR}{}", line(step)));
        }
    }

    /// Makes room for other text.
    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            write(CLEAR);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(step: Step<'_>) -> String {
    let of_all = |done: u32, all: u32| {
        format!("{} of {} services", with_separators(done.into()), with_separators(all.into()))
    };
    match step {
        Step::Registering { done, all } => format!("registered {}", of_all(done, all)),
        Step::Deregistering { done, all } => format!("deregistered {}", of_all(done, all)),
        Step::Loading { name, elapsed, warm_up, .. } if elapsed < warm_up => {
            format!("{name}: warming up")
        }
        Step::Loading { name, elapsed, warm_up, all, done, errors } => {
            let measured = elapsed.saturating_sub(warm_up).min(all);
            let rate = done as f64 / measured.as_secs_f64().max(0.001);
            let (seconds, all) = (measured.as_secs_f64(), all.as_secs_f64());
            let rate = with_separators(rate as u64);
            let errors = match errors {
                0 => String::new(),
                errors => format!(", {} errors", with_separators(errors)),
            };
            format!("{name}: {seconds:.1} s of {all} s, {rate}/s{errors}")
        }
    }
}

/// Nobody misses a line that cannot be written.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_it_is_and_how_fast() {
        let loading = |milliseconds, errors| {
            line(Step::Loading {
                name: "get",
                elapsed: Duration::from_millis(milliseconds),
                warm_up: Duration::from_secs(1),
                all: Duration::from_secs(5),
                done: 24_690,
                errors,
            })
        };

        assert_eq!(loading(900, 0), "get: warming up");
        assert_eq!(loading(3_000, 0), "get: 2.0 s of 5 s, 12,345/s");
        assert_eq!(loading(9_000, 2), "get: 5.0 s of 5 s, 4,938/s, 2 errors");
        assert_eq!(
            line(Step::Registering { done: 1_000, all: 1_000_000 }),
            "registered 1,000 of 1,000,000 services"
        );
    }
}
