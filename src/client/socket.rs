//! How every socket of a client is opened.
//!
//! All clients of a process share their ZeroMQ contexts, which live as long as the process. A
//! context of a client's own would have to be terminated when the client is dropped, and that
//! waits for whatever the context's thread is doing: a name server that does not answer holds it
//! for many seconds. A socket, closed without linger, is let go at once.
//!
//! A context has room for 1023 sockets, of which a client uses a handful.

use std::sync::LazyLock;

use uuid::Uuid;

use super::curve_keys::CurveKeys;
use super::endpoints::Endpoint;

/// The longest pause between attempts to reach a registry whose events are awaited, in
/// milliseconds. The first are a tenth of a second apart.
const RECONNECT_PAUSE_MAX: i32 = 2_000;

/// The pause between attempts to reach a registry that is asked, in milliseconds, to which ZeroMQ
/// adds up to as much by chance. It does not grow: a registry that has just come back answers the
/// first request within its timeout, also on a connection from before.
const RECONNECT_PAUSE: i32 = 100;

/// How long one attempt may take, in milliseconds. The operating system would try for minutes,
/// after ever longer pauses, and find out late that a host is back.
const CONNECT_TIMEOUT: i32 = 2_000;

/// The longest identity that ZeroMQ carries, in bytes.
const IDENTITY_LENGTH_MAX: usize = 255;

/// For registries that are given by their address.
static BY_ADDRESS: LazyLock<zmq::Context> = LazyLock::new(zmq::Context::new);

/// For registries that are given by name, so that a slow name server holds up nobody else.
static BY_NAME: LazyLock<zmq::Context> = LazyLock::new(zmq::Context::new);

/// The context of every socket that is connected to `endpoint`.
pub(super) fn context(endpoint: &Endpoint) -> &'static zmq::Context {
    if endpoint.needs_name_server() { &BY_NAME } else { &BY_ADDRESS }
}

/// A socket whose closing never waits, not yet connected to `endpoint` but ready to be.
pub(super) fn open(
    kind: zmq::SocketType,
    endpoint: &Endpoint,
    keys: Option<&CurveKeys>,
) -> zmq::Result<zmq::Socket> {
    let socket = context(endpoint).socket(kind)?;
    socket.set_linger(0)?;
    socket.set_ipv6(endpoint.is_ipv6())?;
    socket.set_reconnect_ivl_max(RECONNECT_PAUSE_MAX)?;
    if let Some(keys) = keys {
        keys.secure(&socket)?;
    }
    Ok(socket)
}

/// A connected socket that asks, under an identity that no other has. Close it where an answer
/// does not come: what it still holds for a registry that is not there goes with it.
///
/// ZeroMQ could refuse messages while there is no connection (`ZMQ_IMMEDIATE`), but then it also
/// throws away answers that have arrived when the registry closes the connection behind them, as
/// it does behind the answer to `terminate`.
pub(super) fn connect_dealer(
    endpoint: &Endpoint,
    client_id: &str,
    keys: Option<&CurveKeys>,
) -> zmq::Result<zmq::Socket> {
    let socket = open(zmq::DEALER, endpoint, keys)?;
    socket.set_reconnect_ivl(RECONNECT_PAUSE)?;
    // No maximum: the pause stays what it is.
    socket.set_reconnect_ivl_max(0)?;
    socket.set_connect_timeout(CONNECT_TIMEOUT)?;
    socket.set_identity(identity(client_id).as_bytes())?;
    socket.connect(endpoint.as_str())?;
    Ok(socket)
}

/// `client_id`, as far as there is room for it, and what makes it unique.
fn identity(client_id: &str) -> String {
    let unique = Uuid::new_v4().to_string();
    let room = IDENTITY_LENGTH_MAX - unique.len() - 1;
    let fits = |(start, character): &(usize, char)| start + character.len_utf8() <= room;
    let shown: String = client_id.char_indices().take_while(fits).map(|(_, c)| c).collect();
    format!("{shown}-{unique}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_begins_with_the_clients_id_and_is_never_the_same() {
        assert!(identity("camera").starts_with("camera-"));
        assert_ne!(identity("camera"), identity("camera"));
    }

    #[test]
    fn an_id_that_is_too_long_is_cut_between_characters() {
        let identity = identity(&"é".repeat(200));

        assert!(identity.len() <= IDENTITY_LENGTH_MAX);
        assert!(identity.starts_with("éé"));
    }
}
