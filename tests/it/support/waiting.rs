//! Waiting, with an end, for what a test cannot be told of.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::DEADLINE;

/// Between two looks.
const GLANCE: Duration = Duration::from_millis(10);

/// Looks again and again until it is so; what never becomes so fails the test.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < DEADLINE, "in vain: {what}");
        thread::sleep(GLANCE);
    }
}

/// The next connection to `listener`, with deadlines.
#[track_caller]
pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let started = Instant::now();
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(started.elapsed() < DEADLINE, "nobody connects");
                thread::sleep(GLANCE);
            }
            Err(error) => panic!("{error}"),
        }
    };
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Makes a flag true when it is dropped, so that threads that go on until then end also where the
/// test fails.
pub(crate) struct TrueInTheEnd<'a>(pub(crate) &'a AtomicBool);

impl Drop for TrueInTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
