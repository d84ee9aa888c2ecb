//! Peers that ask, or subscribe, and never read.

use serde_json::{Value, json};

use super::Besieged;
use crate::support::{Client, Launch, Peer, assert_success, wait_until};

/// What all services together say of themselves: as much as ten thousand usual ones.
const SERVICES: usize = 100;
const METADATA_BYTES: usize = 24_000;

/// How often all of it is asked for, or told: some gigabytes.
const LISTS: usize = 2_000;
const EVENTS: usize = 6_000;

fn large_registration(number: usize) -> Value {
    let id = format!("large-{}", number % SERVICES);
    let metadata = json!({"notes": "x".repeat(METADATA_BYTES)});
    json!({
        "action": "register",
        "service_info":
            {"name": id, "host": "127.0.0.1", "port": 6110, "id": id, "metadata": metadata},
    })
}

fn register_large_services(client: &Client, count: usize) {
    for number in 0..count {
        assert_success(&client.request(&large_registration(number)));
    }
}

/// A socket that takes as little from the network as it can.
fn deaf(besieged: &Besieged, kind: zmq::SocketType, endpoint: &str) -> Peer {
    Peer::connect_prepared("deaf", kind, endpoint, besieged.registry.transcript(), |socket| {
        socket.set_rcvhwm(1)?;
        socket.set_rcvbuf(4_096)?;
        // Who is cut off and does not read may learn of it a minute later, and goes on asking.
        socket.set_sndhwm(0)?;
        if kind == zmq::SUB { socket.set_subscribe(b"") } else { Ok(()) }
    })
}

#[test]
fn lists_that_are_never_read_do_not_fill_the_memory() {
    let besieged = Besieged::start();
    register_large_services(&besieged.client, SERVICES);
    let deaf = deaf(&besieged, zmq::DEALER, &besieged.registry.endpoints().requests);

    for number in 0..LISTS {
        deaf.send(&[b"REQ".as_slice(), br#"{"action": "list"}"#]);
        if number % 100 == 0 {
            besieged.assert_answers();
        }
    }

    besieged.assert_answers();
    drop(deaf);
    besieged.assert_survived();
}

#[test]
fn events_that_are_never_read_do_not_fill_the_memory() {
    // Whoever does not read answers no question whether he is there, either: on a busy machine that
    // must not be what ends the connection.
    let besieged = Besieged::start_with(Launch::new().flag("--limits", "silence_seconds=3600"));
    let deaf = deaf(&besieged, zmq::SUB, &besieged.registry.endpoints().events);
    wait_until("it is subscribed, which the last that it reads tells", || {
        besieged.client.register("visitor", "");
        deaf.receive_within(20).is_some()
    });

    register_large_services(&besieged.client, EVENTS);

    besieged.assert_answers();
    besieged.wait_for_closed_connections(1);
    drop(deaf);
    besieged.assert_survived();
}
