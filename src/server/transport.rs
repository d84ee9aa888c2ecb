//! Messages over the server's ZeroMQ sockets: taken and sent, neither of which ever waits.

use std::net::IpAddr;
use std::os::fd::RawFd;
use std::str::FromStr;
use std::thread;

use zmq::{DONTWAIT, Message, SNDMORE, Socket};

use crate::key::PublicKey;
use crate::limits::{Exceeded, Limit, Limits};
use crate::protocol::envelope::FRAMES_MAX;

use super::thread::Failure;

/// Who sent a message, as far as ZeroMQ knows. To find out takes its time, so it is asked for only
/// where it matters.
pub(super) trait Peer {
    /// From where it came.
    fn address(&mut self) -> Option<IpAddr>;

    /// The key that the gatekeeper let in.
    fn key(&mut self) -> Option<PublicKey>;
}

/// The message that was taken last. Kept from one message to the next, so that taking one costs no
/// memory of its own.
#[derive(Default)]
pub(super) struct Received {
    /// As many as a message had at the most, and no more than matter and one for all others.
    frames: Vec<Message>,
    /// How many of them are of this message.
    count: usize,
    size: MessageSize,
}

/// How large a message is, without the identity of its sender.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageSize {
    pub(super) frames: usize,
    pub(super) bytes: usize,
}

impl MessageSize {
    /// Refuses what is larger than `limits` allow.
    pub(super) fn check(self, limits: &Limits) -> Result<(), Exceeded> {
        limits.check(Limit::MessageBytes, self.bytes)?;
        limits.check(Limit::Frames, self.frames)
    }
}

impl Received {
    /// The descriptor of the connection over which it came.
    pub(super) fn connection(&mut self) -> Option<RawFd> {
        self.property("__fd")
    }

    /// Its frames, as far as they matter.
    pub(super) fn frames(&self) -> &[Message] {
        &self.frames[..self.count]
    }

    /// How large it is, with the frames that do not matter.
    pub(super) const fn size(&self) -> MessageSize {
        self.size
    }

    /// What ZeroMQ knows of its sender under `name`.
    fn property<T: FromStr>(&mut self, name: &str) -> Option<T> {
        // The first frame, which the ROUTER adds, does not tell.
        self.frames[..self.count].last_mut()?.gets(name)?.parse().ok()
    }

    /// Where the next frame is read into.
    fn place(&mut self) -> &mut Message {
        if self.count == self.frames.len() {
            self.frames.push(Message::new());
        }
        &mut self.frames[self.count]
    }
}

impl Peer for Received {
    fn address(&mut self) -> Option<IpAddr> {
        self.property("Peer-Address")
    }

    fn key(&mut self) -> Option<PublicKey> {
        // What the gatekeeper called the sender.
        self.property("User-Id")
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// It is on its way.
    Sent,
    /// As many wait for its receiver as may.
    Full,
    /// Its receiver is gone.
    Gone,
}

/// Takes the next message that has arrived; false if there is none.
pub(super) fn receive(socket: &Socket, received: &mut Received) -> Result<bool, Failure> {
    received.count = 0;
    received.size = MessageSize::default();
    let mut is_identity = true;
    // All frames of a message arrive at once.
    loop {
        let frame = received.place();
        if !receive_frame(socket, frame)? {
            return Ok(false);
        }
        let (more, bytes) = (frame.get_more(), frame.len());
        if !is_identity {
            received.size.frames += 1;
            received.size.bytes += bytes;
        }
        is_identity = false;
        received.count = FRAMES_MAX.min(received.count + 1);
        if !more {
            return Ok(true);
        }
    }
}

/// Sends a message without waiting. One that cannot be delivered is dropped.
pub(super) fn send<'a>(
    socket: &Socket,
    frames: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Delivery, Failure> {
    let mut frames = frames.into_iter().peekable();
    while let Some(frame) = frames.next() {
        let more = if frames.peek().is_some() { SNDMORE } else { 0 };
        let delivery = send_frame(socket, frame, more)?;
        if delivery != Delivery::Sent {
            let thread = thread::current();
            log::debug!("{}: a message could not be delivered", thread.name().unwrap_or("?"));
            return Ok(delivery);
        }
    }
    Ok(Delivery::Sent)
}

/// Sends a frame. Where a signal comes between, it alone is sent again: those before it are on
/// their way, and the first of them says to whom.
fn send_frame(socket: &Socket, frame: &[u8], more: i32) -> Result<Delivery, Failure> {
    loop {
        match socket.send(frame, DONTWAIT | more) {
            Ok(()) => return Ok(Delivery::Sent),
            Err(zmq::Error::EINTR) => {}
            Err(zmq::Error::EAGAIN) => return Ok(Delivery::Full),
            Err(zmq::Error::EHOSTUNREACH) => return Ok(Delivery::Gone),
            Err(error) => return Err(format!("sending failed: {error}")),
        }
    }
}

fn receive_frame(socket: &Socket, frame: &mut Message) -> Result<bool, Failure> {
    loop {
        match socket.recv(frame, DONTWAIT) {
            Ok(()) => return Ok(true),
            Err(zmq::Error::EAGAIN) => return Ok(false),
            Err(zmq::Error::EINTR) => {}
            Err(error) => return Err(format!("receiving failed: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use zmq::{Context, POLLIN, SocketType};

    use super::*;
    use crate::config::BindAddress;
    use crate::server::sockets::Listening;

    #[test]
    fn a_message_comes_with_all_its_frames_and_the_address_of_its_sender() {
        let context = Context::new();
        let address = &BindAddress::loopback();
        let limits = &Limits::default();
        let listening = Listening { context: &context, address, keys: None, limits };
        let router = listening.bind(SocketType::ROUTER, "a test", 0).unwrap();
        let dealer = context.socket(SocketType::DEALER).unwrap();
        dealer.set_linger(0).unwrap();
        dealer.connect(&router.endpoint).unwrap();

        dealer.send_multipart([b"REQ".as_slice(), b"", b"{}"], 0).unwrap();
        router.socket.poll(POLLIN, 60_000).unwrap();
        let mut received = Received::default();
        assert!(receive(&router.socket, &mut received).unwrap());

        let frames: Vec<&[u8]> = received.frames().iter().map(|frame| &**frame).collect();
        assert_eq!(frames[1..], [b"REQ".as_slice(), b"", b"{}"]);
        assert_eq!(received.address(), "127.0.0.1".parse().ok());
        assert_eq!(received.key(), None);
        assert!(received.connection().is_some());
        assert!(!receive(&router.socket, &mut received).unwrap());
    }
}
