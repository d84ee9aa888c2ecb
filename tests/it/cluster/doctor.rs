//! What `doctor` finds of a registry on etcd, and of the members of etcd.

use serde_json::Value;

use crate::support::{Etcd, Registry};

/// The verdict of a check, with what was found at that moment.
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

/// Asks until that is found: a registry hears of the others, and of its own beats, a moment later,
/// and a member that is busy does not answer in time.
#[track_caller]
fn wait_until_found(registry: &Registry, check: &str, verdict: &str, words: &str) {
    super::wait_until(&format!("{check}: {verdict}, {words}"), || {
        let (actual, found) = find(registry, check);
        actual == verdict && found.contains(words)
    });
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
    wait_until_found(&a, "other registries", "warning", "none but this one");

    let _b = registry(&etcd, "b");

    wait_until_found(&a, "other registries", "ok", "b");
    wait_until_found(&a, "cluster contact", "ok", "a heard itself");
    wait_until_found(&a, "etcd members", "ok", "all 3 answer");
    wait_until_found(&a, "etcd leader", "ok", " leads");
    wait_until_found(&a, "etcd access", "ok", "are answered");
}

#[test]
fn members_that_are_gone_are_told_and_so_is_the_loss_of_the_majority() {
    let mut etcd = Etcd::start(3);
    let a = registry(&etcd, "a");

    etcd.kill_member(0);
    wait_until_found(&a, "etcd members", "warning", "2 of 3 answer: http://127.0.0.1:");
    wait_until_found(&a, "etcd leader", "ok", " leads");

    etcd.kill_member(1);
    wait_until_found(&a, "etcd members", "warning", "1 of 3 answer: http://127.0.0.1:");
    wait_until_found(&a, "etcd access", "problem", "do not answer a registry's questions");
    wait_until_found(&a, "cluster contact", "problem", "");
    wait_until_found(&a, "etcd leader", "problem", "");

    etcd.kill_member(2);
    wait_until_found(&a, "etcd members", "problem", "cannot be reached");
}
