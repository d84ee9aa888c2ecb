//! A client that floods does not starve the others.

use serde_json::json;

use crate::support::{
    Embedded, Gate, Registry, assert_success, registration, wait_until, whole_number,
};

/// How many requests may wait to be stored.
const JOBS: u64 = 1_000;

#[test]
fn writes_of_one_client_do_not_fill_the_queue_for_the_others() {
    let gate = Gate::default();
    let (server, first) = Embedded::start_stuck(&format!("jobs={JOBS}"), &gate);

    // While the disk blocks, one floods until it is refused.
    let flood = server.client();
    let watcher = server.client();
    let mut sent = 0;
    wait_until("it is refused", || {
        for _ in 0..100 {
            flood.send(&registration(&format!("flood-{sent}"), ""));
            sent += 1;
        }
        !watcher.info()["exceeded"]["jobs"].is_null()
    });
    let flooded = whole_number(&watcher.info()["jobs_waiting"]);
    let polite: Vec<_> = (0..50).map(|_| server.client()).collect();
    for (number, client) in polite.iter().enumerate() {
        client.send(&registration(&format!("polite-{number}"), ""));
    }
    watcher.wait_for_jobs(flooded + 50);
    gate.open();

    for (number, client) in polite.iter().enumerate() {
        assert_eq!(client.receive()["service_id"], format!("polite-{number}"));
    }
    assert_success(&first.receive());
    for _ in 0..sent {
        let reply = flood.receive();
        if reply["success"] == false {
            assert_eq!((&reply["code"], &reply["limit"]), (&json!("overloaded"), &json!("jobs")));
        }
    }
    // With the one that came first.
    assert_eq!(flooded, JOBS / 2 + 1);
}

#[test]
fn large_writes_share_the_bytes_that_may_wait() {
    let gate = Gate::default();
    let (server, _first) = Embedded::start_stuck("job_bytes=16777216", &gate);

    let flood = server.client();
    for number in 0..200 {
        let mut request = registration(&format!("flood-{number}"), "");
        request["service_info"]["metadata"] = json!({"x": "x".repeat(60_000)});
        flood.send(&request);
    }
    let watcher = server.client();
    wait_until("it is refused", || !watcher.info()["exceeded"]["job_bytes"].is_null());
    let flooded = whole_number(&watcher.info()["jobs_waiting"]);
    let polite = server.client();
    polite.send(&registration("polite", ""));
    watcher.wait_for_jobs(flooded + 1);
    gate.open();

    assert_eq!(polite.receive()["service_id"], "polite");
    let replies: Vec<_> = (0..200).map(|_| flood.receive()).collect();
    // Half of sixteen megabytes.
    assert!((135..=145).contains(&flooded), "{flooded}");
    for reply in replies.iter().filter(|reply| reply["success"] == false) {
        assert_eq!((&reply["code"], &reply["limit"]), (&json!("overloaded"), &json!("job_bytes")));
    }
}

#[test]
fn requests_of_a_client_that_floods_are_taken_in_turn_with_those_of_others() {
    let registry = Registry::start();
    let flood = registry.client();
    let polite = registry.client();
    assert_success(&polite.health());

    // Ten questions at once, each of which sees how far the flood has got. The registry stands
    // still while all of them are sent.
    let mut flooded = 0;
    let mut between: Vec<u64> = (0..15)
        .map(|_| {
            registry.signal("STOP");
            for _ in 0..900 {
                flood.send(&json!({"action": "discover", "service_type": "x"}));
                flooded += 1;
            }
            for _ in 0..10 {
                polite.send(&json!({"action": "info"}));
            }
            registry.signal("CONT");
            let seen: Vec<u64> = (0..10)
                .map(|_| polite.receive()["refused"]["no_healthy_service"].as_u64().unwrap_or(0))
                .collect();
            for _ in 0..900 {
                flood.receive();
            }
            seen[9] - seen[0]
        })
        .collect();

    // On a busy machine the questions of an attempt or two arrive one by one.
    between.sort_unstable();
    assert!(between[7] <= 90, "so many came between ten questions of the other: {between:?}");
    let refused = polite.info();
    assert_eq!(whole_number(&refused["refused"]["no_healthy_service"]), flooded);
}
