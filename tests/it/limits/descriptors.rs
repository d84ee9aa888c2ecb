//! File descriptors and connections: how many there may be, and what happens beyond.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::http::exchange::address;
use crate::support::raw::{frame, send_until_cut_off, shake_hands};
use crate::support::{Client, DEADLINE, Launch, Registry, assert_success, port_of, wait_until};

/// What the registry may take where memory is short, with room for few services.
const LITTLE_MEMORY: &str = "memory_bytes=67108864,registry_bytes=16777216";

/// More than it takes, in KiB, beside what it has taken in while it was cut off.
const MEMORY_MAX: u64 = 256 << 10;

/// Whether a new client is answered; where its connection is refused it tries again by itself.
fn is_served(client: &Client) -> bool {
    client.received().is_some()
}

fn soft_and_hard_limit(registry: &Registry) -> (String, String) {
    let limits = fs::read_to_string(format!("/proc/{}/limits", registry.process_id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut words = line.trim_start_matches("Max open files").split_whitespace();
    (words.next().unwrap().to_owned(), words.next().unwrap().to_owned())
}

#[test]
fn the_registry_allows_itself_as_many_files_as_it_may() {
    let registry = Launch::new().descriptor_limits(100, 300).start();

    assert_eq!(soft_and_hard_limit(&registry), ("300".to_owned(), "300".to_owned()));
}

#[test]
fn a_registry_that_may_not_open_what_it_takes_says_so_before_it_listens() {
    let mut started = 0;
    // Few enough that it cannot start, and then one more each time until it has some to spare.
    for limit in 20..200 {
        match Launch::new().descriptor_limits(limit, limit).try_start() {
            Err(refused) => {
                assert_eq!(started, 0, "{limit} are too few, and fewer were not: {refused:?}");
                assert!(refused.stderr.contains("Too many open files"), "{}", refused.stderr);
                assert!(!refused.stderr.contains("listening;"), "{}", refused.stderr);
                refused.assert_code(1);
            }
            Ok(registry) => {
                registry.signal("TERM");
                registry.wait().assert_code(0);
                started += 1;
            }
        }
        if started == 3 {
            return;
        }
    }
    panic!("it does not start");
}

#[test]
fn connections_beyond_the_limit_wait_until_others_have_ended() {
    let registry = Launch::new().flag("--limits", "connections=5").start();
    let first = registry.client();
    let refused = || first.info()["exceeded"]["connections"].as_u64().unwrap_or(0);
    let mut clients: Vec<Client> = Vec::new();
    while refused() == 0 {
        assert!(clients.len() < 50, "nobody is ever refused");
        let client = registry.client();
        client.send(&json!({"action": "health"}));
        clients.push(client);
        // It is answered, unless it is refused.
        wait_until("it gets an answer", || refused() > 0 || is_served(&clients[clients.len() - 1]));
    }
    // The limit, and what is kept for files.
    assert!((5..=25).contains(&clients.len()), "{} connections", clients.len());

    let late = clients.pop().unwrap();
    assert!(!is_served(&late));
    assert_success(&first.health());
    // The peer hears nothing; whoever runs the registry does.
    wait_until("it tells", || registry.log().contains("connections ("));
    let log = registry.log();
    let line = log.lines().find(|line| line.contains("connections (")).unwrap();
    assert!(line.contains("WARN") && line.contains("to 127.0.0.1"), "{line}");
    drop(clients);

    wait_until("the late one is let in", || is_served(&late));
}

#[test]
fn connections_that_wait_to_be_accepted_are_bounded() {
    let launch = Launch::new().descriptor_limits(100, 100);
    let registry = launch.flag("--limits", "connections_waiting=3").start();
    let port = port_of(&registry.endpoints().requests);
    let mut silent: Vec<TcpStream> =
        (0..100).map_while(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();

    // When there is no descriptor left, nothing is accepted, and then nobody gets in.
    let address = ([127, 0, 0, 1], port).into();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        silent.push(stream);
        assert!(silent.len() < 300, "{} connections are made", silent.len());
    }

    assert!(silent.len() > 3, "{}", silent.len());
}

#[test]
fn a_registry_that_runs_out_of_descriptors_says_so_serves_its_clients_and_recovers() {
    let registry = Launch::new().descriptor_limits(100, 100).start();
    let client = registry.client();
    client.register("dev", "");
    let port = port_of(&registry.endpoints().requests);

    // They connect, and say nothing.
    let silent: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    wait_until("it tells", || registry.log().contains("file descriptors are in use"));

    assert_success(&client.get("dev"));
    client.register("another", "");
    assert_eq!(registry.log().matches("file descriptors are in use").count(), 1);

    drop(silent);
    let late = registry.client();
    late.send(&json!({"action": "health"}));
    wait_until("a new client is served", || is_served(&late));
}

#[test]
fn http_connections_that_cannot_be_taken_are_told_once_and_not_each_second() {
    let registry = Launch::new().flag("--http", "127.0.0.1:0").descriptor_limits(100, 100).start();
    let port = port_of(&registry.endpoints().requests);
    let http = address(&registry);
    let refused = || registry.log().matches("cannot take an HTTP connection").count();

    // They connect, and say nothing; then others wait for HTTP.
    let silent: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    wait_until("all descriptors are taken", || registry.open_descriptors() >= 100);
    let waiting: Vec<TcpStream> = (0..60).map(|_| TcpStream::connect(http).unwrap()).collect();
    wait_until("it tells", || refused() > 0);
    // Three times as long as it waits before it tries again.
    thread::sleep(Duration::from_secs(3));

    assert_eq!(refused(), 1, "{}", registry.log());
    drop((silent, waiting));
}

#[test]
fn where_no_descriptor_is_left_a_message_that_never_ends_is_cut_off_all_the_same() {
    let launch = Launch::new().descriptor_limits(100, 100).flag("--limits", LITTLE_MEMORY);
    let registry = launch.start();
    let client = registry.client();
    assert_success(&client.health());
    let mut senders = [(); 2].map(|()| shake_hands(&registry.endpoints().requests, "DEALER"));
    let port = port_of(&registry.endpoints().requests);
    let one = frame(&[b'x'; 64_000], true);

    for sender in &mut senders {
        let silent: Vec<TcpStream> =
            (0..120).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
        wait_until("all descriptors are taken", || registry.open_descriptors() >= 100);
        // More than it may ever hold, until it hangs up.
        send_until_cut_off(sender, &one, 8_000);
        drop(silent);
    }

    // A registry of few services tells, however much memory is taken.
    let mut info = json!(null);
    wait_until("it counts what it closed", || {
        info = client.info();
        assert_success(&info);
        info["exceeded"]["memory_bytes"] == 2
    });
    let highest = registry.memory("VmHWM:");
    assert!(highest < MEMORY_MAX, "it has taken {highest} KiB of memory");
    registry.wait_for_line("they filled the memory");
    assert!(!registry.log().contains("cannot"), "{}", registry.log());
}

#[test]
fn who_connects_and_says_nothing_is_given_up_as_soon_as_the_setting_says() {
    let [patient, strict] = ["handshake_seconds=3600", "handshake_seconds=1"].map(|limits| {
        let registry = Launch::new().flag("--limits", limits).start();
        let port = port_of(&registry.endpoints().requests);
        let silent = TcpStream::connect(("127.0.0.1", port)).unwrap();
        silent.set_read_timeout(Some(DEADLINE)).unwrap();
        (registry, silent)
    });
    let (_patient, mut tolerated) = patient;
    let (_strict, mut silent) = strict;

    let mut greeting = Vec::new();
    // The greeting of ZeroMQ, and then the end, instead of an error at the deadline.
    silent.read_to_end(&mut greeting).unwrap();

    assert!(greeting.starts_with(&[0xff]), "{greeting:?}");
    // The other one came first, and is still there.
    tolerated.set_nonblocking(true).unwrap();
    let error = tolerated.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}
