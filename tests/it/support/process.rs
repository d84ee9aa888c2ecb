//! A child process whose output is collected and whose end can be waited for.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::{DEADLINE, signals, wait_until};

/// A running process. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    /// What it wrote to its standard output and the test has read.
    stdout: String,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Process {
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Self {
        signals::are_heeded_by_children();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the process starts");
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        let read_output = thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Nobody listens any more where the test is over.
                let _ = sender.send(line);
            }
        });
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&stderr);
        let mut errors = child.stderr.take().unwrap();
        let read_errors = thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = errors.read(&mut buffer) {
                log.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        let readers = vec![read_output, read_errors];
        Self { child, lines, stdout: String::new(), stderr, readers }
    }

    /// The next line of standard output, or nothing where the process ended before.
    #[track_caller]
    pub(crate) fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(DEADLINE) {
            Ok(line) => {
                self.stdout.push_str(&line);
                self.stdout.push('\n');
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("no line and no end within {DEADLINE:?}; log:\n{}", self.log())
            }
        }
    }

    /// What it wrote to standard error until now.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().unwrap()).into_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, named as `kill` names it.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "SIG{name} reaches process {}", self.child.id());
    }

    /// Waits for its end; a process that goes on fails the test.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Finished {
        let started = Instant::now();
        while self.next_line().is_some() {
            assert!(started.elapsed() < DEADLINE, "it talks and does not end");
        }
        // It has closed its output, so it is at its end.
        let mut status = None;
        wait_until("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        for reader in self.readers.drain(..) {
            wait_until("its children end", || reader.is_finished());
            reader.join().unwrap();
        }
        let status = status.expect("it has ended");
        Finished { status, stdout: std::mem::take(&mut self.stdout), stderr: self.log() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// The exit code, or nothing where a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// What it said to a person who may not be reading the log: one line, and the last.
    #[track_caller]
    pub(crate) fn complaint(&self) -> &str {
        let complaints = self.stderr.lines().filter(|line| line.starts_with("service-registry: "));
        assert_eq!(complaints.count(), 1, "{:?} has one complaint", self.stderr);
        let last = self.stderr.lines().last().unwrap_or_default();
        last.strip_prefix("service-registry: ").expect("nothing follows the complaint")
    }

    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.code(),
            Some(code),
            "\n---- standard output ----\n{}---- standard error ----\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}
