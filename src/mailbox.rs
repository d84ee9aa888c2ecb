//! A channel that can wake a thread out of polling a socket.
//!
//! A ZeroMQ socket can be polled together with a file descriptor, but not with a channel. A
//! mailbox is a channel and a pipe: the pipe holds one byte while there may be something in the
//! channel, and its end is closed when the last sender is gone.
//!
//! The channel is the standard library's, because it drops what is in it as soon as the receiver
//! is gone: who waits for an answer to a message learns that there will be none.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

#[cfg(feature = "server")]
pub(crate) mod bell;

/// The sending end. Clones send to the same mailbox.
#[derive(Debug)]
pub(crate) struct Postbox<T> {
    messages: SyncSender<T>,
    rope: Arc<Rope>,
}

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    messages: Receiver<T>,
    pipe: PipeReader,
    rung: Arc<AtomicBool>,
    #[cfg(feature = "server")]
    bell: bell::Bell,
}

/// What a look into a mailbox finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Post<T> {
    /// The next message.
    Message(T),
    /// Nothing, yet.
    Empty,
    /// Nothing, ever: the last sender is gone.
    Closed,
}

/// What every sender pulls.
#[derive(Debug)]
struct Rope {
    pipe: PipeWriter,
    /// Whether the byte is in the pipe: no sender writes a second one, so none ever waits.
    rung: Arc<AtomicBool>,
}

/// A mailbox for `capacity` messages; senders wait while it is full.
pub(crate) fn mailbox<T>(capacity: usize) -> io::Result<(Postbox<T>, Mailbox<T>)> {
    let (reader, writer) = io::pipe()?;
    let (sender, receiver) = sync_channel(capacity);
    let rung = Arc::new(AtomicBool::new(false));
    let rope = Arc::new(Rope { pipe: writer, rung: Arc::clone(&rung) });
    let mailbox = Mailbox {
        messages: receiver,
        pipe: reader,
        rung,
        #[cfg(feature = "server")]
        bell: bell::Bell::on(&rope),
    };
    Ok((Postbox { messages: sender, rope }, mailbox))
}

impl<T> Postbox<T> {
    /// Sends `message` and wakes the receiver. A message to a receiver that is gone is lost.
    pub(crate) fn send(&self, message: T) {
        if self.messages.send(message).is_ok() {
            self.rope.pull();
        }
    }
}

impl Rope {
    fn pull(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Fails only if the receiver is gone, and then there is nobody to wake.
            let _ = (&self.pipe).write(&[0]);
        }
    }
}

impl<T> Clone for Postbox<T> {
    fn clone(&self) -> Self {
        Self { messages: self.messages.clone(), rope: Arc::clone(&self.rope) }
    }
}

impl<T> Mailbox<T> {
    /// What to poll: readable when there may be a message, or when the last sender is gone.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }

    /// Silences the bell. To be called when the descriptor is readable, before the messages are
    /// taken, so that one that arrives meanwhile rings again.
    pub(crate) fn answer_bell(&mut self) {
        if self.rung.load(Ordering::Acquire) {
            // The byte is in the pipe or on its way, so this does not wait for long. It is read
            // again where a signal comes between: a byte that stayed there would ring for ever.
            // It fails only when the last sender is gone, and then the pipe rings for that.
            let _ = self.pipe.read_exact(&mut [0]);
            // Not merely stored: a store may become visible only after the look for messages that
            // follows, and a sender in between would find the bell rung, and leave it at that. What
            // is exchanged comes either before a sender's exchange, which then rings again, or
            // after it, and then this thread sees what was sent before that.
            self.rung.swap(false, Ordering::AcqRel);
        }
    }

    /// Takes the next message.
    pub(crate) fn take(&self) -> Post<T> {
        match self.messages.try_recv() {
            Ok(message) => Post::Message(message),
            Err(TryRecvError::Empty) => Post::Empty,
            Err(TryRecvError::Disconnected) => Post::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn readable(mailbox: &Mailbox<u32>) -> bool {
        let mut items = [zmq::PollItem::from_fd(mailbox.descriptor(), zmq::POLLIN)];
        zmq::poll(&mut items, 0).unwrap() > 0
    }

    #[test]
    fn the_descriptor_is_readable_while_there_may_be_a_message() {
        let (postbox, mut mailbox) = mailbox(4).unwrap();
        assert!(!readable(&mailbox));

        postbox.send(1);
        postbox.send(2);
        assert!(readable(&mailbox));

        mailbox.answer_bell();
        assert!(!readable(&mailbox));
        assert_eq!(mailbox.take(), Post::Message(1));
        assert_eq!(mailbox.take(), Post::Message(2));
        assert_eq!(mailbox.take(), Post::Empty);

        postbox.send(3);
        assert!(readable(&mailbox));
    }

    #[test]
    fn what_nobody_will_take_is_dropped_with_the_receiver() {
        let (postbox, mailbox) = mailbox(4).unwrap();
        let message = Arc::new(());
        postbox.send(Arc::clone(&message));

        drop(mailbox);
        postbox.send(Arc::clone(&message));

        assert_eq!(Arc::strong_count(&message), 1);
    }

    #[test]
    fn the_descriptor_is_readable_when_the_last_sender_is_gone() {
        let (postbox, mut mailbox) = mailbox(4).unwrap();
        let other = postbox.clone();
        drop(postbox);
        assert!(!readable(&mailbox));

        other.send(1);
        drop(other);

        assert!(readable(&mailbox));
        mailbox.answer_bell();
        assert_eq!(mailbox.take(), Post::Message(1));
        assert_eq!(mailbox.take(), Post::Closed);
        assert!(readable(&mailbox));
    }
}
