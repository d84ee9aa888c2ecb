//! TCP connections that speak ZMTP 3.0 by themselves, as far as they please.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::DEADLINE;

/// After this it is looked whether somebody who does not read has hung up.
const MOMENT: Duration = Duration::from_millis(500);

/// The greeting of ZMTP 3.0.
const GREETING_LENGTH: usize = 64;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// A connection that has said nothing yet.
#[track_caller]
pub(crate) fn connect(endpoint: &str) -> TcpStream {
    let address = endpoint.strip_prefix("tcp://").expect("it is an endpoint");
    let stream = TcpStream::connect(address).expect("the registry listens");
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// A connection of a socket of this type, ready for messages.
#[track_caller]
pub(crate) fn shake_hands(endpoint: &str, socket_type: &str) -> TcpStream {
    let mut stream = connect(endpoint);
    stream.write_all(&greeting("NULL")).unwrap();
    stream.read_exact(&mut [0; GREETING_LENGTH]).unwrap();
    stream.write_all(&ready(socket_type)).unwrap();
    // The registry is ready, too: a command of less than 256 bytes.
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], COMMAND, "it is a short command");
    stream.read_exact(&mut vec![0; head[1].into()]).unwrap();
    stream
}

/// Sends `bytes` so often, or until the registry hangs up. Who is cut off while nobody reads what
/// it sends may not be told so by the kernel for a minute, so it looks for itself.
#[track_caller]
pub(crate) fn send_until_cut_off(stream: &mut TcpStream, bytes: &[u8], times: usize) {
    stream.set_write_timeout(Some(MOMENT)).unwrap();
    for _ in 0..times {
        let mut left = bytes;
        let mut last = Instant::now();
        while !left.is_empty() {
            match stream.write(left) {
                Ok(count) => (left, last) = (&left[count..], Instant::now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if has_hung_up(stream) {
                        return;
                    }
                    assert!(last.elapsed() < DEADLINE, "nobody reads, and nobody hangs up");
                }
                Err(_) => return,
            }
        }
    }
}

/// Whether the other end will say nothing any more.
fn has_hung_up(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let all = stream.read_to_end(&mut Vec::new());
    stream.set_nonblocking(false).unwrap();
    all.map_or_else(|error| error.kind() != ErrorKind::WouldBlock, |_| true)
}

/// What a client says first that proves who it is by this mechanism.
pub(crate) fn greeting(mechanism: &str) -> [u8; GREETING_LENGTH] {
    let mut greeting = [0; GREETING_LENGTH];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..12 + mechanism.len()].copy_from_slice(mechanism.as_bytes());
    greeting
}

/// One frame of a message.
pub(crate) fn frame(body: &[u8], more: bool) -> Vec<u8> {
    let more = if more { MORE } else { 0 };
    let mut frame = match u8::try_from(body.len()) {
        Ok(length) => vec![more, length],
        Err(_) => [&[more | LONG][..], &(body.len() as u64).to_be_bytes()].concat(),
    };
    frame.extend_from_slice(body);
    frame
}

/// The beginning of a command that has so many bytes.
pub(crate) fn long_command_head(length: u64) -> Vec<u8> {
    [&[COMMAND | LONG][..], &length.to_be_bytes()].concat()
}

fn ready(socket_type: &str) -> Vec<u8> {
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend_from_slice(&u32::try_from(socket_type.len()).unwrap().to_be_bytes());
    body.extend_from_slice(socket_type.as_bytes());
    [&[COMMAND, u8::try_from(body.len()).unwrap()][..], &body].concat()
}
