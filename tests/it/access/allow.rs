//! `allow`: who is not in it is refused at the handshake, on every socket.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Host, SILENCE_MILLISECONDS, from};
use crate::support::{DEADLINE, Launch, Peer, Registry, assert_success};

fn allowing(networks: &str) -> Registry {
    Launch::new().flag("--allow", networks).start()
}

/// Waits until the registry has refused at least so many connections: a client that sees its
/// connection end before it is told why tries again.
#[track_caller]
fn wait_for_refusals(host: &Host, count: u64) {
    let started = Instant::now();
    let info = || host.request(&json!({"action": "info"}));
    let refused = || info()["refused_connections"].as_u64().unwrap();
    while refused() < count {
        assert!(started.elapsed() < DEADLINE, "{} refused", refused());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_host_in_an_allowed_network_is_served_and_another_one_is_not() {
    let registry = allowing("127.0.0.0/30");

    for inside in ["127.0.0.1", "127.0.0.3"] {
        assert_success(&Host::at(inside, &registry).health());
    }
    for outside in ["127.0.0.4", "127.9.9.9"] {
        assert!(!Host::at(outside, &registry).is_heard(), "{outside}");
    }
}

#[test]
fn all_three_sockets_are_closed_to_a_host_that_is_not_allowed() {
    let registry = allowing("127.0.0.1");
    let endpoints = registry.endpoints().clone();
    let connect = |address: &str, kind, endpoint: &str| {
        Peer::connect_prepared(
            "host",
            kind,
            &from(address, endpoint),
            registry.transcript(),
            |socket| if kind == zmq::SUB { socket.set_subscribe(b"") } else { Ok(()) },
        )
    };
    let stranger = [
        connect("127.0.0.2", zmq::DEALER, &endpoints.requests),
        connect("127.0.0.2", zmq::DEALER, &endpoints.heartbeats),
        connect("127.0.0.2", zmq::SUB, &endpoints.events),
    ];
    stranger[0].send(&[b"REQ".as_slice(), br#"{"action": "health"}"#]);
    stranger[1].send(&[br#"{"service_id": "x"}"#]);
    wait_for_refusals(&Host::at("127.0.0.1", &registry), 3);

    // What the friend hears has passed the stranger by.
    let friend = registry.subscriber();
    registry.client().register("dev", "DEV");
    assert_eq!(friend.next().about(), ("register", "dev"));
    assert!(registry.heartbeat_client().renew("dev")["success"] == true);
    for socket in &stranger {
        assert_eq!(socket.receive_within(0), None);
    }
}

#[test]
fn a_refused_host_is_counted_and_named_once_and_not_for_every_connection() {
    let registry = allowing("127.0.0.1");
    let strangers: Vec<Host> = (0..20).map(|_| Host::at("127.0.0.2", &registry)).collect();

    wait_for_refusals(&Host::at("127.0.0.1", &registry), 20);

    let finished = registry.stop();
    let lines: Vec<&str> =
        finished.stderr.lines().filter(|line| line.contains("refused")).collect();
    // The first is told at once, the others when the minute is over or the registry stops.
    assert!((1..=2).contains(&lines.len()), "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("127.0.0.2")), "{lines:?}");
    drop(strangers);
}

#[test]
fn an_address_of_ipv6_is_allowed_by_its_network() {
    let long = i64::try_from(DEADLINE.as_millis()).unwrap();
    // No flood of hosts to try here: the loopback has one address.
    for (networks, heard) in [("::1", true), ("fd00::/8,127.0.0.0/8", false), ("::/0", true)] {
        let launch = Launch::new().flag("--allow", networks).flag("--bind", "::1");
        // Not every host has IPv6.
        let Ok(registry) = launch.try_start() else { return };
        let client = Peer::connect_prepared(
            "host",
            zmq::DEALER,
            &registry.endpoints().requests,
            registry.transcript(),
            |socket| socket.set_ipv6(true),
        );
        client.send(&[b"REQ".as_slice(), br#"{"action": "health"}"#]);

        let answered = client.receive_within(if heard { long } else { SILENCE_MILLISECONDS });

        assert_eq!(answered.is_some(), heard, "{networks}");
    }
}

#[test]
fn a_host_that_speaks_an_older_protocol_is_not_let_in_unasked() {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    let registry = allowing("127.0.0.2");
    let address = registry.endpoints().requests.replace("tcp://", "");
    // A whole request in ZMTP 1.0 and in 2.0, which know no question at the door: without one, both
    // would be answered.
    let body = br#"{"action":"health"}"#;
    let first = [b"\x01\x00\x04\x01REQ\x14\x00".as_slice(), body].concat();
    let greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05\0\0".as_slice();
    let second = [greeting, b"\x01\x03REQ\x00\x13", body].concat();
    for message in [first, second] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(&message).unwrap();

        let mut answer = Vec::new();
        // The registry hangs up, in one way or the other.
        let _ = stream.read_to_end(&mut answer);

        assert!(!answer.windows(8).any(|bytes| bytes == b"RESPONSE"), "{answer:?}");
    }
}

#[test]
fn listening_beyond_the_loopback_without_allow_is_warned_of_in_one_line() {
    let open = Launch::new().flag("--bind", "*");
    let warnings = |launch: &Launch| {
        let finished = launch.start().stop();
        finished.stderr.lines().filter(|line| line.contains("`allow`")).count()
    };

    assert_eq!(warnings(&open), 1);
    assert_eq!(warnings(&open.clone().flag("--allow", "127.0.0.0/8")), 0);
    assert_eq!(warnings(&open.flag("--bind", "127.0.0.1")), 0);
}
