//! What is kept when a registry dies, or etcd does not answer.

use std::thread;
use std::time::{Duration, Instant};

use super::{in_contact, pair, settled, wait_until, wait_until_agreed, wait_until_registered};
use crate::support::{
    DEADLINE, Etcd, Event, HeartbeatClient, Registry, registration, short_lived, whole_number,
};

/// Much less than any time-out of a request to etcd. Of many answers on a busy machine, one comes
/// within it.
const AT_ONCE: Duration = Duration::from_millis(700);

#[track_caller]
fn beat_for(seconds: u64, heart: &HeartbeatClient, id: &str, meanwhile: impl FnMut()) {
    let started = Instant::now();
    beat_until(|| started.elapsed() > Duration::from_secs(seconds), heart, id, meanwhile);
}

#[track_caller]
fn beat_until(
    condition: impl Fn() -> bool,
    heart: &HeartbeatClient,
    id: &str,
    mut meanwhile: impl FnMut(),
) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < DEADLINE * 4, "{id} beats in vain");
        assert_eq!(heart.renew(id)["success"], true, "{id} is registered");
        meanwhile();
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn what_a_registry_said_yes_to_outlives_it_and_its_services_live_on_elsewhere() {
    let (etcd, a, b) = pair();
    let at_b = b.client();
    assert_eq!(a.client().request(&short_lived("moves", "M", 4))["success"], true);
    assert_eq!(a.client().request(&short_lived("stays", "S", 4))["success"], true);

    a.kill();

    // It hears of it as soon as it can.
    wait_until("b has both", || settled(&at_b.list()).len() == 2);
    let heart = b.heartbeat_client();
    beat_for(8, &heart, "moves", || {
        assert_eq!(at_b.get("moves")["service"]["health"], "passing");
    });
    // Nobody hears it.
    at_b.wait_until_critical("stays");
    let again = etcd.registry("a");
    assert_eq!(again.heartbeat_client().renew("stays")["success"], true, "it was kept");
    wait_until_agreed(&[&again.client(), &at_b], |list| list.len() == 2);
}

#[test]
fn the_dead_services_of_a_dead_registry_expire_behind_its_grace() {
    let (_etcd, a, b) = pair();
    let at_b = b.client();
    assert_eq!(a.client().request(&short_lived("dead", "T", 1))["success"], true);
    wait_until("it is known", || at_b.list()["services"].as_array().unwrap().len() == 1);

    a.kill();

    at_b.wait_until_critical("dead");
    wait_until("it expires", || at_b.list()["services"].as_array().unwrap().is_empty());
    b.wait_for_line("registry \"a\" is gone for good");
}

#[test]
fn while_etcd_stands_still_reads_go_on_and_writes_are_refused_at_once() {
    let (etcd, a, b) = pair();
    let at_a = a.client();
    let (heart_a, heart_b) = (a.heartbeat_client(), b.heartbeat_client());
    assert_eq!(at_a.request(&short_lived("a", "A", 3))["success"], true);
    assert_eq!(b.client().request(&short_lived("b", "B", 3))["success"], true);
    wait_until_agreed(&[&at_a, &b.client()], |list| list.len() == 2);
    let mut from_a = a.subscriber();

    etcd.signal_all("STOP");
    let beat_both = || assert_eq!(heart_b.renew("b")["success"], true);
    beat_until(|| !in_contact(&at_a), &heart_a, "a", beat_both);
    let mut fastest = Duration::MAX;
    beat_for(5, &heart_a, "a", || {
        beat_both();
        assert_eq!(
            settled(&at_a.list()).iter().filter(|(_, health)| health == "passing").count(),
            2
        );
        let asked = Instant::now();
        let reply = at_a.request(&registration("new", "N"));
        assert_eq!(reply["code"], "storage_failed", "{reply}");
        fastest = fastest.min(asked.elapsed());
    });
    assert!(fastest < AT_ONCE, "{fastest:?}");
    assert_eq!(at_a.health()["in_contact"], false);
    let reason = at_a.info()["cluster"]["reason"].to_string();
    assert!(reason.contains("etcd was heard last"), "{reason}");

    etcd.signal_all("CONT");
    let at_b = b.client();
    beat_until(|| in_contact(&at_a) && in_contact(&at_b), &heart_a, "a", beat_both);
    beat_for(2, &heart_a, "a", beat_both);
    wait_until_registered(&at_a, "new");
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 3);
    let events = from_a.all_until_now();
    assert!(events.iter().all(|event| event.topic != "expire"), "{events:?}");
}

#[test]
fn what_was_heard_while_etcd_was_away_is_told_however_long_the_ids() {
    const SERVICES: usize = 500;
    let (etcd, a, b) = pair();
    let (at_a, heart) = (a.client(), a.heartbeat_client());
    // As long as they may be; in JSON, six times that, and more than etcd takes at once.
    let id = |number: usize| format!("{number:04}{}", "\u{1}".repeat(500));
    let request = |number: usize| {
        let mut request = short_lived(&id(number), "", 600);
        request["service_info"]["name"] = "name".into();
        request
    };
    (0..SERVICES).for_each(|number| at_a.send(&request(number)));
    let is_refused = |_: &usize| at_a.receive()["success"] != true;
    let refused: Vec<usize> = (0..SERVICES).filter(is_refused).collect();
    // Where etcd is so slow that the contact is lost meanwhile.
    for number in refused {
        wait_until("it registers", || at_a.request(&request(number))["success"] == true);
    }

    etcd.signal_all("STOP");
    for number in 0..SERVICES {
        assert_eq!(heart.renew(&id(number))["success"], true);
    }
    wait_until("it is out of contact", || !in_contact(&at_a));
    etcd.signal_all("CONT");

    wait_until("it is back", || in_contact(&at_a) && in_contact(&b.client()));
    let at_b = b.client();
    wait_until("it is told", || {
        at_b.get(&id(SERVICES - 1))["service"]["last_heartbeat"]
            == at_a.get(&id(SERVICES - 1))["service"]["last_heartbeat"]
    });
    wait_until_registered(&at_a, "new");
}

/// Stops the registry, and ends the connections over which it could hear later what happens
/// meanwhile.
#[track_caller]
fn stop_hearing(registry: &Registry, etcd: &mut Etcd) {
    registry.signal("STOP");
    etcd.kill_member(0);
    etcd.start_member(0);
    etcd.wait_until_well(0);
}

#[test]
fn a_registry_that_was_away_during_a_compaction_misses_no_event() {
    let (mut etcd, a, b) = pair();
    let (at_a, at_b) = (a.client(), b.client());
    let mut from_b = b.subscriber();

    stop_hearing(&b, &mut etcd);
    for number in 0..30 {
        wait_until_registered(&at_a, &format!("s{number}"));
    }
    etcd.compact();
    b.signal("CONT");

    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 30);
    let events = from_b.all_until_now();
    let ids: Vec<&str> = events.iter().map(|event| event.about().1).collect();
    let expected: Vec<String> = (0..30).map(|number| format!("s{number}")).collect();
    assert_eq!(ids, expected);
}

#[test]
fn a_registry_that_was_away_for_longer_than_etcd_remembers_takes_the_list_anew_and_numbers_jump() {
    let (mut etcd, a, b) = pair();
    let (at_a, at_b) = (a.client(), b.client());
    let mut from_b = b.subscriber();
    let seq = |events: Vec<Event>| whole_number(&events[0].body["seq"]);
    let before = seq(from_b.all_with_probes_until_now());

    stop_hearing(&b, &mut etcd);
    for number in 0..30 {
        wait_until_registered(&at_a, &format!("s{number}"));
    }
    // As thousands of transactions would do.
    etcd.administer(&["del", "/service-registry/feed/log/", "--prefix"]);
    etcd.compact();
    b.signal("CONT");

    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 30);
    b.wait_for_line("the list is taken anew, with 30 services");
    wait_until_registered(&at_b, "behind");
    let after = seq(from_b.all_until_now());
    assert!(after > before + 30, "{before}, {after}");
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 31);
    assert_eq!(at_a.health()["epoch"], at_b.health()["epoch"]);
}

#[test]
fn any_member_of_three_may_die() {
    let mut etcd = Etcd::start(3);
    let (a, b) = (etcd.registry("a"), etcd.registry("b"));
    let (at_a, at_b) = (a.client(), b.client());

    for number in 0..3 {
        etcd.kill_member(number);
        let id = format!("s{number}");
        wait_until_registered(&at_a, &id);
        wait_until_agreed(&[&at_a, &at_b], |list| list.len() == number + 1);
        etcd.start_member(number);
        etcd.wait_until_well(number);
    }
}

#[test]
fn two_registries_of_one_name_do_not_run_side_by_side() {
    let etcd = Etcd::start(1);
    let first = etcd.registry("a");
    let _second = etcd.registry("a");

    let finished = first.wait();

    finished.assert_code(1);
    let text = "another registry was started under the name of this one";
    assert!(finished.stderr.contains(text), "{}", finished.stderr);
}
