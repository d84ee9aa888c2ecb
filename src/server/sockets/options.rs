//! What the server's sockets keep of each peer, and when they give a peer up.

use std::time::Duration;

use zmq::{Socket, SocketType};

use crate::config::BindAddress;
use crate::limits::{Limit, Limits};
use crate::server::gatekeeper::ZAP_DOMAIN;

/// How long closing a socket waits for what is not sent yet: long enough for the last replies and
/// events to leave, short enough for a peer that is gone.
const LINGER: Duration = Duration::from_millis(500);

/// Prepares a socket, before it listens.
pub(super) fn set_options(
    socket: &Socket,
    socket_type: SocketType,
    address: &BindAddress,
    limits: &Limits,
) -> Result<(), zmq::Error> {
    socket.set_linger(milliseconds(LINGER))?;
    // Whoever connects is looked at by the gatekeeper.
    socket.set_zap_domain(ZAP_DOMAIN)?;
    socket.set_ipv6(address.is_ipv6())?;

    // ZeroMQ can only close the connection. What is a little too large is read, so that its sender
    // can be told.
    let message_bytes = limits.get(Limit::MessageBytes).saturating_mul(2);
    socket.set_maxmsgsize(i64::try_from(message_bytes).unwrap_or(i64::MAX))?;
    socket.set_rcvhwm(number(limits.get(Limit::MessagesPerClient)))?;
    socket.set_sndhwm(number(limits.get(Limit::RepliesPerClient)))?;
    socket.set_backlog(number(limits.get(Limit::ConnectionsWaiting)))?;
    // Otherwise the system gives a peer that sends without a pause ever more.
    socket.set_rcvbuf(number(limits.get(Limit::ReceiveBufferBytes)))?;

    socket.set_handshake_ivl(milliseconds(limits.duration(Limit::HandshakeSeconds)))?;
    // Half of it passes until a silent peer is asked whether it is there, and half is for its
    // answer.
    let half = milliseconds(limits.duration(Limit::SilenceSeconds) / 2);
    socket.set_heartbeat_ivl(half)?;
    socket.set_heartbeat_timeout(half)?;

    if socket_type == SocketType::ROUTER {
        // A client that comes back before its old connection is known to be dead takes over.
        socket.set_router_handover(true)?;
        // A reply that cannot be delivered is an error here, and not dropped in silence.
        socket.set_router_mandatory(true)?;
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn number(value: u64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use zmq::{Context, DONTWAIT, POLLIN, POLLOUT};

    use super::*;
    use crate::server::sockets::Listening;

    /// How long a client that may send nothing more is waited for, and one that may send all.
    const MOMENT_MILLISECONDS: i64 = 300;
    const LONG_MILLISECONDS: i64 = 60_000;

    static MESSAGE: [u8; 32 << 10] = [0; 32 << 10];

    /// How many messages a client gets rid of while nobody reads them, out of so many.
    fn taken_unread(messages_per_client: u64, offered: usize, patience: i64) -> usize {
        let limits = Limits::default().with(Limit::MessagesPerClient, messages_per_client).unwrap();
        let context = Context::new();
        let address = &BindAddress::loopback();
        let listening = Listening { context: &context, address, keys: None, limits: &limits };
        let router = listening.bind(SocketType::ROUTER, "a test", 0).unwrap();
        let client = context.socket(SocketType::DEALER).unwrap();
        client.set_linger(0).unwrap();
        client.set_sndhwm(1).unwrap();
        client.set_sndbuf(4_096).unwrap();
        client.connect(&router.endpoint).unwrap();

        let send = |_: &usize| {
            let has_room = client.poll(POLLOUT, patience).unwrap() > 0;
            has_room && client.send(&MESSAGE[..], DONTWAIT).is_ok()
        };
        let sent = (0..offered).take_while(send).count();

        // None is lost: what waited is read, and then what could not be sent until then.
        for _ in 0..sent {
            assert!(router.socket.poll(POLLIN, LONG_MILLISECONDS).unwrap() > 0, "{sent} were sent");
            router.socket.recv_multipart(0).unwrap();
        }
        sent
    }

    #[test]
    fn a_client_whose_messages_nobody_reads_can_send_so_many_and_no_more() {
        // Besides, the kernel's buffers hold some, which is not ours to say.
        assert!(taken_unread(2, 1_000, MOMENT_MILLISECONDS) < 500);
        assert_eq!(taken_unread(1_000, 1_000, LONG_MILLISECONDS), 1_000);
    }
}
