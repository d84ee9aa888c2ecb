//! The program's log, on standard error.
//!
//! Whoever reads it may stop reading: a pager, a terminal with Ctrl-S, a log driver that hangs.
//! The registry must not hang with it. So lines go through a channel to a thread that does nothing
//! but write them; while too many of them wait there, further ones are counted and dropped.
//!
//! A line has a time stamp, unless the journal reads it, which wants a priority instead.

use std::io::{self, Write};
use std::mem;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use log::{Level, LevelFilter, Metadata, Record};
use simplelog::{ConfigBuilder, LevelPadding, ThreadLogMode, WriteLogger};

use super::journal::{self, JournalLogger};
use super::output;

/// How many lines wait for a reader of the log. Some seconds of a busy start. Counted by who sends
/// them: a channel with so much room would take the memory for it at once.
const LINES_WAITING_MAX: usize = 4_096;

/// How long the end of the program waits for the last lines to be read.
const LAST_LINES_WAIT: Duration = Duration::from_millis(500);

/// The crate that speaks HTTP with etcd. At debug it tells of every step of every request.
const TALKATIVE: &str = "ureq";

/// The running log. Dropping it waits for the last lines, but not for long.
pub(super) struct Log {
    lines: Sender<Entry>,
}

enum Entry {
    Line(Vec<u8>),
    /// Everything before this is written: say so.
    Flush(Sender<()>),
}

/// Starts to log: time stamp or priority, level, thread, message. A panic is logged as well. The
/// level can be changed with [`log::set_max_level`].
pub(super) fn start(level: LevelFilter) -> io::Result<Log> {
    let (lines, written) = unbounded();
    let lost = Arc::new(AtomicU64::new(0));
    let writer = LineWriter { lines: lines.clone(), lost: Arc::clone(&lost), line: Vec::new() };

    let for_journal = journal::is_connected();
    let priority = if for_journal { journal::priority(Level::Warn) } else { "" };
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_lines(&written, &lost, priority, &mut io::stderr()))?;
    let logger: Box<dyn log::Log> = if for_journal {
        Box::new(Harmless(JournalLogger::new(writer)))
    } else {
        Box::new(Harmless(WriteLogger::new(LevelFilter::Trace, line_format(), writer)))
    };
    // Fails only where there is a logger already, and then there is one.
    let _ = log::set_boxed_logger(logger);
    log::set_max_level(level);
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    Ok(Log { lines })
}

impl Drop for Log {
    fn drop(&mut self) {
        let (flushed, wait) = bounded(1);
        if self.lines.send(Entry::Flush(flushed)).is_ok() {
            let _ = wait.recv_timeout(LAST_LINES_WAIT);
        }
    }
}

fn line_format() -> simplelog::Config {
    ConfigBuilder::new()
        .set_time_format_rfc3339()
        .set_level_padding(LevelPadding::Right)
        .set_thread_level(LevelFilter::Error)
        .set_thread_mode(ThreadLogMode::Names)
        .set_target_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .build()
}

/// A logger whose messages are one line each, whatever a client has put into them, and do nothing
/// to the terminal on which they are read.
struct Harmless<Inner>(Inner);

impl<Inner: log::Log> log::Log for Harmless<Inner> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.target().starts_with(TALKATIVE) && self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = output::harmless(&record.args().to_string());
        let metadata = record.metadata().clone();
        let mut harmless = Record::builder();
        self.0.log(&harmless.metadata(metadata).args(format_args!("{message}")).build());
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Collects what the logger writes into lines, and never waits.
struct LineWriter {
    lines: Sender<Entry>,
    lost: Arc<AtomicU64>,
    line: Vec<u8>,
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        if bytes.ends_with(b"\n") {
            let line = Entry::Line(mem::take(&mut self.line));
            if self.lines.len() >= LINES_WAITING_MAX {
                self.lost.fetch_add(1, Ordering::Relaxed);
            } else {
                // The log thread ends with the program.
                let _ = self.lines.send(line);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log thread. Ends with the program. What it says itself begins with `priority`.
fn write_lines(
    entries: &Receiver<Entry>,
    lost: &AtomicU64,
    priority: &str,
    output: &mut impl Write,
) {
    for entry in entries {
        // A reader that is gone for good is no reason to stop the registry.
        let _ = match entry {
            Entry::Line(line) => output.write_all(&line),
            Entry::Flush(flushed) => flushed.send(()).map_err(io::Error::other),
        };
        let lines = lost.swap(0, Ordering::Relaxed);
        if lines > 0 {
            let _ =
                writeln!(output, "{priority}{lines} log lines were lost: nobody read them in time");
        }
    }
}

#[cfg(test)]
mod tests {
    use log::Log as _;

    use super::*;

    #[derive(Default)]
    struct Messages(std::sync::Mutex<Vec<String>>);

    impl log::Log for Messages {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &Record<'_>) {
            self.0.lock().unwrap().push(record.args().to_string());
        }

        fn flush(&self) {}
    }

    #[test]
    fn a_message_is_one_line_and_harmless_whatever_is_in_it() {
        let logger = Harmless(Messages::default());

        let forged = "a\r\n2026-11-22 ERROR [storage] forged\u{1b}[2J\u{202e}";
        logger.log(&Record::builder().args(format_args!("got {forged}")).build());

        assert_eq!(
            *logger.0.0.lock().unwrap(),
            [r"got a\r\n2026-11-22 ERROR [storage] forged\u{1b}[2J\u{202e}"]
        );
    }

    #[test]
    fn lines_are_written_whole_and_lost_ones_are_counted() {
        let (lines, written) = unbounded();
        let lost = Arc::new(AtomicU64::new(0));
        let mut writer =
            LineWriter { lines: lines.clone(), lost: Arc::clone(&lost), line: Vec::new() };

        for number in 0..LINES_WAITING_MAX + 3 {
            write!(writer, "line ").unwrap();
            writeln!(writer, "{number}").unwrap();
        }
        drop((writer, lines));
        let mut output = Vec::new();
        write_lines(&written, &lost, "<4>", &mut output);

        let output = String::from_utf8(output).unwrap();
        let expected = "line 0\n<4>3 log lines were lost: nobody read them in time\nline 1\n";
        assert!(output.starts_with(expected), "{output}");
        assert_eq!(output.lines().count(), LINES_WAITING_MAX + 1);
    }
}
