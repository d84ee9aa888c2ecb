//! What becomes of registries when etcd is set back to a snapshot, whether they run meanwhile or
//! not.

use service_registry::client::{RegistryClient, RegistryEndpoints, Watch};

use super::{in_contact, pair, wait_until, wait_until_agreed, wait_until_registered};
use crate::support::{Etcd, Registry, registration};

/// What etcd calls a cluster that nobody named.
const SAME: &str = "etcd-cluster";

#[track_caller]
fn assert_alike(registries: &[&Registry]) {
    let place = |registry: &&Registry| {
        let health = registry.client().health();
        (health["epoch"].clone(), health["seq"].clone())
    };
    wait_until("all stand at one place", || {
        registries.windows(2).all(|pair| place(&pair[0]) == place(&pair[1]))
    });
}

#[track_caller]
fn wait_until_watched(watch: &Watch, expected: &[&str]) {
    wait_until("it is watched", || {
        let services = watch.services();
        services.iter().map(|service| &service.id[..]).eq(expected.iter().copied())
    });
}

fn client_of(registry: &Registry) -> RegistryClient {
    let endpoints = registry.endpoints();
    let endpoints =
        RegistryEndpoints::parse(&endpoints.requests, &endpoints.events, &endpoints.heartbeats);
    RegistryClient::with_endpoints(endpoints.unwrap())
}

#[test]
fn registries_that_run_take_over_what_the_snapshot_has_in_another_epoch() {
    let (mut etcd, a, b) = pair();
    let (at_a, at_b) = (a.client(), b.client());
    at_a.register("in-the-snapshot", "");
    etcd.save_snapshot();
    let watch = client_of(&b).watch().unwrap();
    let watched = |expected: &[&str]| wait_until_watched(&watch, expected);
    at_a.register("behind-it", "");
    assert_eq!(at_b.deregister("in-the-snapshot")["success"], true);
    watched(&["behind-it"]);
    let epoch = at_a.health()["epoch"].clone();

    etcd.restore_snapshot(SAME);

    wait_until_agreed(&[&at_a, &at_b], |list| {
        list.iter().map(|(id, _)| &id[..]).eq(["in-the-snapshot"])
    });
    assert_alike(&[&a, &b]);
    assert_ne!(at_a.health()["epoch"], epoch, "nobody takes what comes for what it knows");
    watched(&["in-the-snapshot"]);
    wait_until("they are in contact", || in_contact(&at_a) && in_contact(&at_b));
    wait_until_registered(&at_b, "later");
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 2);
    watched(&["in-the-snapshot", "later"]);
    wait_until("one of them tells it", || {
        [&a, &b].iter().any(|registry| registry.log().contains("etcd was set back"))
    });
}

#[test]
fn registries_notice_when_just_as_much_was_stored_again_before_they_came_back() {
    let (mut etcd, a, b) = pair();
    let (at_a, at_b) = (a.client(), b.client());
    at_a.register("in-the-snapshot", "");
    etcd.save_snapshot();
    at_a.register("lost-1", "L1");
    at_b.register("lost-2", "L2");
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 3);
    let watch = client_of(&a).watch().unwrap();
    let epoch = at_a.health()["epoch"].clone();
    let before = etcd.revision();

    a.signal("STOP");
    b.signal("STOP");
    etcd.restore_snapshot(SAME);
    let c = etcd.registry("c");
    let at_c = c.client();
    // As many transactions and events, and revisions beyond.
    wait_until("it registers", || at_c.request(&registration("new-1", "L1"))["success"] == true);
    at_c.register("new-2", "L2");
    wait_until("etcd is as far again", || etcd.revision() > before + 10);
    a.signal("CONT");
    b.signal("CONT");

    wait_until_agreed(&[&at_a, &at_b, &at_c], |list| {
        list.iter().map(|(id, _)| &id[..]).eq(["in-the-snapshot", "new-1", "new-2"])
    });
    assert_alike(&[&a, &b, &c]);
    assert_ne!(at_c.health()["epoch"], epoch);
    wait_until_watched(&watch, &["in-the-snapshot", "new-1", "new-2"]);
    wait_until("they are in contact", || in_contact(&at_a) && in_contact(&at_b));
    wait_until_registered(&at_a, "later");
    wait_until_agreed(&[&at_a, &at_b, &at_c], |list| list.len() == 4);
}

#[test]
fn a_snapshot_in_a_cluster_of_its_own_begins_another_epoch_though_no_registry_ran_meanwhile() {
    let mut etcd = Etcd::start(1);
    let a = etcd.registry("a");
    a.client().register("in-the-snapshot", "");
    etcd.save_snapshot();
    a.client().register("behind-it", "");
    let before = a.client().health();
    a.stop();

    etcd.restore_snapshot("another");
    let a = etcd.registry("a");
    let client = a.client();
    assert_eq!(client.get("in-the-snapshot")["success"], true);
    assert_eq!(client.get("behind-it")["success"], false);
    let health = client.health();
    assert_ne!(health["epoch"], before["epoch"]);
    a.stop();

    // Another start alone begins none.
    assert_eq!(etcd.registry("a").client().health()["epoch"], health["epoch"]);
}
