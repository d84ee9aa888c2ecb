//! More than the registry can take: what is refused is told so at once, and what is taken is
//! answered, all of it and in order.

use service_registry::limits::Limit;

use crate::support::{
    Client, Embedded, Gate, Registry, assert_refused, assert_success, registration, wait_until,
};

/// How many requests may wait for the database in these tests.
const JOBS: usize = 100;

#[test]
fn a_burst_of_thousands_is_answered_in_full_and_in_order() {
    let registry = Registry::start();
    let client = registry.client();

    for number in 0..5_000 {
        client.send(&registration(&format!("dev-{number}"), ""));
    }

    for number in 0..5_000 {
        assert_eq!(client.receive()["service_id"], format!("dev-{number}"));
    }
}

#[test]
fn a_full_queue_is_refused_at_once_and_loses_nothing_that_was_taken() {
    let gate = Gate::default();
    let (server, first) = Embedded::start_stuck(&format!("jobs={JOBS}"), &gate);
    let flood = server.client();
    // No more refusals than may wait for one client.
    let sent = JOBS + Limit::RefusalsPerClient.default_value() as usize / 2;
    for number in 0..sent {
        flood.send(&registration(&format!("dev-{number}"), ""));
    }

    // Others get what is left, and are refused behind that while the disk still blocks; everybody
    // can go on asking.
    let watcher = server.client();
    let mut probes = Vec::new();
    let mut refusal = None;
    wait_until("somebody is refused", || {
        if probes.len() < 2 * JOBS {
            let probe = server.client();
            probe.send(&registration(&format!("probe-{}", probes.len()), ""));
            probes.push(probe);
        }
        assert_success(&watcher.health());
        refusal = probes.iter().find_map(Client::received);
        refusal.is_some()
    });
    let refusal = refusal.expect("it was waited for");
    assert_refused(&refusal, "overloaded", &["overloaded"]);
    assert_eq!(refusal["limit"], "jobs");
    assert!(refusal["message"].as_str().unwrap().contains("At most 100 requests"), "{refusal}");

    gate.open();
    assert_success(&first.receive());
    let mut taken = 0;
    for number in 0..sent {
        let reply = flood.receive();
        if reply["success"] == true {
            assert_eq!(reply["service_id"], format!("dev-{number}"));
            taken += 1;
        } else {
            assert_eq!(reply["code"], "overloaded", "{number}: {reply}");
        }
    }
    assert!(taken >= JOBS / 2 - 1, "{taken} were taken");
    assert!(taken + probes.len() >= JOBS, "{taken} were taken, and {} of others", probes.len());
}

#[test]
fn refusals_that_wait_for_a_client_are_bounded_and_those_beyond_are_counted() {
    let gate = Gate::default();
    let (server, first) = Embedded::start_stuck("jobs=10,refusals_per_client=7", &gate);

    let flood = server.client();
    for number in 0..100 {
        flood.send(&registration(&format!("dev-{number}"), ""));
    }
    // The first has one of ten, and the flood no more than it leaves.
    let (taken, waiting) = (5, 7);
    let watcher = server.client();
    let mut info = watcher.info();
    wait_until("the others are refused", || {
        info = watcher.info();
        info["refused"]["overloaded"] == 100 - taken
    });
    gate.open();

    let dropped = 100 - taken - waiting;
    assert_eq!(info["exceeded"]["refusals_per_client"], dropped, "{info}");
    assert_eq!(info["totals"]["undelivered"], dropped, "{info}");
    assert_success(&first.receive());
    for _ in 0..taken {
        assert_success(&flood.receive());
    }
    for _ in 0..waiting {
        assert_eq!(flood.receive()["code"], "overloaded");
    }
    assert_success(&flood.health());
}
