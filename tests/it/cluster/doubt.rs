//! Transactions that etcd may have carried out, and whose answers never came.

use serde_json::Value;

use super::{in_contact, wait_until, wait_until_agreed, wait_until_registered};
use crate::support::{Etcd, EtcdProxy, Event, Passage, Registry, Subscriber, registration};

/// A registry that reaches etcd over a way on which things get lost, and one that does not.
fn pair_of_which_one_loses() -> (Etcd, EtcdProxy, Registry, Registry) {
    let etcd = Etcd::start(1);
    let proxy = EtcdProxy::to(&etcd.url(0));
    let mut settings = etcd.settings("a");
    settings["endpoints"] = [proxy.url()].into();
    let (a, b) = (Etcd::launch_with(&settings).start(), etcd.registry("b"));
    (etcd, proxy, a, b)
}

fn entry(registry: &Registry) -> u64 {
    registry.client().info()["cluster"]["entry"].as_u64().unwrap()
}

/// What the subscribers sent to find out whether they are heard is behind both, and so the next
/// transaction of either is one that etcd stores.
#[track_caller]
fn wait_until_level(a: &Registry, b: &Registry) {
    wait_until("both have come equally far", || entry(a) == entry(b));
}

/// What happened to the service, as it was told.
#[track_caller]
fn told(subscriber: &mut Subscriber, id: &str) -> Vec<String> {
    let events = subscriber.all_until_now();
    let about = events.iter().filter(|event| event.about().1 == id);
    about.map(|event: &Event| event.topic.clone()).collect()
}

#[test]
fn what_etcd_stored_is_acknowledged_once_though_its_answer_was_lost() {
    for passage in
        [Passage::AnswerLost, Passage::AnswerHeld, Passage::QuestionLost, Passage::QuestionHeld]
    {
        let (_etcd, proxy, a, b) = pair_of_which_one_loses();
        let (mut from_a, mut from_b) = (a.subscriber(), b.subscriber());
        wait_until_level(&a, &b);
        let before = entry(&a);

        proxy.next_transactions(&[passage]);
        a.client().register("psu-1", "PSU");

        proxy.wait_until_passed();
        assert_eq!(entry(&a), before + 1, "{passage:?}: it happened once");
        wait_until_agreed(&[&a.client(), &b.client()], |list| list.len() == 1);
        wait_until("both tell of it", || in_contact(&a.client()) && in_contact(&b.client()));
        for subscriber in [&mut from_a, &mut from_b] {
            assert_eq!(told(subscriber, "psu-1"), ["register"], "{passage:?}");
        }
        // The next one is planned against the list as it stands.
        assert_eq!(a.client().deregister("psu-1")["success"], true);
        wait_until_agreed(&[&a.client(), &b.client()], <[_]>::is_empty);
    }
}

#[test]
fn what_is_still_in_doubt_after_a_second_try_is_refused_and_shows_when_it_was_stored() {
    let (_etcd, proxy, a, b) = pair_of_which_one_loses();
    let (mut from_a, mut from_b) = (a.subscriber(), b.subscriber());
    wait_until_level(&a, &b);

    proxy.next_transactions(&[Passage::AnswerLost, Passage::AnswerLost]);
    let reply = a.client().request(&registration("psu-1", "PSU"));

    assert_eq!(reply["code"], "storage_failed", "{reply}");
    let reason = "whether it was stored is not known, and will show";
    assert!(reply["message"].as_str().unwrap().contains(reason), "{reply}");
    wait_until_agreed(&[&a.client(), &b.client()], |list| list.len() == 1);
    // As clients do, it asks again, under its id.
    a.client().register("psu-1", "PSU");
    let other = b.client().request(&registration("psu-2", "PSU"));
    assert_eq!(other["code"], "duplicate_service_type", "{other}");
    wait_until("both tell of both", || in_contact(&a.client()) && in_contact(&b.client()));
    for subscriber in [&mut from_a, &mut from_b] {
        assert_eq!(told(subscriber, "psu-1"), ["register", "register"]);
    }
}

#[test]
fn what_is_in_doubt_while_another_registry_goes_on_is_settled_by_what_stands_in_the_log() {
    let (_etcd, proxy, a, b) = pair_of_which_one_loses();
    let mut from_b = b.subscriber();
    let at_a = a.client();
    wait_until_level(&a, &b);

    // Etcd stored it, and its answer is awaited for a second.
    proxy.next_transactions(&[Passage::AnswerHeld]);
    at_a.send(&registration("a", "T"));
    let at_b = b.client();
    wait_until("the other one knows", || at_b.get("a")["success"] == Value::Bool(true));
    at_b.register("b", "");

    assert_eq!(at_a.receive()["success"], true);
    wait_until_agreed(&[&at_a, &at_b], |list| list.iter().map(|(id, _)| &id[..]).eq(["a", "b"]));
    assert_eq!(told(&mut from_b, "a"), ["register"]);
    wait_until_registered(&at_a, "c");
    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 3);
}
