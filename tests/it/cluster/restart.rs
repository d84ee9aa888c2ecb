//! What a registry finds that comes back to the list that it shares.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use service_registry::client::{self, MissedReason, Subscription};

use super::{pair, wait_until, wait_until_agreed};
use crate::support::{DEADLINE, Etcd, Event, Place, registration, short_lived, whole_number};

/// Seconds: as few as registries that share a list are made for.
const TTL: u32 = 5;

/// Nobody is told when the ttl of a service is over that no registry listens for.
fn sleep_for_longer_than_the_ttl() {
    thread::sleep(Duration::from_secs((TTL + 1).into()));
}

#[test]
fn a_list_whose_registries_all_ended_goes_on_in_its_epoch_and_with_its_numbers() {
    let (etcd, a, b) = pair();
    let (at_a, at_b) = (a.client(), b.client());
    at_a.register("s0", "");
    at_b.register("s1", "");
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 2);
    let before = at_a.health();
    a.stop();
    b.kill();

    let a = etcd.registry("a");

    let client = a.client();
    let after = client.health();
    assert_eq!((&after["epoch"], &after["seq"]), (&before["epoch"], &before["seq"]));
    client.register("s2", "");
    assert_eq!(whole_number(&client.health()["seq"]), whole_number(&before["seq"]) + 1);
}

/// A registration that was told, with its place in the sequence.
#[track_caller]
fn registered(event: client::Event) -> (String, client::Sequence) {
    let client::Event::Register(event) = event else { panic!("{event:?} is no registration") };
    (event.service_id, event.sequence.expect("it is numbered"))
}

#[track_caller]
fn next(events: &Subscription) -> client::Event {
    events.recv_timeout(DEADLINE).expect("an event comes")
}

#[test]
fn a_subscription_is_told_how_many_events_passed_while_its_registry_was_away() {
    let etcd = Etcd::start(1);
    let (place, a) = Place::start_with(etcd.launch("a"));
    let b = etcd.registry("b");
    let events = place.client().subscribe(&[]).unwrap();
    a.client().register("before", "");
    let (id, before) = registered(next(&events));
    assert_eq!(id, "before");
    a.kill();
    b.client().register("meanwhile", "");

    let a = place.start_again();

    let client::Event::Missed(missed) = next(&events) else { panic!("a gap is told first") };
    assert_eq!((missed.reason, missed.events), (MissedReason::Disconnected, None));
    // Who is connected may not be subscribed yet.
    let mut event = None;
    wait_until("it hears something", || {
        a.client().register("behind", "");
        event = events.recv_timeout(Duration::from_millis(200)).ok();
        event.is_some()
    });
    let Some(client::Event::Missed(missed)) = event else { panic!("{event:?} is no gap") };
    let (id, behind) = registered(next(&events));
    assert_eq!((&*id, &behind.epoch), ("behind", &before.epoch));
    let passed = behind.seq - before.seq - 1;
    assert!(passed >= 1, "that of the other registry");
    assert_eq!((missed.reason, missed.events), (MissedReason::Lost, Some(passed)));
}

#[test]
fn a_service_that_nobody_heard_meanwhile_is_in_nobodys_way() {
    let etcd = Etcd::start(1);
    let a = etcd.registry("a");
    assert_eq!(a.client().request(&short_lived("old", "T", TTL))["success"], true);
    a.kill();
    sleep_for_longer_than_the_ttl();

    // It cleans nothing up by itself, so that the service is there until it is in the way.
    let a = etcd.launch("a").flag("--cleanup-interval", "3600").start();
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
    beat_for(Duration::from_secs((TTL + 1).into()), &|| {
        assert_eq!(at_a.get("moved")["service"]["health"], "passing");
        assert_eq!(at_a.discover("T")["service"]["id"], "moved");
    });
    assert_eq!(at_a.request(&registration("other", "T"))["code"], "duplicate_service_type");
    let events = from_b.all_until_now();
    assert!(events.iter().all(|event| event.topic != "expire"), "{events:?}");
}
