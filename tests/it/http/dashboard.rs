//! The dashboard for Grafana: whatever it asks for is there.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::exchange::{address, launch};
use super::metrics::metrics;

const WORD: &str = "service_registry_";

/// The names of metrics in a query.
fn names(query: &str) -> Vec<&str> {
    let mut rest = query;
    let mut names = Vec::new();
    while let Some(start) = rest.find(WORD) {
        let from = &rest[start..];
        let end = from.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (name, behind) = from.split_at(end.unwrap_or(from.len()));
        names.push(name);
        rest = behind;
    }
    names
}

#[test]
fn every_metric_in_the_dashboard_exists_and_every_metric_is_in_the_dashboard() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana-dashboard.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let registry = launch().start();
    let metrics = metrics(address(&registry));
    let samples: Vec<&str> = metrics
        .values()
        .flat_map(|metric| metric.samples.iter().map(|sample| sample.name.as_str()))
        .collect();

    let panels = dashboard["panels"].as_array().unwrap();
    let queries: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(!queries.is_empty());
    for query in &queries {
        for name in names(query) {
            assert!(samples.contains(&name), "{name}, in {query}");
        }
    }
    for name in metrics.keys() {
        assert!(queries.iter().any(|query| query.contains(name)), "{name} is not shown");
    }
}

#[test]
fn the_panels_have_ids_titles_and_places_of_their_own() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana-dashboard.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();

    let mut ids = Vec::new();
    let mut taken = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        ids.push(panel["id"].as_u64().unwrap());
        assert!(!panel["title"].as_str().unwrap().is_empty());
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{}", panel["title"]);
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                taken.push((x, y));
            }
        }
    }

    for mut all in [ids.iter().map(|&id| (id, 0)).collect(), taken] {
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "nothing is there twice");
    }
}
