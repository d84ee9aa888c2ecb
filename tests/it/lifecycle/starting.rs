//! What a start says, and when; where it listens; why it may not start.

use std::net::{TcpListener, TcpStream};

use crate::support::{Finished, Launch, Registry, assert_success, port_of};

#[track_caller]
fn assert_one_sentence(finished: &Finished, words: &[&str]) {
    assert_eq!(finished.stdout, "");
    let complaint = finished.complaint();
    for word in words {
        assert!(complaint.contains(word), "{word:?} is not in {complaint:?}");
    }
}

#[test]
fn the_ready_line_names_the_resolved_endpoints() {
    let registry = Registry::start();
    let info = registry.client().info();
    let endpoint = |key: &str| format!("tcp://127.0.0.1:{}", info[key]);

    let expected = format!(
        "service-registry ready: requests {}, events {}, heartbeats {}",
        endpoint("req_port"),
        endpoint("pub_port"),
        endpoint("hb_port")
    );
    assert_eq!(registry.ready_line(), expected);
}

#[test]
fn a_registry_that_is_ready_answers_at_once_on_every_socket() {
    for _ in 0..5 {
        let registry = Registry::start();

        assert_success(&registry.client().health());
        assert_eq!(registry.heartbeat_client().renew("nobody")["success"], false);
        registry.subscriber();
    }
}

#[test]
fn standard_output_has_the_ready_line_and_standard_error_the_log() {
    let registry = Launch::new().flag("--log-level", "info").start();
    registry.client().register("noteworthy", "DEV");

    let finished = registry.stop();

    assert_eq!(finished.stdout.lines().count(), 1, "{:?}", finished.stdout);
    assert!(finished.stderr.contains("noteworthy"), "{:?}", finished.stderr);
}

#[test]
fn a_log_level_of_off_is_silence() {
    let registry = Launch::new().flag("--log-level", "off").start();
    registry.client().register("dev", "DEV");

    let finished = registry.stop();

    assert_eq!(finished.stderr, "");
}

#[test]
fn what_a_client_sends_cannot_forge_a_line_of_the_log() {
    let registry = Registry::start();
    let client = registry.client();

    client.register("dev\n2026-01-01T00:00:00.000Z ERROR forged", "A\u{1b}[2J");
    client.send_frames(&["\nforged", "{}"]);
    client.receive();

    let log = registry.stop().stderr;
    assert!(!log.lines().any(|line| line.starts_with("2026-01-01") || line == "forged"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
}

#[test]
fn a_taken_port_is_told_in_one_sentence() {
    for flag in ["--req-port", "--pub-port", "--hb-port"] {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();

        let finished = Launch::new().flag(flag, &port).start_in_vain();

        finished.assert_code(1);
        assert_one_sentence(&finished, &[&format!("tcp://127.0.0.1:{port}"), "taken"]);
    }
}

#[test]
fn two_registries_on_one_port_are_one_too_many() {
    let first = Registry::start();
    let port = port_of(&first.endpoints().requests).to_string();

    let second = Launch::new().flag("--req-port", &port).start_in_vain();

    second.assert_code(1);
    assert_one_sentence(&second, &[&port, "another registry"]);
    assert_success(&first.client().health());
}

#[test]
fn by_default_only_the_loopback_address_listens() {
    let registry = Registry::start();
    let endpoints = registry.endpoints();

    for endpoint in [&endpoints.requests, &endpoints.events, &endpoints.heartbeats] {
        let port = port_of(endpoint);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(TcpStream::connect(("127.0.0.2", port)).is_err(), "{port} is open to others");
    }
}

#[test]
fn bound_to_all_addresses_every_one_of_them_listens() {
    let registry = Launch::new().flag("--bind", "*").start();
    let endpoints = registry.endpoints();

    assert!(registry.ready_line().contains("requests tcp://0.0.0.0:"), "{}", registry.ready_line());
    for endpoint in [&endpoints.requests, &endpoints.events, &endpoints.heartbeats] {
        let port = port_of(endpoint);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(TcpStream::connect(("127.0.0.2", port)).is_ok());
    }
    assert_success(&registry.client().health());
}

#[test]
fn bound_to_one_address_only_that_listens() {
    let registry = Launch::new().flag("--bind", "127.0.0.2").start();
    let port = port_of(&registry.endpoints().requests);

    assert!(registry.endpoints().requests.starts_with("tcp://127.0.0.2:"));
    assert_success(&registry.client().health());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn bound_to_an_interface_its_address_listens() {
    let registry = Launch::new().flag("--bind", "lo").start();

    assert!(registry.endpoints().requests.starts_with("tcp://127.0.0.1:"));
    assert_success(&registry.client().health());
}

#[test]
fn an_address_that_this_host_does_not_have_is_named() {
    // Set aside for documentation, so no host has it.
    let finished = Launch::new().flag("--bind", "192.0.2.1").start_in_vain();

    finished.assert_code(1);
    assert_one_sentence(&finished, &["192.0.2.1", "--bind"]);
}

#[test]
fn an_interface_that_this_host_does_not_have_is_named() {
    let finished = Launch::new().flag("--bind", "nonet9").start_in_vain();

    finished.assert_code(1);
    assert_one_sentence(&finished, &["nonet9", "--bind"]);
}
