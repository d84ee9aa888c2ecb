//! A thread that has something to set up, a connection say, before it is of use. Its owner waits
//! for that, as a thread or as a future, or gives up, and the thread with it.

use std::future::poll_fn;
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;

use super::channel::{Receiver, channel};
use super::error::ClientError;
use super::thread::{Stop, Thread};

/// The owner, and how the set-up of its thread went, once that is known.
#[derive(Debug)]
pub(super) struct Starting<T> {
    owner: T,
    outcome: Receiver<Result<(), ClientError>>,
}

/// Starts a thread that runs what `set_up` gives, if it does. Both end soon after they are told
/// to stop. `own` makes the owner of the thread.
pub(super) fn start<W, T>(
    name: &'static str,
    set_up: impl FnOnce(&Stop) -> Result<W, ClientError> + Send + 'static,
    run: impl FnOnce(W, &Stop) + Send + 'static,
    own: impl FnOnce(Thread) -> T,
) -> Result<Starting<T>, ClientError> {
    let (sender, outcome) = channel(1);
    let thread = Thread::start(name, move |stop| {
        let (outcome, work) = match set_up(stop) {
            Ok(work) => (Ok(()), Some(work)),
            Err(error) => (Err(error), None),
        };
        // There is room for one outcome, and an owner who has left does not want it.
        let _ = sender.try_send(outcome);
        if let Some(work) = work {
            run(work, stop);
        }
    })?;
    Ok(Starting { owner: own(thread), outcome })
}

impl<T> Starting<T> {
    /// Waits until the thread is of use.
    pub(super) fn wait(self) -> Result<T, ClientError> {
        // A thread that ends without an outcome has panicked.
        self.outcome.for_threads().recv().map_err(|_| ClientError::ThreadFailed)??;
        Ok(self.owner)
    }

    /// Waits up to `timeout`. None, if that is too short; then the thread is given up.
    pub(super) fn wait_timeout(self, timeout: Duration) -> Result<Option<T>, ClientError> {
        match self.outcome.for_threads().recv_timeout(timeout) {
            Ok(outcome) => outcome.map(|()| Some(self.owner)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            // As above.
            Err(RecvTimeoutError::Disconnected) => Err(ClientError::ThreadFailed),
        }
    }

    /// Waits in a future, which may be dropped.
    pub(super) async fn wait_async(self) -> Result<T, ClientError> {
        let outcome = poll_fn(|context| self.outcome.poll_next(context)).await;
        outcome.ok_or(ClientError::ThreadFailed)??;
        Ok(self.owner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use futures::executor::block_on;
    use futures::future::FutureExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_owner_waits_until_the_thread_is_set_up_and_no_longer() {
        let starting = || {
            let (set_up, wait) = channel();
            let running = start(
                "tested",
                move |_| {
                    wait.recv().unwrap();
                    Ok(())
                },
                |(), stop| assert!(stop.wait(LONG)),
                |thread| thread,
            );
            set_up.send(()).unwrap();
            running.unwrap()
        };

        assert!(!starting().wait().unwrap().is_finished());
        assert!(!block_on(starting().wait_async()).unwrap().is_finished());
    }

    #[test]
    fn what_could_not_be_set_up_is_told() {
        let starting = || {
            let set_up = |_: &Stop| Err::<(), _>(ClientError::NothingRegistered);
            start("tested", set_up, |(), _| unreachable!(), |thread| thread).unwrap()
        };

        assert!(matches!(starting().wait(), Err(ClientError::NothingRegistered)));
        let outcome = block_on(starting().wait_async());
        assert!(matches!(outcome, Err(ClientError::NothingRegistered)));
    }

    #[test]
    fn a_future_that_is_dropped_ends_the_thread() {
        let (sender, ended) = channel();
        let set_up = move |stop: &Stop| {
            sender.send(stop.wait(LONG)).unwrap();
            Ok(())
        };
        let starting = start("tested", set_up, |(), _| {}, |thread| thread).unwrap();

        assert!(starting.wait_async().now_or_never().is_none());

        assert_eq!(ended.try_recv(), Ok(true));
    }
}
