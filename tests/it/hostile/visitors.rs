//! Peers that connect and do little else.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use super::Besieged;
use crate::support::Launch;
use crate::support::raw::{connect, shake_hands};

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
