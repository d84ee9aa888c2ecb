//! What `doctor` finds of a registry on etcd, and of the members of etcd.

use serde_json::Value;

use crate::support::{Etcd, Registry};

/// The verdict of a check, with what was found.
#[track_caller]
fn find(registry: &Registry, check: &str) -> (String, String) {
    let told = registry.run(&["doctor", "--json"]);
    let reply: Value = serde_json::from_str(&told.stdout).unwrap();
    let findings = reply["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["check"] == check);
    let finding = finding.unwrap_or_else(|| panic!("{check} is not in {reply:#}"));
    let text = |key: &str| finding[key].as_str().unwrap().to_owned();
    (text("verdict"), text("found"))
}

#[track_caller]
fn assert_found(registry: &Registry, check: &str, verdict: &str, words: &str) {
    let (actual, found) = find(registry, check);
    assert_eq!(actual, verdict, "{check}: {found}");
    assert!(found.contains(words), "{check}: {found}");
}

/// A registry whose settings the doctor can read, too.
fn registry(etcd: &Etcd, name: &str) -> Registry {
    let settings = format!("backend: etcd\netcd: {}\n", etcd.settings(name));
    etcd.launch(name).file("registry.yaml", settings).start()
}

#[test]
fn a_cluster_that_is_well_has_no_problem() {
    let etcd = Etcd::start(3);
    let a = registry(&etcd, "a");
    assert_found(&a, "other registries", "warning", "none but this one");

    let _b = registry(&etcd, "b");

    super::wait_until("a hears of b", || find(&a, "other registries").1 == "b");
    assert_found(&a, "cluster contact", "ok", "a heard itself");
    assert_found(&a, "etcd members", "ok", "all 3 answer");
    assert_found(&a, "etcd leader", "ok", " leads");
    assert_found(&a, "etcd access", "ok", "are answered");
}

#[test]
fn members_that_are_gone_are_told_and_so_is_the_loss_of_the_majority() {
    let mut etcd = Etcd::start(3);
    let a = registry(&etcd, "a");

    etcd.kill_member(0);
    assert_found(&a, "etcd members", "warning", "2 of 3 answer: http://127.0.0.1:");
    super::wait_until("another one leads", || find(&a, "etcd leader").0 == "ok");

    etcd.kill_member(1);
    assert_found(&a, "etcd members", "warning", "1 of 3 answer: http://127.0.0.1:");
    assert_found(&a, "etcd access", "problem", "do not answer a registry's questions");
    super::wait_until("the contact is lost", || find(&a, "cluster contact").0 == "problem");
    super::wait_until("nobody leads", || find(&a, "etcd leader").0 == "problem");

    etcd.kill_member(2);
    assert_found(&a, "etcd members", "problem", "cannot be reached");
}
