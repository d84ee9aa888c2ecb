//! Asks the kernel for the TCP connections of this host, as `ss` does (sock_diag(7)).
//!
//! ZeroMQ does not tell how much it has read from a peer, nor how much of what waits for one has
//! left. The kernel counts both, in bytes, for each connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// What is asked for: connections that both ends hold open, or that the peer has closed already.
const STATES: u32 = 1 << 1 | 1 << 8;

/// With what TCP knows of them, `INET_DIAG_INFO`.
const INFO: u16 = 2;

const REQUEST_BYTES: usize = 72;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const IPPROTO_TCP: u8 = 6;
const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

/// Of a message, and of a part of one.
const MESSAGE_HEADER: usize = 16;
const PART_HEADER: usize = 4;
/// What is always told of a connection, before the parts that were asked for.
const CONNECTION: usize = 72;

/// The number by which the kernel knows a socket.
pub(super) type Inode = u32;

/// A TCP connection as the kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TcpConnection {
    pub(super) inode: Inode,
    pub(super) local_port: u16,
    pub(super) peer: IpAddr,
    /// How many bytes the process has read from it.
    pub(super) read: u64,
    /// How many bytes of the process have arrived at the peer.
    pub(super) acknowledged: u64,
    /// How many bytes of the process have not arrived yet.
    pub(super) unsent: u64,
}

/// A netlink socket on which the kernel tells of the TCP connections of this host.
#[derive(Debug)]
pub(super) struct SockDiag {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl SockDiag {
    pub(super) fn open() -> Result<Self, Errno> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        )?;
        Ok(Self { socket, buffer: vec![0; 32 << 10] })
    }

    /// The connections to these local ports.
    pub(super) fn connections(&mut self, ports: [u16; 3]) -> Result<Vec<TcpConnection>, Errno> {
        let mut found = Vec::new();
        // What is left of an answer that broke off.
        while recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_DONTWAIT).is_ok() {}
        for family in FAMILIES {
            self.ask_for(family)?;
            while self.receive(&mut found)? {}
        }
        found.retain(|connection| ports.contains(&connection.local_port));
        Ok(found)
    }

    /// Whether there is a connection to one of these local ports. Asks over a socket of its own,
    /// which is closed as soon as one is found: the kernel makes an answer while it is read, and
    /// that about thousands of connections takes milliseconds.
    pub(super) fn finds_any(ports: [u16; 3]) -> Result<bool, Errno> {
        let mut kernel = Self::open()?;
        let mut found = Vec::new();
        for family in FAMILIES {
            kernel.ask_for(family)?;
            while kernel.receive(&mut found)? {
                if found.drain(..).any(|connection| ports.contains(&connection.local_port)) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn ask_for(&self, family: AddressFamily) -> Result<(), Errno> {
        let socket = self.socket.as_raw_fd();
        sendto(socket, &request(family), &NetlinkAddr::new(0, 0), MsgFlags::empty()).map(|_| ())
    }

    /// Takes some of the answer; false where that was the end of it.
    fn receive(&mut self, found: &mut Vec<TcpConnection>) -> Result<bool, Errno> {
        let length = loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(length) => break length,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        };
        let mut rest = &self.buffer[..length];
        while let Some((kind, body, behind)) = split_message(rest) {
            match kind {
                NLMSG_DONE => return Ok(false),
                NLMSG_ERROR => {
                    let code = number(body, 0).map_or(0, u32::from_ne_bytes);
                    return Err(Errno::from_raw(code.cast_signed().saturating_neg()));
                }
                SOCK_DIAG_BY_FAMILY => found.extend(read_connection(body)),
                _ => {}
            }
            rest = behind;
        }
        Ok(true)
    }
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
fn request(family: AddressFamily) -> [u8; REQUEST_BYTES] {
    let mut request = [0; REQUEST_BYTES];
    request[..4].copy_from_slice(&(REQUEST_BYTES as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    request[16] = family as u8;
    request[17] = IPPROTO_TCP;
    request[18] = 1 << (INFO - 1);
    request[20..24].copy_from_slice(&STATES.to_ne_bytes());
    request
}

/// The kind and the body of the first message, and what follows it.
fn split_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(number(bytes, 0)?) as usize;
    let kind = u16::from_ne_bytes(number(bytes, 4)?);
    let body = bytes.get(MESSAGE_HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// `struct inet_diag_msg`, followed by `struct tcp_info`.
fn read_connection(body: &[u8]) -> Option<TcpConnection> {
    let info = part(body.get(CONNECTION..)?, INFO)?;
    let peer = match i32::from(*body.first()?) {
        family if family == AddressFamily::Inet as i32 => {
            Ipv4Addr::from(number::<4>(body, 24)?).into()
        }
        _ => Ipv6Addr::from(number::<16>(body, 24)?).to_canonical(),
    };
    let unread = u64::from(u32::from_ne_bytes(number(body, 56)?));
    Some(TcpConnection {
        inode: u32::from_ne_bytes(number(body, 68)?),
        local_port: u16::from_be_bytes(number(body, 4)?),
        peer,
        read: u64::from_ne_bytes(number(info, 128)?).saturating_sub(unread),
        acknowledged: u64::from_ne_bytes(number(info, 120)?),
        unsent: u32::from_ne_bytes(number(body, 60)?).into(),
    })
}

/// The part of this kind.
fn part(mut parts: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(number(parts, 0)?));
        if u16::from_ne_bytes(number(parts, 2)?) == kind {
            return parts.get(PART_HEADER..length);
        }
        parts = parts.get(length.max(PART_HEADER).next_multiple_of(4)..)?;
    }
}

fn number<const LENGTH: usize>(bytes: &[u8], at: usize) -> Option<[u8; LENGTH]> {
    bytes.get(at..at + LENGTH)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A connection over `loopback`: the end of a server, and that of its peer.
    fn connect(loopback: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((loopback, 0)).unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, peer)
    }

    fn look(server: &TcpStream) -> TcpConnection {
        let port = server.local_addr().unwrap().port();
        let found = SockDiag::open().unwrap().connections([port, 0, 0]).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]
    }

    #[test]
    fn what_was_read_and_what_was_sent_is_counted() {
        for loopback in ["127.0.0.1", "::1"] {
            let (mut server, mut peer) = connect(loopback);
            peer.write_all(&[1; 1_000]).unwrap();
            server.read_exact(&mut [0; 600]).unwrap();
            server.write_all(&[1; 300]).unwrap();
            peer.read_exact(&mut [0; 300]).unwrap();

            let seen = look(&server);

            assert_eq!(seen.peer, loopback.parse::<IpAddr>().unwrap());
            // The handshake counts as a byte.
            assert!((300..=301).contains(&(seen.acknowledged + seen.unsent)), "{seen:?}");
            assert_eq!(seen.read, 600);
        }
    }

    #[test]
    fn what_a_peer_does_not_read_waits() {
        let (mut server, _peer) = connect("127.0.0.1");
        server.set_nonblocking(true).unwrap();
        while server.write(&[1; 65_536]).is_ok() {}

        assert!(look(&server).unsent > 0);
    }

    #[test]
    fn a_connection_is_found_by_its_port_and_none_where_nobody_has_connected() {
        let (server, _peer) = connect("127.0.0.1");
        let port = server.local_addr().unwrap().port();
        let lonely = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let lonely_port = lonely.local_addr().unwrap().port();

        assert_eq!(SockDiag::finds_any([lonely_port, port, 0]), Ok(true));
        assert_eq!(SockDiag::finds_any([lonely_port, 0, 0]), Ok(false));
    }

    #[test]
    fn what_is_cut_short_is_no_connection() {
        assert_eq!(split_message(&[0; 3]), None);
        assert_eq!(split_message(&[255; 16]), None);
        assert_eq!(part(&[0; 16], INFO), None);
        assert_eq!(read_connection(&[0; 80]), None);
    }
}
