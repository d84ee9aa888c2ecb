//! Ports at which a test has somebody listen, and nobody for a while.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, getsockname, setsockopt, socket, sockopt,
};

/// A port of the loopback that the system gives to nobody for as long as this is there. Whoever
/// asks for it by its number can listen there. Nobody does so here.
#[derive(Debug)]
pub(crate) struct ReservedPort {
    number: u16,
    _socket: OwnedFd,
}

impl ReservedPort {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
        // Bound so, and not listening, it is in nobody's way who binds to this port in the same
        // way, as all servers do; and the system picks only ports at which nobody is bound.
        setsockopt(&socket, sockopt::ReuseAddr, &true).unwrap();
        bind(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
        let address: SockaddrIn = getsockname(socket.as_raw_fd()).unwrap();
        Self { number: address.port(), _socket: socket }
    }

    pub(crate) const fn number(&self) -> u16 {
        self.number
    }

    /// As arguments of commands have it.
    pub(crate) fn text(&self) -> String {
        self.number.to_string()
    }
}
