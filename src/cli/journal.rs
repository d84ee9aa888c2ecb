//! The systemd journal, where standard error is connected to it.
//!
//! The journal keeps the time of every line itself. It takes a line's priority from a number in
//! front of it, and hides that from readers.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};
use std::{env, thread};

use log::{Level, Log, Metadata, Record};

/// Where systemd says to which stream it has connected the journal.
const VARIABLE: &str = "JOURNAL_STREAM";

/// Whether what is written to standard error goes to the journal. The variable alone does not
/// say so: it is inherited by programs whose standard error goes elsewhere.
pub(super) fn is_connected() -> bool {
    env::var(VARIABLE).is_ok_and(|stream| standard_error().is_ok_and(|error| error == stream))
}

/// What tells the journal that a line is of this level.
pub(super) const fn priority(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// Writes log lines for the journal: priority, thread, message.
pub(super) struct JournalLogger<Output>(Mutex<Output>);

impl<Output> JournalLogger<Output> {
    pub(super) const fn new(output: Output) -> Self {
        Self(Mutex::new(output))
    }
}

impl<Output: io::Write + Send> Log for JournalLogger<Output> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let thread = thread::current();
        let thread = thread.name().unwrap_or("?");
        let mut output = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell that a line was lost.
        let _ = writeln!(output, "{}({thread}) {}", priority(record.level()), record.args());
    }

    fn flush(&self) {}
}

/// Device and inode of standard error, as systemd writes them.
fn standard_error() -> io::Result<String> {
    let stream = File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata()?;
    Ok(format!("{}:{}", stream.dev(), stream.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_its_priority_and_has_no_time_stamp() {
        let logger = JournalLogger::new(Vec::new());

        let record = |level| Record::builder().level(level).args(format_args!("disk full")).build();
        for level in [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace] {
            logger.log(&record(level));
        }

        let written = String::from_utf8(logger.0.into_inner().unwrap()).unwrap();
        let priorities: Vec<&str> = written.lines().map(|line| &line[..3]).collect();
        assert_eq!(priorities, ["<3>", "<4>", "<6>", "<7>", "<7>"]);
        assert!(written.lines().all(|line| line.ends_with(") disk full")), "{written}");
    }
}
