//! Waiting for a socket and a mailbox, whichever has something first.
//!
//! ZeroMQ can wait for its sockets itself, but makes six system calls each time that it is woken.
//! Here it is one, to epoll, with the descriptor that each socket of ZeroMQ offers for that. Such a
//! descriptor becomes readable only when something has come since the socket was last looked at,
//! and to send a message is to look at it as well. So a thread may wait only after it looked into
//! the socket and found nothing.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use zmq::Socket;

use super::thread::Failure;

const MAILBOX: Token = Token(0);
const SOCKET: Token = Token(1);

/// What is left in a socket after some messages were taken from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing: the last look found no message, and nothing was sent since.
    Nothing,
    /// Perhaps something: nobody has looked since messages were last taken or sent.
    Unknown,
}

/// Where a thread waits until its socket or its mailbox has something.
pub(super) struct Waiting {
    poll: Poll,
    events: Events,
}

impl Waiting {
    /// For `socket`, and the mailbox of this descriptor. Takes a descriptor of its own, so it is
    /// made before clients can have taken them all.
    pub(super) fn new(socket: &Socket, mailbox: RawFd) -> io::Result<Self> {
        let socket = socket.get_fd()?;
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(&mut SourceFd(&mailbox), MAILBOX, Interest::READABLE)?;
        registry.register(&mut SourceFd(&socket), SOCKET, Interest::READABLE)?;
        Ok(Self { poll, events: Events::with_capacity(2) })
    }

    /// Waits until something may have come to the socket, in which so much is `left`, or to the
    /// mailbox, and tells whether it was the mailbox. It tells this once: the mailbox must be
    /// emptied then. And the socket must be looked into before it is waited for again.
    pub(super) fn wait(&mut self, left: Left) -> Result<bool, Failure> {
        let patience = (left == Left::Unknown).then_some(Duration::ZERO);
        loop {
            match self.poll.poll(&mut self.events, patience) {
                Ok(()) => return Ok(self.events.iter().any(|event| event.token() == MAILBOX)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("waiting for messages failed: {error}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use zmq::{Context, DONTWAIT, SocketType};

    use super::*;
    use crate::mailbox::{Post, mailbox};

    #[test]
    fn whoever_waits_hears_the_mailbox_the_socket_and_the_end() {
        let (postbox, mut mailbox) = mailbox::<u32>(1).unwrap();
        let context = Context::new();
        let socket = context.socket(SocketType::ROUTER).unwrap();
        socket.bind("inproc://waiting").unwrap();
        let mut waiting = Waiting::new(&socket, mailbox.descriptor()).unwrap();
        assert!(!waiting.wait(Left::Unknown).unwrap(), "nothing has come, and nobody waits");

        postbox.send(1);
        assert!(waiting.wait(Left::Nothing).unwrap());
        mailbox.answer_bell();
        assert_eq!(mailbox.take(), Post::Message(1));

        // Each message is heard, whether it comes before it is waited for, or meanwhile.
        assert_eq!(socket.recv_msg(DONTWAIT), Err(zmq::Error::EAGAIN));
        thread::scope(|threads| {
            threads.spawn(|| {
                let peer = context.socket(SocketType::DEALER).unwrap();
                peer.connect("inproc://waiting").unwrap();
                peer.send("hello", 0).unwrap();
            });
            while socket.recv_multipart(DONTWAIT).is_err() {
                assert!(!waiting.wait(Left::Nothing).unwrap());
            }
        });

        drop(postbox);
        assert!(waiting.wait(Left::Nothing).unwrap());
        assert_eq!(mailbox.take(), Post::Closed);
    }
}
