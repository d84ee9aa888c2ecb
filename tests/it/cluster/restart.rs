//! What a registry finds that comes back to the list that it shares.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{pair, wait_until, wait_until_agreed};
use crate::support::{Etcd, Event, registration, short_lived};

/// Seconds.
const TTL: u32 = 2;

/// Nobody is told when the ttl of a service is over that no registry listens for.
fn sleep_for_longer_than_the_ttl() {
    thread::sleep(Duration::from_secs((TTL + 1).into()));
}

#[test]
fn a_service_that_nobody_heard_meanwhile_is_in_nobodys_way() {
    let etcd = Etcd::start(1);
    let a = etcd.registry("a");
    assert_eq!(a.client().request(&short_lived("old", "T", TTL))["success"], true);
    a.kill();
    sleep_for_longer_than_the_ttl();

    let a = etcd.registry("a");
    let client = a.client();
    let mut subscriber = a.subscriber();
    assert_eq!(client.get("old")["service"]["health"], "critical", "it is kept");
    assert_eq!(client.discover("T")["code"], "no_healthy_service");
    // As soon as the registry has heard itself, so that it knows what others heard.
    wait_until("its type is given", || {
        client.request(&registration("new", "T"))["success"] == Value::Bool(true)
    });

    wait_until_agreed(&[&client], |list| list.iter().map(|(id, _)| &id[..]).eq(["new"]));
    let events = subscriber.all_until_now();
    let told: Vec<_> = events.iter().map(Event::about).collect();
    assert_eq!(told, [("expire", "old"), ("register", "new")]);
    assert_eq!(events[0].body["data"]["restarted"], true);
}

#[test]
fn a_service_that_nobody_heard_meanwhile_is_kept_for_its_ttl_and_heals_by_a_heartbeat() {
    let etcd = Etcd::start(1);
    let a = etcd.registry("a");
    for id in ["heals", "stays-silent"] {
        assert_eq!(a.client().request(&short_lived(id, "", TTL))["success"], true);
    }
    a.kill();
    sleep_for_longer_than_the_ttl();

    let a = etcd.registry("a");
    let (client, heart) = (a.client(), a.heartbeat_client());
    assert_eq!(heart.renew("heals")["success"], true, "it is registered");
    assert_eq!(client.get("heals")["service"]["health"], "passing");

    wait_until("the other one expires", || {
        assert_eq!(heart.renew("heals")["success"], true);
        client.get("stays-silent")["success"] == Value::Bool(false)
    });
    assert_eq!(client.get("heals")["service"]["health"], "passing");
}

#[test]
fn a_service_that_another_registry_hears_is_passing_for_one_that_comes_back() {
    let (etcd, a, b) = pair();
    let mut from_b = b.subscriber();
    assert_eq!(a.client().request(&short_lived("moved", "T", TTL))["success"], true);
    let (at_b, heart) = (b.client(), b.heartbeat_client());
    wait_until("it is known", || at_b.get("moved")["success"] == Value::Bool(true));

    a.kill();
    let beat_for = |duration: Duration, check: &dyn Fn()| {
        let started = Instant::now();
        while started.elapsed() < duration {
            assert_eq!(heart.renew("moved")["success"], true);
            check();
            thread::sleep(Duration::from_millis(200));
        }
    };
    beat_for(Duration::from_secs((TTL + 1).into()), &|| ());
    let a = etcd.registry("a");

    let at_a = a.client();
    beat_for(Duration::from_secs((2 * TTL).into()), &|| {
        assert_eq!(at_a.get("moved")["service"]["health"], "passing");
        assert_eq!(at_a.discover("T")["service"]["id"], "moved");
    });
    assert_eq!(at_a.request(&registration("other", "T"))["code"], "duplicate_service_type");
    let events = from_b.all_until_now();
    assert!(events.iter().all(|event| event.topic != "expire"), "{events:?}");
}
