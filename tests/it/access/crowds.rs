//! `connections_per_address`: no host has all connections.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Host;
use crate::support::{Launch, assert_success};

/// How long a client that was refused may take to come again, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        // Nothing tells when it is so.
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_host_with_as_many_connections_as_it_may_have_gets_no_more_until_one_has_ended() {
    let registry = Launch::new().flag("--limits", "connections_per_address=3").start();
    let other = Host::at("127.0.0.3", &registry);
    let refused = || {
        let info = other.request(&json!({"action": "info"}));
        info["exceeded"]["connections_per_address"].as_u64().unwrap_or(0)
    };
    let mut crowd: Vec<Host> = (0..3).map(|_| Host::at("127.0.0.2", &registry)).collect();
    for host in &crowd {
        assert_success(&host.health());
    }
    assert_eq!(refused(), 0);

    let late = Host::at("127.0.0.2", &registry);
    late.send(&json!({"action": "health"}));

    wait_until("it is counted", || refused() > 0);
    registry.wait_for_line("connections_per_address (");
    assert!(late.peer.receive_within(0).is_none());
    for host in &crowd {
        assert_success(&host.health());
    }
    assert_success(&Host::at("127.0.0.3", &registry).health());

    // It tries again by itself.
    crowd.pop();
    wait_until("it is let in", || late.peer.receive_within(0).is_some());
}
