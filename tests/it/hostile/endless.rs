//! Messages of very many frames, and messages that never end. ZeroMQ keeps a message until its
//! last frame has come, and counts it as none until then.

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::Besieged;
use crate::support::raw::{frame, send_until_cut_off, shake_hands};
use crate::support::{Peer, answer_in, assert_refused};

/// More than the registry may ever hold.
const BYTES: usize = 512 << 20;

/// How many send at once, each so often: whoever is cut off connects again.
const SENDERS: usize = 8;
const ATTEMPTS: usize = 3;

/// Sends frames that are never the last, until the registry hangs up or has been sent all.
fn send_without_end(stream: &mut TcpStream, frame_length: usize) {
    let one = frame(&vec![b'x'; frame_length], true);
    let many = one.repeat((1 << 20) / one.len());
    send_until_cut_off(stream, &many, BYTES / many.len());
}

#[test]
fn a_message_of_many_frames_is_answered() {
    let besieged = Besieged::start();
    let peer = Peer::connect(
        "many frames",
        zmq::DEALER,
        &besieged.registry.endpoints().requests,
        besieged.registry.transcript(),
    );
    let mut frames = vec![b"REQ".as_slice(), br#"{"action": "health"}"#];
    frames.resize(10_000, b"");

    peer.send(&frames);

    assert_refused(&answer_in(peer.receive()), "limit_exceeded", &["frames"]);
    drop(peer);
    besieged.assert_survived();
}

#[test]
fn requests_that_never_end_are_cut_off() {
    assert_cut_off(0, "DEALER", 64_000);
}

#[test]
fn heartbeats_that_never_end_are_cut_off() {
    assert_cut_off(2, "DEALER", 64_000);
}

#[test]
fn subscriptions_that_never_end_are_cut_off() {
    assert_cut_off(1, "SUB", 200);
}

#[test]
fn requests_that_never_end_are_cut_off_where_many_send_at_once() {
    let besieged = Besieged::start();
    let requests = besieged.endpoints()[0];

    thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                for _ in 0..ATTEMPTS {
                    send_without_end(&mut shake_hands(requests, "DEALER"), 64_000);
                }
            });
        }
    });

    besieged.wait_for_closed_connections(SENDERS as u64);
    besieged.assert_survived();
}

#[test]
fn many_messages_that_never_end_and_have_nothing_in_them_are_cut_off() {
    // Each frame takes two bytes on its way and sixty-four in memory.
    let besieged = Besieged::start();
    let requests = besieged.endpoints()[0];
    let frames = frame(b"", true).repeat(256 << 10);

    let crowd: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = shake_hands(requests, "DEALER");
            // Who is cut off is told, or hears nothing any more.
            stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
            let _ = stream.write_all(&frames);
            stream
        })
        .collect();

    besieged.assert_answers();
    besieged.assert_small();
    besieged.wait_for_closed_connections(1);
    drop(crowd);
    besieged.assert_survived();
}

#[track_caller]
fn assert_cut_off(endpoint: usize, socket_type: &str, frame_length: usize) {
    let besieged = Besieged::start();
    let mut stream = shake_hands(besieged.endpoints()[endpoint], socket_type);

    send_without_end(&mut stream, frame_length);

    besieged.assert_answers();
    besieged.assert_small();
    besieged.wait_for_closed_connections(1);
    drop(stream);
    besieged.assert_survived();
}
