//! An end to tests that would go on for ever.
//!
//! All that a test waits for has a deadline. What is tested may hang all the same where nobody
//! expects that it takes any time, as where it is dropped. Then the whole run ends, and says in
//! which test.

use std::collections::HashMap;
use std::io::Write;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// Much longer than any test takes, on a machine however busy.
const LIMIT: Duration = Duration::from_secs(900);

/// How often it is looked at.
const GLANCE: Duration = Duration::from_secs(5);

/// Whether tests may take as long as they like, because they are told to do something very often.
static HAVE_TIME: AtomicBool = AtomicBool::new(false);

/// The tests that run, and since when.
static RUNNING: LazyLock<Mutex<HashMap<ThreadId, (String, Instant)>>> = LazyLock::new(|| {
    thread::spawn(|| {
        loop {
            thread::sleep(GLANCE);
            end_what_hangs();
        }
    });
    Mutex::default()
});

thread_local! {
    static THIS: Running = Running::begin();
}

/// A test in its thread. It ends when the thread does.
struct Running(ThreadId);

impl Running {
    fn begin() -> Self {
        let thread = thread::current();
        let name = thread.name().unwrap_or("a thread of a test").to_owned();
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(thread.id(), (name, Instant::now()));
        Self(thread.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Gives the test that runs in this thread its limit.
pub(crate) fn has_a_limit() {
    THIS.with(|_| {});
}

/// Takes the limit from all tests.
pub(super) fn has_no_limit() {
    HAVE_TIME.store(true, Ordering::Relaxed);
}

fn end_what_hangs() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let hanging = running.values().find(|(_, since)| since.elapsed() > LIMIT);
    if let Some((name, _)) = hanging.filter(|_| !HAVE_TIME.load(Ordering::Relaxed)) {
        // What is printed by a test that does not end is never seen.
        let _ = writeln!(std::io::stderr(), "\ntest {name} hangs: not at its end after {LIMIT:?}");
        exit(101);
    }
}
