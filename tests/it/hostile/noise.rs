//! Bytes that are no ZeroMQ at all, or begin like it, on all three ports.

use std::io::{Read, Write};

use super::Besieged;
use crate::support::Chance;
use crate::support::raw::{connect, frame, greeting, shake_hands};

/// The beginning of a TLS 1.2 handshake, as a browser sends it.
const TLS_HELLO: &[u8] = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\x20\x20\x20\x20";

const HTTP: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n\r\n";

#[test]
fn requests_of_other_protocols_are_survived_on_every_port() {
    let besieged = Besieged::start();

    for endpoint in besieged.endpoints() {
        for hello in [HTTP, TLS_HELLO, b"SSH-2.0-OpenSSH_9.6\r\n", b"\n", b"\xff"] {
            let mut stream = connect(endpoint);
            stream.write_all(hello).unwrap();
        }
    }

    besieged.assert_survived();
}

#[test]
fn a_web_browser_gets_no_answer_that_looks_like_one() {
    let besieged = Besieged::start();

    for endpoint in besieged.endpoints() {
        let mut stream = connect(endpoint);
        stream.write_all(HTTP).unwrap();
        let mut heard = [0; 64];
        // The registry greets, or hangs up; both is fine.
        let length = stream.read(&mut heard).unwrap_or(0);
        assert!(!heard[..length].starts_with(b"HTTP"), "{heard:?}");
    }

    besieged.assert_survived();
}

#[test]
fn random_bytes_are_survived_on_every_port() {
    let besieged = Besieged::start();
    let mut chance = Chance::new();

    for round in 0..300 {
        let endpoint = besieged.endpoints()[round % 3];
        let length = chance.usize(1..2_000);
        let bytes: Vec<u8> = (0..length).map(|_| chance.u8(..)).collect();
        let mut stream = connect(endpoint);
        // It may hang up in the middle.
        let _ = stream.write_all(&greeting("NULL")[..chance.usize(0..=64)]);
        let _ = stream.write_all(&bytes);
    }

    besieged.assert_survived();
}

#[test]
fn random_frames_behind_a_handshake_are_survived_on_every_port() {
    let besieged = Besieged::start();
    let mut chance = Chance::new();

    for round in 0..300 {
        let port = round % 3;
        let mut stream = shake_hands(besieged.endpoints()[port], ["DEALER", "SUB", "REQ"][port]);
        for _ in 0..chance.usize(1..20) {
            let body: Vec<u8> = (0..chance.usize(0..400)).map(|_| chance.u8(..)).collect();
            let mut frame = frame(&body, chance.bool());
            if chance.u8(..10) == 0 {
                let at = chance.usize(0..frame.len().min(9));
                frame[at] = chance.u8(..);
            }
            if stream.write_all(&frame).is_err() {
                break;
            }
        }
    }

    besieged.assert_survived();
}

#[test]
fn a_frame_that_claims_to_be_huge_takes_no_memory() {
    let besieged = Besieged::start();

    for length in [1_u64 << 30, 1 << 40, u64::MAX / 2, u64::MAX] {
        for (port, socket_type) in [(0, "DEALER"), (1, "SUB"), (2, "DEALER")] {
            let mut stream = shake_hands(besieged.endpoints()[port], socket_type);
            stream.write_all(&[&[2][..], &length.to_be_bytes(), b"{}"].concat()).unwrap();
            assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0, "it hangs up");
        }
    }

    besieged.assert_survived();
}
