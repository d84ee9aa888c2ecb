//! The sockets of this process, by the numbers that the kernel has for them.
//!
//! ZeroMQ does not close a connection when it is asked to, but it closes one that has ended. So
//! connections are ended here, from behind. That must work where no descriptor is left, too: what
//! it takes is opened beforehand.
//!
//! Between the look at what a descriptor is and the ending of its connection ZeroMQ may close it,
//! and the system give its number to another connection, which is ended then. The look comes just
//! before, and whoever is hit connects again. A duplicate of the descriptor could be looked at in
//! peace, but takes `unsafe` with a bare number, and one descriptor more; to end a connection by
//! the name that the kernel has for it (`SOCK_DESTROY`) takes rights over the whole network.

use std::collections::HashMap;
use std::fs;
use std::os::fd::RawFd;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};
use nix::sys::stat::Mode;

use crate::server::sock_diag::{Inode, TcpConnection};

const DESCRIPTORS: &str = "/proc/self/fd";

/// How much that was not read yet is thrown away in a step.
const DISCARDED_AT_ONCE: usize = 1 << 20;

/// The open descriptors of this process, among which its sockets are looked up.
#[derive(Debug)]
pub(super) struct OwnSockets {
    descriptors: Dir,
}

impl OwnSockets {
    pub(super) fn open() -> Result<Self, Errno> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self { descriptors: Dir::open(DESCRIPTORS, flags, Mode::empty())? })
    }

    /// Ends connections, as their peers would: ZeroMQ closes them, and frees what it kept. Returns
    /// those that had not ended by themselves.
    pub(super) fn end(
        &mut self,
        connections: &[TcpConnection],
    ) -> Result<Vec<TcpConnection>, Errno> {
        let mut ended = Vec::new();
        if connections.is_empty() {
            return Ok(ended);
        }
        let by_inode: HashMap<Inode, &TcpConnection> =
            connections.iter().map(|connection| (connection.inode, connection)).collect();
        let mut buffer = vec![0; DISCARDED_AT_ONCE];
        for entry in self.descriptors.iter() {
            let name = entry?;
            let descriptor = name.file_name().to_str().ok().and_then(|name| name.parse().ok());
            if let Some(descriptor) = descriptor
                && let Some(&connection) = inode(descriptor).and_then(|one| by_inode.get(&one))
                && end(descriptor, connection.inode, &mut buffer)
            {
                ended.push(*connection);
            }
        }
        Ok(ended)
    }
}

/// The socket that a descriptor of this process stands for, if there is one.
pub(super) fn inode(descriptor: RawFd) -> Option<Inode> {
    let target = fs::read_link(format!("{DESCRIPTORS}/{descriptor}")).ok()?;
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Ends the connection that a descriptor stands for; false where it has ended already. Takes away
/// what has arrived and was not read yet, too: ZeroMQ would read it first, and keep it.
fn end(descriptor: RawFd, connection: Inode, buffer: &mut [u8]) -> bool {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
    let is_ended = shutdown(descriptor, Shutdown::Both).is_ok();
    // Once it has ended, ZeroMQ may close it, and give its descriptor to another connection.
    while inode(descriptor) == Some(connection)
        && recv(descriptor, buffer, flags).is_ok_and(|count| count > 0)
    {}
    is_ended
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    /// The end of a server, as the kernel sees it, and that of its peer.
    fn connect(listener: &TcpListener) -> (TcpStream, TcpConnection, TcpStream) {
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = listener.accept().unwrap().0;
        let seen = TcpConnection {
            inode: inode(server.as_raw_fd()).unwrap(),
            local_port: listener.local_addr().unwrap().port(),
            peer: peer.local_addr().unwrap().ip(),
            read: 0,
            acknowledged: 0,
            unsent: 0,
        };
        (server, seen, peer)
    }

    #[test]
    fn what_is_ended_has_nothing_left_to_read_and_what_is_not_goes_on() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (mut ended, seen, mut loser) = connect(&listener);
        let (mut other, _, mut keeper) = connect(&listener);
        let mut sockets = OwnSockets::open().unwrap();
        for peer in [&mut loser, &mut keeper] {
            peer.write_all(b"what has arrived").unwrap();
        }

        assert_eq!(sockets.end(&[]), Ok(vec![]));
        // The directory can be read again and again.
        assert_eq!(sockets.end(&[seen]), Ok(vec![seen]));
        drop(loser);
        sockets.end(&[seen]).unwrap();

        assert_eq!(ended.read(&mut [0; 99]).unwrap(), 0);
        assert_eq!(other.read(&mut [0; 99]).unwrap(), 16);
    }
}
