//! A channel whose receiver may be a thread or a future, and what wakes a future.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crossbeam_channel::{TryRecvError, TrySendError, bounded};

/// The sending end. Dropping it wakes the receiver, which learns that nothing more will come.
#[derive(Debug)]
pub(super) struct Sender<T> {
    messages: crossbeam_channel::Sender<T>,
    /// Stands behind the sender: who is woken by the drop must find it gone.
    waker: WakesWhenDropped,
}

/// The receiving end.
#[derive(Debug)]
pub(super) struct Receiver<T> {
    messages: crossbeam_channel::Receiver<T>,
    waker: Arc<WakerSlot>,
}

/// How the one future that waits for something can be woken.
#[derive(Debug, Default)]
pub(super) struct WakerSlot(Mutex<Option<Waker>>);

#[derive(Debug)]
struct WakesWhenDropped(Arc<WakerSlot>);

/// A channel with room for `capacity` messages.
pub(super) fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = bounded(capacity);
    let waker = Arc::new(WakerSlot::default());
    let sender = Sender { messages: sender, waker: WakesWhenDropped(Arc::clone(&waker)) };
    (sender, Receiver { messages: receiver, waker })
}

impl<T> Sender<T> {
    /// Sends a message, if there is room for it and a receiver.
    pub(super) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.messages.try_send(message)?;
        self.waker.0.wake();
        Ok(())
    }
}

impl<T> Receiver<T> {
    /// The end at which a thread waits.
    pub(super) const fn for_threads(&self) -> &crossbeam_channel::Receiver<T> {
        &self.messages
    }

    /// The next message, for the one future that waits for it. None where none will come.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<T>> {
        // First, so that a message that comes in between wakes.
        self.waker.register(context.waker());
        match self.messages.try_recv() {
            Ok(message) => Poll::Ready(Some(message)),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
        }
    }
}

impl WakerSlot {
    /// Takes the place of the waker that was registered before.
    pub(super) fn register(&self, waker: &Waker) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Some(registered) => registered.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    /// Wakes the future, if one waits.
    pub(super) fn wake(&self) {
        let waker = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Without the lock: who is woken may register again at once.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Drop for WakesWhenDropped {
    fn drop(&mut self) {
        self.0.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::thread;

    use futures::executor::block_on;
    use futures::future::FutureExt;

    use super::*;

    #[test]
    fn a_future_is_woken_by_each_message_and_by_the_end() {
        let (sender, receiver) = channel(1);
        let (answer, answered) = bounded(1);
        let waiting = thread::spawn(move || {
            while let Some(message) = block_on(poll_fn(|context| receiver.poll_next(context))) {
                answer.send(message).unwrap();
            }
        });

        for message in 0..100 {
            sender.try_send(message).unwrap();
            assert_eq!(answered.recv(), Ok(message));
        }
        drop(sender);

        waiting.join().unwrap();
    }

    #[test]
    fn a_future_that_was_dropped_takes_no_message_with_it() {
        let (sender, receiver) = channel(1);

        let first = poll_fn(|context| receiver.poll_next(context)).now_or_never();
        sender.try_send("message").unwrap();

        assert_eq!(first, None);
        assert_eq!(receiver.for_threads().try_recv(), Ok("message"));
    }
}
