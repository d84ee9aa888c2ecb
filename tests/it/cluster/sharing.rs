//! What two registries agree on while all is well.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{pair, settled, wait_until, wait_until_agreed};
use crate::support::{Client, Event, registration, short_lived};

#[test]
fn what_one_registers_the_other_finds_in_the_same_place_and_can_take_out() {
    let (_etcd, a, b) = pair();
    let (at_a, at_b) = (a.client(), b.client());
    for number in 0..6 {
        let client = if number % 2 == 0 { &at_a } else { &at_b };
        client.register(&format!("s{number}"), &format!("TYPE{number}"));
    }

    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 6);
    assert_eq!(at_b.discover("TYPE0")["service"]["id"], "s0");
    assert_eq!(at_b.deregister("s0")["success"], true);
    at_a.register("s2", "TYPE2");

    wait_until_agreed(&[&at_a, &at_b], |list| {
        list.iter().map(|(id, _)| &id[..]).eq(["s1", "s2", "s3", "s4", "s5"])
    });
}

#[test]
fn a_registry_that_starts_later_has_what_the_others_have() {
    let (etcd, a, b) = pair();
    a.client().register("s0", "TYPE0");
    b.client().register("s1", "TYPE1");
    let singleton = json!({"action": "register", "service_info": {
        "name": "s2", "host": "h", "port": 1, "id": "s2", "type": "T",
        "allow_duplicate_service_type": true, "metadata": {"z": u64::MAX, "a": [1]}}});
    assert_eq!(a.client().request(&singleton)["success"], true);

    let c = etcd.registry("c");

    wait_until_agreed(&[&a.client(), &b.client(), &c.client()], |list| {
        list.iter().map(|(id, _)| &id[..]).eq(["s0", "s1", "s2"])
    });
    assert_eq!(
        c.client().get("s2")["service"]["metadata"].to_string(),
        r#"{"z":18446744073709551615,"a":[1],"type":"T"}"#
    );
    let (health_a, health_c) = (a.client().health(), c.client().health());
    assert_eq!(health_a["epoch"], health_c["epoch"]);
    assert_eq!(health_a["seq"], health_c["seq"]);
}

#[test]
fn a_registry_that_starts_later_has_them_in_the_order_of_registration() {
    const COUNT: usize = 20;
    let (etcd, a, _b) = pair();
    let client = a.client();
    let ids: Vec<String> = (0..COUNT).map(|number| format!("s{number}")).collect();
    ids.iter().for_each(|id| client.register(id, ""));

    // So many at once share transactions. Each comes back twice, in the other order.
    for id in ids.iter().rev() {
        client.send(&json!({"action": "deregister", "service_id": id}));
        client.send(&registration(id, ""));
        client.send(&registration(id, ""));
    }
    (0..COUNT * 3).for_each(|_| assert_eq!(client.receive()["success"], true));

    let c = etcd.registry("c");
    for client in [&client, &c.client()] {
        let list = client.list();
        let listed = settled(&list);
        assert!(listed.iter().map(|(id, _)| id).eq(ids.iter().rev()), "{listed:?}");
    }
}

#[test]
fn every_registry_publishes_every_event_once_in_the_same_order() {
    const EACH: usize = 60;
    let (_etcd, a, b) = pair();
    let (mut from_a, mut from_b) = (a.subscriber(), b.subscriber());

    thread::scope(|scope| {
        for (name, client) in [("a", a.client()), ("b", b.client())] {
            scope.spawn(move || {
                for number in 0..EACH {
                    let id = format!("{name}{number}");
                    // Longer than it may take until all are there. Refused and asked again where
                    // etcd is so slow that the contact is lost.
                    let request = short_lived(&id, "", 600);
                    wait_until("it registers", || client.request(&request)["success"] == true);
                    wait_until("it is deregistered", || {
                        number % 3 != 0 || client.deregister(&id)["code"] == "service_not_found"
                    });
                }
            });
        }
    });

    let (at_a, at_b) = (a.client(), b.client());
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == EACH / 3 * 4);
    let mut seen_a = from_a.all_with_probes_until_now();
    let mut seen_b = from_b.all_with_probes_until_now();
    let last = |events: &[Event]| seq(events.last().unwrap());
    let common = last(&seen_a).min(last(&seen_b));
    seen_a.retain(|event| seq(event) <= common);
    seen_b.retain(|event| seq(event) <= common);
    let first = seq(&seen_a[0]).max(seq(&seen_b[0]));
    seen_a.retain(|event| seq(event) >= first);
    seen_b.retain(|event| seq(event) >= first);

    assert!(seen_a.len() >= EACH * 2, "{}", seen_a.len());
    for (events, name) in [(&seen_a, "a"), (&seen_b, "b")] {
        let gap = events.windows(2).find(|pair| seq(&pair[1]) != seq(&pair[0]) + 1);
        assert!(gap.is_none(), "of {name}: {gap:?}");
    }
    for (one, other) in seen_a.iter().zip(&seen_b) {
        assert_eq!(one.about(), other.about());
        assert_eq!(one.body["epoch"], other.body["epoch"]);
        assert_eq!(
            one.body["data"]["service_info"]["name"],
            other.body["data"]["service_info"]["name"]
        );
    }
}

#[test]
fn of_those_who_ask_two_registries_for_a_type_at_once_one_gets_it() {
    const TYPES: usize = 40;
    let (_etcd, a, b) = pair();
    let granted = |client: Client, name: &str| -> Vec<bool> {
        let ask = |number| registration(&format!("{name}{number}"), &format!("TYPE{number}"));
        (0..TYPES).for_each(|number| client.send(&ask(number)));
        (0..TYPES).map(|_| client.receive()["success"] == Value::Bool(true)).collect()
    };

    let (at_a, at_b) = thread::scope(|scope| {
        let (client_a, client_b) = (a.client(), b.client());
        let at_a = scope.spawn(|| granted(client_a, "a"));
        let at_b = scope.spawn(|| granted(client_b, "b"));
        (at_a.join().unwrap(), at_b.join().unwrap())
    });

    for number in 0..TYPES {
        assert!(at_a[number] != at_b[number], "TYPE{number}: {} {}", at_a[number], at_b[number]);
    }
    wait_until_agreed(&[&a.client(), &b.client()], |list| list.len() == TYPES);
}

#[test]
fn a_service_that_beats_at_one_is_alive_at_the_other_and_expires_once() {
    let (_etcd, a, b) = pair();
    let (at_a, at_b) = (a.client(), b.client());
    let (mut from_a, mut from_b) = (a.subscriber(), b.subscriber());
    assert_eq!(at_a.request(&short_lived("brief", "T", 6))["success"], true);
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 1);

    // It moves to the other registry, and is heard there for longer than its ttl.
    let heart = b.heartbeat_client();
    for _ in 0..20 {
        assert_eq!(heart.renew("brief")["success"], true);
        assert_eq!(settled(&at_a.list())[0].1, "passing");
        assert_eq!(settled(&at_b.list())[0].1, "passing");
        thread::sleep(Duration::from_millis(400));
    }
    wait_until("its last heartbeat is known", || {
        at_a.get("brief")["service"]["last_heartbeat"]
            == at_b.get("brief")["service"]["last_heartbeat"]
    });

    wait_until_agreed(&[&at_a, &at_b], <[_]>::is_empty);
    for subscriber in [&mut from_a, &mut from_b] {
        let events = subscriber.all_until_now();
        let expired = events.iter().filter(|event| event.about() == ("expire", "brief"));
        assert_eq!(expired.count(), 1, "{events:?}");
    }
}

#[test]
fn a_type_is_given_to_another_when_all_know_that_its_holder_is_silent() {
    let (_etcd, a, b) = pair();
    let (at_a, at_b) = (a.client(), b.client());
    let mut from_b = b.subscriber();
    assert_eq!(at_a.request(&short_lived("silent", "T", 3))["success"], true);
    assert_eq!(at_a.request(&registration("other", "T"))["code"], "duplicate_service_type");

    wait_until("it is given", || {
        at_b.request(&registration("other", "T"))["success"] == Value::Bool(true)
    });

    wait_until_agreed(&[&at_a, &at_b], |list| list.iter().map(|(id, _)| &id[..]).eq(["other"]));
    let events = from_b.all_until_now();
    let told: Vec<_> = events.iter().map(Event::about).collect();
    assert_eq!(told, [("register", "silent"), ("expire", "silent"), ("register", "other")]);
}

#[test]
fn a_service_that_moves_at_the_last_moment_is_not_expired() {
    const SERVICES: usize = 6;
    const TTL: u32 = 2;
    let ttl = Duration::from_secs(TTL.into());
    let (_etcd, a, b) = pair();
    let (at_a, heart) = (a.client(), b.heartbeat_client());
    let id = |number: usize| format!("s{number}");
    let renew = |number| heart.renew(&id(number))["success"] == Value::Bool(true);
    let mut from_a = a.subscriber();
    let mut in_time = Vec::new();
    for number in 0..SERVICES {
        let started = Instant::now();
        assert_eq!(at_a.request(&short_lived(&id(number), "", TTL))["success"], true);
        wait_until("it is known there", || b.client().get(&id(number))["success"] == true);

        thread::sleep((ttl - Duration::from_millis(100)).saturating_sub(started.elapsed()));
        let beaten = Instant::now();
        let is_registered = renew(number);
        // Where the machine stood still meanwhile, it was too late.
        assert!(is_registered || started.elapsed() > ttl);
        thread::sleep(Duration::from_millis(1_200));

        let is_still_registered = renew(number);
        if is_registered && beaten.elapsed() < ttl {
            assert!(is_still_registered, "who was told that it is registered stays that");
            in_time.push(id(number));
        }
        at_a.deregister(&id(number));
    }
    let events = from_a.all_until_now();
    let expired = events.iter().map(Event::about).filter(|(topic, _)| *topic == "expire");
    let wrong: Vec<_> = expired.filter(|(_, id)| in_time.iter().any(|it| it == id)).collect();
    assert!(wrong.is_empty(), "{wrong:?} of {in_time:?}");
}

fn seq(event: &Event) -> u64 {
    event.body["seq"].as_u64().unwrap()
}
