//! What subscribers are told, in which order, under which number; and how `list`, `info` and
//! `health` let them know whether they missed something.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    DEADLINE, Event, Launch, Registry, assert_success, ids, registration, short_lived, whole_number,
};

#[track_caller]
fn abouts(events: &[Event]) -> Vec<(&str, &str)> {
    events.iter().map(Event::about).collect()
}

/// Epoch and number of an event or of an answer.
#[track_caller]
fn sequence(body: &Value) -> (String, u64) {
    let epoch = body["epoch"].as_str().unwrap_or_else(|| panic!("{body} has no epoch"));
    (epoch.to_owned(), whole_number(&body["seq"]))
}

#[test]
fn events_come_in_the_order_of_what_happened() {
    let registry = Registry::start();
    let client = registry.client();
    let mut subscriber = registry.subscriber();

    client.register("a", "A");
    client.register("b", "B");
    client.register("a", "A");
    client.deregister("b");
    client.register("b", "B");
    client.deregister("a");

    let expected = [
        ("register", "a"),
        ("register", "b"),
        ("register", "a"),
        ("deregister", "b"),
        ("register", "b"),
        ("deregister", "a"),
    ];
    assert_eq!(abouts(&subscriber.all_until_now()), expected);
}

#[test]
fn an_event_is_what_its_topic_says() {
    let registry = Registry::start();
    let client = registry.client();
    let mut subscriber = registry.subscriber();

    client.register("a", "A");
    client.deregister("a");

    for event in subscriber.all_until_now() {
        assert_eq!(event.body["type"], event.topic.as_str());
        whole_number(&event.body["timestamp"]);
    }
}

#[test]
fn a_register_event_carries_what_was_received_and_what_is_kept() {
    let registry = Registry::start();
    let client = registry.client();
    let subscriber = registry.subscriber();
    let received = json!({
        "zone": [1, {"b": null, "a": 1.50}], "name": "My Dev", "host": "h", "port": 1,
        "tags": ["x"], "type": "T", "metadata": {"z": 1, "a": 2},
    });

    let reply = client.request(&json!({"action": "register", "service_info": received}));

    let id = reply["service_id"].clone();
    let mut expected = received;
    expected["id"] = id.clone();
    let event = subscriber.next();
    assert_eq!(event.body["data"]["service_id"], id);
    // As text, because the order of the keys is the client's too.
    assert_eq!(event.body["data"]["service_info"].to_string(), expected.to_string());
    let kept = client.get(id.as_str().unwrap())["service"].clone();
    assert_eq!(event.body["data"]["service"].to_string(), kept.to_string());
}

#[test]
fn a_deregister_event_carries_the_stored_service() {
    let registry = Registry::start();
    let client = registry.client();
    client.register("a", "A");
    let stored = client.get("a")["service"].clone();
    let subscriber = registry.subscriber();

    client.deregister("a");

    assert_eq!(subscriber.next().body["data"], json!({"service_id": "a", "service_info": stored}));
}

#[test]
fn numbers_begin_with_one_and_have_no_gap() {
    let registry = Registry::start();
    let client = registry.client();
    let fresh = sequence(&client.list());
    let mut subscriber = registry.subscriber();
    let first_seen = whole_number(&client.list()["seq"]) + 1;

    client.register("a", "A");
    client.register("a", "A");
    client.register("b", "B");
    client.deregister("a");
    let events = subscriber.all_with_probes_until_now();

    assert_eq!(fresh.1, 0, "nothing was published before");
    let numbers: Vec<u64> = events.iter().map(|event| whole_number(&event.body["seq"])).collect();
    let expected: Vec<u64> = (first_seen..).take(events.len()).collect();
    assert_eq!(numbers, expected);
    assert!(events.iter().all(|event| event.body["epoch"] == fresh.0.as_str()));
}

#[test]
fn the_first_event_has_the_number_one() {
    let registry = Registry::start();
    let client = registry.client();

    client.register("a", "A");

    assert_eq!(sequence(&client.list()).1, 1);
}

#[test]
fn what_changes_nothing_takes_no_number() {
    let registry = Registry::start();
    let client = registry.client();
    let heart = registry.heartbeat_client();
    client.register("a", "A");
    let before = sequence(&client.list());

    assert_eq!(client.request(&registration("b", "A"))["error"], "duplicate_service_type");
    assert_eq!(client.deregister("nobody")["success"], false);
    assert_success(&client.renew("a"));
    assert_success(&heart.renew("a"));
    assert_success(&client.get("a"));
    assert_success(&client.discover("A"));

    assert_eq!(sequence(&client.list()), before);
}

#[test]
fn list_info_and_health_carry_the_number_of_the_last_event() {
    let registry = Registry::start();
    let client = registry.client();
    let subscriber = registry.subscriber();

    for id in ["a", "b", "c"] {
        client.register(id, id);
        let event = sequence(&subscriber.next().body);

        assert_eq!(sequence(&client.list()), event);
        assert_eq!(sequence(&client.info()), event);
        assert_eq!(sequence(&client.health()), event);
        let filtered = client.request(&json!({"action": "list", "service_type": "none"}));
        assert_eq!(sequence(&filtered), event);
    }
}

#[test]
fn a_restart_begins_a_new_epoch_with_no_events() {
    let launch = Launch::new();
    let registry = launch.start();
    registry.client().register("a", "A");
    let before = sequence(&registry.client().list());
    registry.stop();

    let registry = launch.start();
    let after = sequence(&registry.client().list());

    assert_eq!(before.1, 1);
    assert_eq!(after.1, 0);
    assert_ne!(before.0, after.0);
    assert_eq!(ids(&registry.client().list()), ["a"]);
}

#[test]
fn a_service_that_is_silent_for_its_ttl_expires_with_an_event() {
    let registry = Launch::new().flag("--cleanup-interval", "1").start();
    let client = registry.client();
    let subscriber = registry.subscriber();
    assert_success(&client.request(&short_lived("dev", "DEV", 2)));
    let stored = client.get("dev")["service"].clone();
    let registered = sequence(&subscriber.next().body);

    let event = subscriber.next();

    assert_eq!(event.about(), ("expire", "dev"));
    let mut expired = stored;
    expired["health"] = json!("critical");
    assert_eq!(event.body["data"]["service_info"], expired);
    assert_eq!(sequence(&event.body), (registered.0, registered.1 + 1));
    assert_eq!(sequence(&client.list()), sequence(&event.body));
    assert_eq!(ids(&client.list()), Vec::<&str>::new());
}

#[test]
fn a_service_that_is_heard_does_not_expire() {
    let registry = Launch::new().flag("--cleanup-interval", "0.1").start();
    let client = registry.client();
    let heart = registry.heartbeat_client();
    let subscriber = registry.subscriber();
    assert_success(&client.request(&short_lived("heard", "", 5)));
    assert_success(&client.request(&short_lived("renewed", "", 5)));
    assert_success(&client.request(&short_lived("silent", "", 5)));

    // The silent one shows how long a ttl is on the registry's clock.
    let started = Instant::now();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event: &Event| event.about() != ("expire", "silent")) {
        assert!(started.elapsed() < 2 * DEADLINE, "the silent one does not expire: {seen:?}");
        assert_success(&heart.renew("heard"));
        assert_success(&client.renew("renewed"));
        seen.extend(subscriber.received());
        std::thread::sleep(Duration::from_millis(50));
    }

    assert!(seen.iter().all(|event| event.topic == "register" || event.about().1 == "silent"));
    assert_eq!(ids(&client.list()), ["heard", "renewed"]);
}

#[test]
fn an_expired_service_that_makes_room_for_another_has_its_event_first() {
    let registry = Registry::start();
    let client = registry.client();
    let mut subscriber = registry.subscriber();
    assert_success(&client.request(&short_lived("old", "T", 1)));
    client.wait_until_critical("old");
    let old = client.get("old")["service"].clone();

    client.register("new", "T");

    let events = subscriber.all_with_probes_until_now();
    let about = abouts(&events);
    assert_eq!(about[..3], [("register", "old"), ("expire", "old"), ("register", "new")]);
    assert_eq!(events[1].body["data"]["service_info"], old);
    let numbers: Vec<u64> = events.iter().map(|event| whole_number(&event.body["seq"])).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert_eq!(ids(&client.list()), ["new"]);
}
