//! Opening and using the server's ZeroMQ sockets.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::RawFd;
use std::str::FromStr;
use std::{io, thread};

use thiserror::Error;
use zmq::{Context, DONTWAIT, Message, SNDMORE, Socket, SocketType};

use crate::config::BindAddress;
use crate::curve::{KeyPair, PublicKey};
use crate::limits::{Exceeded, Limit, Limits};
use crate::protocol::envelope::FRAMES_MAX;

use super::socket_options::set_options;
use super::thread::Failure;

/// Why a socket could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Another process has the port.
    #[error(
        "cannot listen for {purpose} on {endpoint}: the port is taken; is another registry \
         running? Stop it, or choose another port"
    )]
    PortTaken {
        /// What the socket is for.
        purpose: &'static str,
        /// Where it should have listened.
        endpoint: String,
    },
    /// The host has no such network interface, or it has no address.
    #[error("cannot listen on interface {interface}: {reason}; check --bind")]
    Interface {
        /// The interface's name.
        interface: String,
        /// What is the matter with it.
        reason: String,
    },
    /// The socket for HTTP.
    #[error("cannot listen for HTTP on {address}: {reason}; choose another address with --http")]
    Http {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the operating system says.
        reason: String,
    },
    /// Anything else.
    #[error("cannot listen for {purpose} on {endpoint}: {reason}; check --bind and the ports")]
    Unusable {
        /// What the socket is for.
        purpose: &'static str,
        /// Where it should have listened.
        endpoint: String,
        /// What the operating system says.
        reason: String,
    },
}

/// An open socket with the endpoint that it listens on, its port resolved.
pub(super) struct Bound {
    pub(super) socket: Socket,
    pub(super) endpoint: String,
    pub(super) port: u16,
}

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

/// The address to listen on: the one that is given, or that of the interface that is given. The
/// ZeroMQ that comes with the zmq crate cannot look up interfaces itself.
pub(super) fn resolve(address: &BindAddress) -> Result<BindAddress, SocketError> {
    let Some(interface) = address.interface() else { return Ok(address.clone()) };
    let failed = |reason: String| SocketError::Interface { interface: interface.into(), reason };

    let all = if_addrs::get_if_addrs().map_err(|error| failed(error.to_string()))?;
    let mut addresses: Vec<IpAddr> =
        all.iter().filter(|one| one.name == interface).map(|one| one.ip()).collect();
    // IPv4 first, as everywhere.
    addresses.sort_by_key(IpAddr::is_ipv6);
    match addresses.first() {
        Some(address) => Ok((*address).into()),
        None => {
            let mut names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            Err(failed(format!("this host has addresses on {} only", names.join(", "))))
        }
    }
}

/// Opens a socket on `address` and `port`, or on a free port where that is 0. With `keys` it
/// takes encrypted connections alone.
pub(super) fn bind(
    context: &Context,
    socket_type: SocketType,
    purpose: &'static str,
    address: &BindAddress,
    port: u16,
    keys: Option<&KeyPair>,
    limits: &Limits,
) -> Result<Bound, SocketError> {
    let endpoint = address.endpoint(port);
    let failed = |error: zmq::Error| match error {
        zmq::Error::EADDRINUSE => SocketError::PortTaken { purpose, endpoint: endpoint.clone() },
        other => unusable(purpose, &endpoint, &other),
    };

    probe(purpose, address, port, &endpoint)?;
    let socket = context.socket(socket_type).map_err(failed)?;
    set_options(&socket, socket_type, address, limits).map_err(failed)?;
    if let Some(keys) = keys {
        socket.set_curve_server(true).map_err(failed)?;
        socket.set_curve_secretkey(keys.secret.as_bytes()).map_err(failed)?;
    }
    socket.bind(&endpoint).map_err(failed)?;
    let resolved = match socket.get_last_endpoint().map_err(failed)? {
        Ok(resolved) => resolved,
        Err(_) => endpoint.clone(),
    };
    let port = resolved.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(port);
    Ok(Bound { socket, endpoint: resolved, port })
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

/// Whether `peer` is an address of this host: a program that connects to the registry on the
/// address of a network interface has that address itself.
pub(super) fn is_this_host(peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    peer.is_loopback()
        || if_addrs::get_if_addrs().is_ok_and(|own| own.iter().any(|one| one.ip() == peer))
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

/// Tries all `ports` before anything is opened that a start in vain would leave behind.
pub(super) fn probe_all(
    address: &BindAddress,
    ports: [(&'static str, u16); 3],
) -> Result<(), SocketError> {
    ports
        .iter()
        .try_for_each(|&(purpose, port)| probe(purpose, address, port, &address.endpoint(port)))
}

/// Tries the address without ZeroMQ first: the zmq crate panics on error numbers that it does
/// not know, such as that of an address family which the host does not have.
fn probe(
    purpose: &'static str,
    address: &BindAddress,
    port: u16,
    endpoint: &str,
) -> Result<(), SocketError> {
    let Some(ip) = address.ip() else { return Ok(()) };
    match TcpListener::bind((ip, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Err(SocketError::PortTaken { purpose, endpoint: endpoint.to_owned() })
        }
        Err(error) => Err(unusable(purpose, endpoint, &error)),
    }
}

fn unusable(purpose: &'static str, endpoint: &str, reason: &dyn ToString) -> SocketError {
    SocketError::Unusable { purpose, endpoint: endpoint.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use zmq::POLLIN;

    use super::*;

    #[test]
    fn a_message_comes_with_all_its_frames_and_the_address_of_its_sender() {
        let context = Context::new();
        let address = BindAddress::loopback();
        let router =
            bind(&context, SocketType::ROUTER, "a test", &address, 0, None, &Limits::default())
                .unwrap();
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

    #[test]
    fn this_host_has_its_loopback_addresses_and_those_of_its_interfaces() {
        let own = if_addrs::get_if_addrs().unwrap().into_iter().map(|one| one.ip());
        let loopback = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"];

        for address in own.chain(loopback.map(|address| address.parse().unwrap())) {
            assert!(is_this_host(address), "{address}");
        }
        // Reserved for documentation: no host has them.
        for address in ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "0.0.0.0"] {
            assert!(!is_this_host(address.parse().unwrap()), "{address}");
        }
    }
}
