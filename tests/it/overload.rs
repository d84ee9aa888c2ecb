//! More than the registry can take: what is refused is told so at once, and what is taken is
//! answered, all of it and in order.

use crate::support::{
    Embedded, Gate, Registry, ScriptedBackend, assert_refused, assert_success, registration,
};

/// How many requests may wait for the database, as docs/architecture.md says.
const JOBS_WAITING_MAX: usize = 8_192;

/// How many refusals may queue behind them for one client.
const REFUSALS_WAITING_MAX: usize = 1_024;

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
    let server = Embedded::start(ScriptedBackend::behind(&gate));
    gate.close();
    let first = server.client();
    first.send(&registration("first", ""));
    gate.wait_for_arrival();
    let flood = server.client();
    let sent = JOBS_WAITING_MAX + REFUSALS_WAITING_MAX / 2;
    for number in 0..sent {
        flood.send(&registration(&format!("dev-{number}"), ""));
    }

    // Others are refused while the disk still blocks, and everybody can go on asking.
    let watcher = server.client();
    let mut probes = 0;
    let refusal = loop {
        let probe = server.client();
        probe.send(&registration(&format!("probe-{probes}"), ""));
        probes += 1;
        assert!(probes < 1_000, "nobody is ever refused");
        assert_success(&watcher.health());
        if let Some(refusal) = probe.received() {
            break refusal;
        }
    };
    assert_refused(&refusal, "overloaded", &["overloaded"]);
    assert!(refusal["message"].as_str().unwrap().contains("8192"), "{refusal}");

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
    assert!(taken >= JOBS_WAITING_MAX - probes, "{taken} were taken");
}
