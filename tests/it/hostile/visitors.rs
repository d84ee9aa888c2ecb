//! Peers that connect and do little else.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::Besieged;
use crate::support::Launch;
use crate::support::raw::{connect, greeting, shake_hands};

/// How many connections are opened and dropped.
const VISITORS: usize = 2_000;

#[test]
fn two_thousand_connections_that_come_and_go_leave_nothing_behind() {
    let besieged = Besieged::start();

    for visitor in 0..VISITORS {
        drop(connect(besieged.endpoints()[visitor % 3]));
        if visitor % 500 == 0 {
            besieged.assert_answers();
        }
    }

    besieged.assert_survived();
}

#[test]
fn hundreds_of_connections_at_once_leave_nothing_behind() {
    let besieged = Besieged::start();

    let crowd: Vec<TcpStream> = (0..600).map(|it| connect(besieged.endpoints()[it % 3])).collect();
    besieged.assert_answers();
    drop(crowd);

    besieged.assert_survived();
}

#[test]
fn who_connects_and_says_nothing_is_sent_away() {
    let besieged = Besieged::start();

    let crowd = besieged.endpoints().map(|endpoint| (endpoint, connect(endpoint)));
    for (endpoint, mut silent) in crowd {
        silent.set_read_timeout(Some(super::PATIENCE)).unwrap();
        // It greets first, and then hangs up.
        let ended = silent.read_to_end(&mut Vec::new());
        assert!(ended.is_ok(), "{endpoint} still waits: {ended:?}");
    }

    besieged.assert_survived();
}

#[test]
fn who_stops_in_the_middle_of_the_handshake_is_sent_away() {
    let besieged = Besieged::start_with(Launch::new().flag("--limits", "handshake_seconds=3"));
    let greeting = greeting("NULL");

    // Nothing behind the signature, behind the greeting, and in the middle of the last command.
    let beginnings = [greeting[..10].to_vec(), greeting.to_vec(), [&greeting[..], &[4]].concat()];
    let mut crowd = Vec::new();
    for endpoint in besieged.endpoints() {
        for beginning in &beginnings {
            let mut stream = connect(endpoint);
            stream.write_all(beginning).unwrap();
            crowd.push(stream);
        }
    }

    for mut stream in crowd {
        assert_hung_up(&mut stream);
    }
    besieged.assert_survived();
}

#[test]
fn who_says_that_nothing_more_will_come_is_sent_away() {
    let besieged = Besieged::start();

    for (port, socket_type) in [(0, "DEALER"), (1, "SUB"), (2, "DEALER")] {
        let mut stream = shake_hands(besieged.endpoints()[port], socket_type);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_hung_up(&mut stream);
    }

    besieged.assert_survived();
}

#[test]
fn connections_whose_peers_have_vanished_are_closed() {
    let besieged = Besieged::start_with(Launch::new().flag("--limits", "silence_seconds=6"));

    // They read nothing and answer nothing, as hosts that lost their power.
    let _vanished: Vec<TcpStream> = [(0, "DEALER"), (1, "SUB"), (2, "DEALER")]
        .into_iter()
        .map(|(port, socket_type)| shake_hands(besieged.endpoints()[port], socket_type))
        .collect();

    // Less than the minute that they have unless it is set.
    besieged.assert_survived_after(Duration::from_secs(55));
}

/// The registry ends this connection, whether it has read all that was sent or not.
#[track_caller]
fn assert_hung_up(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
    let ended = stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
    assert!(matches!(ended, Ok(_) | Err(ErrorKind::ConnectionReset)), "{ended:?}");
}
