//! What was said to one registry and by it, printed when a test fails.

use std::sync::{Arc, Mutex, PoisonError};

/// So many of the last messages are printed.
const LAST_LINES: usize = 60;

/// Longer messages are cut to so many characters.
const LONGEST_LINE: usize = 1_000;

/// The messages of all clients of one registry, in the order in which the test saw them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transcript(Arc<Mutex<Vec<String>>>);

impl Transcript {
    pub(crate) fn note<F: AsRef<[u8]>>(&self, who: &str, frames: &[F]) {
        let frames: Vec<_> =
            frames.iter().map(|frame| String::from_utf8_lossy(frame.as_ref())).collect();
        let line: String =
            format!("{who} [{}]", frames.join("] [")).chars().take(LONGEST_LINE).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    pub(crate) fn print(&self) {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = lines.len().saturating_sub(LAST_LINES);
        eprintln!("---- messages ({skipped} before these) ----");
        for line in lines.iter().skip(skipped) {
            eprintln!("{line}");
        }
    }
}
