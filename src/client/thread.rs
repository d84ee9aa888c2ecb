//! How every thread of a client is started, told to stop, and waited for.
//!
//! The only place in the client that starts threads. Each has a name and an owner: who drops the
//! [`Thread`] stops it and waits until it has ended. It can be stopped while it waits for a
//! socket, because the request to stop is a pipe, which can be polled together with sockets.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

/// A running thread. Dropping it stops it, and waits until it has ended.
#[derive(Debug)]
pub(super) struct Thread {
    name: &'static str,
    /// Nothing is ever written: closing this end is the request to stop.
    stop: Option<PipeWriter>,
    handle: Option<JoinHandle<()>>,
}

/// The thread's end of the pipe on which it is asked to stop.
#[derive(Debug)]
pub(super) struct Stop(PipeReader);

/// Wakes a thread that polls the other end.
struct Bell(PipeWriter);

impl Thread {
    /// Starts a thread, which must end soon after it is told to stop. Linux shows the first 15
    /// bytes of `name`.
    pub(super) fn start(
        name: &'static str,
        run: impl FnOnce(&Stop) + Send + 'static,
    ) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let stop = Stop(reader);
        let handle = Builder::new().name(name.to_owned()).spawn(move || run(&stop))?;
        Ok(Self { name, stop: Some(writer), handle: Some(handle) })
    }

    /// Asks the thread to stop, and returns at once.
    pub(super) fn request_stop(&mut self) {
        self.stop = None;
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.request_stop();
        let Some(handle) = self.handle.take() else { return };
        // Its own callback dropped it; it ends when it is back from there.
        if handle.thread().id() == thread::current().id() {
            return;
        }
        if handle.join().is_err() {
            log::error!("the client's {} thread panicked", self.name);
        }
    }
}

impl Stop {
    /// Waits for the request to stop, at most for `duration`, and returns whether it came.
    pub(super) fn wait(&self, duration: Duration) -> bool {
        let started = Instant::now();
        loop {
            let remaining = duration.saturating_sub(started.elapsed());
            let mut items = [zmq::PollItem::from_fd(self.as_raw_fd(), zmq::POLLIN)];
            match zmq::poll(&mut items, whole_milliseconds(remaining)) {
                // A signal is no request to stop.
                Err(zmq::Error::EINTR) if !remaining.is_zero() => {}
                Err(zmq::Error::EINTR) | Ok(0) if remaining.is_zero() => return false,
                Err(zmq::Error::EINTR) | Ok(0) => {}
                // A thread that cannot see the request any more must not live on.
                Ok(_) | Err(_) => return true,
            }
        }
    }

    /// Waits for the output of `future`. None if the request to stop comes first.
    pub(super) fn wait_for<T>(&self, future: impl Future<Output = T>) -> io::Result<Option<T>> {
        let (mut bell, wakes) = io::pipe()?;
        let waker = Waker::from(Arc::new(Bell(wakes)));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Ok(Some(output));
            }
            let mut items = [
                zmq::PollItem::from_fd(self.as_raw_fd(), zmq::POLLIN),
                zmq::PollItem::from_fd(bell.as_raw_fd(), zmq::POLLIN),
            ];
            match zmq::poll(&mut items, -1) {
                Err(zmq::Error::EINTR) => {}
                Ok(_) if items[0].get_revents().is_empty() => drop(bell.read(&mut [0])?),
                // As in `wait`.
                Ok(_) | Err(_) => return Ok(None),
            }
        }
    }

    /// Whether the thread is to stop.
    pub(super) fn is_requested(&self) -> bool {
        self.wait(Duration::ZERO)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Fails only if nobody polls any more.
        let _ = (&self.0).write(&[0]);
    }
}

impl AsRawFd for Stop {
    /// To be polled together with sockets: any event on it is the request to stop.
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// The timeout for a poll, rounded up, so that the last one before a deadline does not spin, and
/// not longer than ZeroMQ can count.
pub(super) fn whole_milliseconds(duration: Duration) -> i64 {
    duration.as_micros().div_ceil(1_000).try_into().unwrap_or(i32::MAX).into()
}

#[cfg(test)]
impl Thread {
    /// Whether the thread has ended.
    pub(super) fn is_finished(&self) -> bool {
        self.handle.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn dropping_a_thread_interrupts_its_pause_and_waits_for_its_end() {
        let (sender, ended) = channel();
        let thread = Thread::start("tested", move |stop| {
            assert!(stop.wait(LONG));
            sender.send(()).unwrap();
        });

        drop(thread.unwrap());

        assert_eq!(ended.try_recv(), Ok(()));
    }

    #[test]
    fn a_pause_that_nobody_interrupts_passes() {
        let (sender, told) = channel();
        let thread = Thread::start("tested", move |stop| {
            let started = Instant::now();
            let pause = Duration::from_millis(20);
            sender
                .send((stop.wait(pause), stop.is_requested(), started.elapsed() >= pause))
                .unwrap();
            stop.wait(LONG);
        });

        assert_eq!(told.recv_timeout(LONG), Ok((false, false, true)));
        assert!(!thread.unwrap().is_finished());
    }

    #[test]
    fn a_thread_waits_for_a_future_until_it_is_told_to_stop() {
        let (answer, future) = futures_channel::oneshot::channel();
        let (_never, unanswered) = futures_channel::oneshot::channel::<()>();
        let (sender, told) = channel();
        let thread = Thread::start("tested", move |stop| {
            sender.send(stop.wait_for(future).unwrap()).unwrap();
            sender.send(stop.wait_for(unanswered).unwrap().map(|_| Ok(0))).unwrap();
        });

        answer.send(7).unwrap();
        assert_eq!(told.recv_timeout(LONG), Ok(Some(Ok(7))));
        drop(thread.unwrap());

        assert_eq!(told.try_recv(), Ok(None));
    }

    #[test]
    fn a_thread_may_drop_itself() {
        let (give, given) = channel::<Thread>();
        let (sender, survived) = channel();
        let thread = Thread::start("tested", move |_| {
            drop(given.recv().unwrap());
            sender.send(()).unwrap();
        });

        give.send(thread.unwrap()).unwrap();

        assert_eq!(survived.recv_timeout(LONG), Ok(()));
    }
}
