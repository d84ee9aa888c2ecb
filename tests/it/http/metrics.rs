//! The metrics: readable by Prometheus, named by its conventions, and true.

use std::net::SocketAddr;

use serde_json::json;

use super::exchange::{address, get, launch};
use super::exposition::{Metrics, parse};
use crate::support::{self, short_lived};

const PREFIX: &str = "service_registry_";

#[track_caller]
pub(super) fn metrics(address: SocketAddr) -> Metrics {
    parse(&get(address, "/metrics").body).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// The sum of the samples of this name that have these labels.
#[track_caller]
fn value(metrics: &Metrics, name: &str, labels: &[(&str, &str)]) -> f64 {
    let name = format!("{PREFIX}{name}");
    let has = |sample: &&super::exposition::Sample| {
        labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|v| v == value))
    };
    let samples = metrics.values().flat_map(|metric| &metric.samples);
    let matching: Vec<f64> =
        samples.filter(|s| s.name == name).filter(has).map(|s| s.value).collect();
    assert!(!matching.is_empty(), "there is a {name} with {labels:?}");
    matching.iter().sum()
}

/// Waits until a sample has a value, since metrics are as old as half a second.
#[track_caller]
fn wait_for(address: SocketAddr, name: &str, labels: &[(&str, &str)], expected: f64) {
    support::wait_until(&format!("{name}, {labels:?}, is {expected}"), || {
        let found = value(&metrics(address), name, labels);
        (found - expected).abs() < f64::EPSILON
    });
}

#[test]
fn names_follow_the_conventions_and_every_metric_is_explained() {
    let registry = launch().start();

    let metrics = metrics(address(&registry));

    assert!(metrics.len() > 12, "{:?}", metrics.keys());
    for (name, metric) in &metrics {
        assert!(name.starts_with(PREFIX), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == "counter", "{name}");
        assert_eq!(name.ends_with("_duration_seconds"), metric.kind == "histogram", "{name}");
        assert!(metric.help.ends_with('.') && metric.help.len() > 5, "{name}: {}", metric.help);
        assert!(!metric.samples.is_empty(), "{name} is there from the start");
    }
}

#[test]
fn histograms_grow_towards_all() {
    let registry = launch().start();
    let client = registry.client();
    client.register("dev", "DEV");
    client.get("dev");
    let address = address(&registry);
    wait_for(address, "request_duration_seconds_count", &[("action", "get")], 1.0);

    for metric in metrics(address).values().filter(|metric| metric.kind == "histogram") {
        let mut last: Option<(&str, f64)> = None;
        for sample in metric.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
            let end = sample.labels["le"].as_str();
            if let Some((earlier, count)) = last.filter(|(earlier, _)| *earlier != "+Inf") {
                let number = |end: &str| end.parse().unwrap_or(f64::INFINITY);
                assert!(number(earlier) < number(end), "{earlier} comes before {end}");
                assert!(count <= sample.value, "{:?}", sample.labels);
            }
            last = Some((end, sample.value));
        }
        assert_eq!(last.unwrap().0, "+Inf");
    }
}

#[test]
fn what_was_asked_and_answered_is_counted() {
    let registry = launch().start();
    let address = address(&registry);
    let client = registry.client();
    client.register("dev", "DEV");
    client.register("other", "OTHER");
    client.deregister("other");
    client.get("dev");
    client.get("nobody");
    client.request(&json!({"action": "dance"}));
    registry.heartbeat_client().renew("dev");
    registry.heartbeat_client().renew("nobody");

    let done = |action| [("action", action), ("outcome", "carried_out")];
    let refused = |action| [("action", action), ("outcome", "refused")];
    let build =
        [("version", env!("CARGO_PKG_VERSION")), ("commit", env!("SERVICE_REGISTRY_COMMIT"))];
    for (name, labels, expected) in [
        ("requests_total", &done("register")[..], 2.0),
        ("requests_total", &done("deregister"), 1.0),
        ("requests_total", &done("get"), 1.0),
        ("requests_total", &refused("get"), 1.0),
        ("requests_total", &refused("unreadable"), 1.0),
        ("heartbeats_total", &[("outcome", "carried_out")], 1.0),
        ("heartbeats_total", &[("outcome", "refused")], 1.0),
        ("refusals_total", &[("code", "service_not_found")], 2.0),
        ("refusals_total", &[("code", "unknown_action")], 1.0),
        ("request_duration_seconds_count", &[("action", "register")], 2.0),
        ("request_duration_seconds_count", &[("action", "heartbeat")], 2.0),
        ("events_total", &[("type", "register")], 2.0),
        ("events_total", &[("type", "deregister")], 1.0),
        ("services", &[("health", "passing")], 1.0),
        ("services", &[("health", "critical")], 0.0),
        ("queue_length", &[("queue", "jobs")], 0.0),
        ("build_info", &build, 1.0),
        ("storage_up", &[], 1.0),
    ] {
        wait_for(address, name, labels, expected);
    }
    let metrics = metrics(address);
    assert!(value(&metrics, "commit_duration_seconds_count", &[]) >= 2.0);
    assert!(value(&metrics, "commit_duration_seconds_sum", &[]) > 0.0);
    // A registration waits for the disk, and what it waits for is measured as well.
    let waited = value(&metrics, "request_duration_seconds_sum", &[("action", "register")]);
    assert!(waited > 0.0);
}

#[test]
fn a_service_that_falls_silent_moves_from_passing_to_critical_and_is_counted_when_it_goes() {
    let registry = launch().flag("--cleanup-interval", "6").start();
    let address = address(&registry);
    registry.client().request(&short_lived("dev", "DEV", 1));

    wait_for(address, "services", &[("health", "critical")], 1.0);
    wait_for(address, "events_total", &[("type", "expire")], 1.0);

    wait_for(address, "services", &[("health", "critical")], 0.0);
}
