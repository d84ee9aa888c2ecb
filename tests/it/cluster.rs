//! Several registries that share one list, on a real etcd: they agree on what is registered, on
//! who has a type, on the events and their order, and no living service is lost when one of them,
//! or etcd, fails.

mod anew;
mod doctor;
mod doubt;
mod moving;
mod outages;
mod oversized;
mod passwords;
mod restart;
mod restoring;
mod sharing;
mod telling;
mod tls;
#[cfg(target_os = "linux")]
mod watched;

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Client, DEADLINE, Etcd, Registry, registration};

/// A list without what differs by a moment.
fn settled(list: &Value) -> Vec<(String, String)> {
    let services = list["services"].as_array().unwrap().iter();
    let text = |service: &Value, key: &str| service[key].as_str().unwrap().to_owned();
    services.map(|service| (text(service, "id"), text(service, "health"))).collect()
}

/// Waits until all of them say the same, and that is as a test wants it. Within 2 s, as is
/// promised, on a machine that has time for it.
#[track_caller]
fn wait_until_agreed(clients: &[&Client], condition: impl Fn(&[(String, String)]) -> bool) {
    wait_until("the lists are equal", || {
        let lists: Vec<_> = clients.iter().map(|client| settled(&client.list())).collect();
        lists.windows(2).all(|pair| pair[0] == pair[1]) && condition(&lists[0])
    });
}

fn in_contact(client: &Client) -> bool {
    client.info()["cluster"]["in_contact"] == Value::Bool(true)
}

#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE * 4, "in vain: {what}");
        // Nothing tells when it is so.
        thread::sleep(Duration::from_millis(50));
    }
}

/// Kills the only member of etcd, and sees a registry go on when it is there again.
#[track_caller]
fn assert_outlives_its_member(mut etcd: Etcd, registry: &Registry) {
    let client = registry.client();
    client.register("before", "");

    etcd.kill_member(0);
    wait_until("the contact is lost", || !in_contact(&client));
    etcd.start_member(0);

    wait_until("it is back", || in_contact(&client));
    wait_until_registered(&client, "behind");
}

/// Registers as soon as etcd stores anything: one that comes back may have to wait for its disk.
#[track_caller]
fn wait_until_registered(client: &Client, id: &str) {
    wait_until("it registers", || client.request(&registration(id, ""))["success"] == true);
}

/// Two registries on an etcd of one member.
fn pair() -> (Etcd, Registry, Registry) {
    let etcd = Etcd::start(1);
    let (a, b) = (etcd.registry("a"), etcd.registry("b"));
    (etcd, a, b)
}
