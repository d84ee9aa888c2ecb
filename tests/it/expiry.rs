//! How services expire, what is said of it, and what outlives them.

use serde_json::{Value, json};

use crate::support::{
    Event, Launch, Registry, Subscriber, assert_refused, assert_success, ids, registration,
    short_lived, wait_until,
};

fn start_cleaning_up_every_second() -> Registry {
    Launch::new().flag("--cleanup-interval", "1").start()
}

/// The next expiry. Its deadline is the subscriber's.
#[track_caller]
fn next_expiry(subscriber: &Subscriber) -> Event {
    loop {
        let event = subscriber.next();
        if event.topic == "expire" {
            return event;
        }
    }
}

fn allowing_duplicates(id: &str, service_type: &str, ttl: u32) -> Value {
    let mut request = short_lived(id, service_type, ttl);
    request["service_info"]["allow_duplicate_service_type"] = true.into();
    request
}

#[test]
fn an_expiry_says_why() {
    let registry = start_cleaning_up_every_second();
    let subscriber = registry.subscriber();
    let mut expiry = None;
    // On a busy machine the registry can stand still meanwhile, which it then says.
    wait_until("a service expires without a pause", || {
        assert_success(&registry.client().request(&short_lived("late", "LATE", 1)));
        let event = next_expiry(&subscriber);
        let is_paused = event.body["data"]["paused"] == true;
        expiry = Some(event);
        !is_paused
    });

    let data = &expiry.expect("it was waited for").body["data"];
    assert_eq!(data["service_id"], "late");
    assert_eq!(data["service_info"]["health"], "critical");
    assert_eq!(data["last_heartbeat"], data["service_info"]["last_heartbeat"]);
    assert_eq!(data["ttl"], 1);
    assert_eq!((&data["restarted"], &data["paused"]), (&json!(false), &json!(false)));
    let silent = data["silent_seconds"].as_f64().unwrap();
    assert!(silent > 1.0, "never before its ttl, but after {silent} s");
}

#[test]
fn an_expiry_after_a_restart_says_so() {
    let registry = start_cleaning_up_every_second();
    // Registries that share a list take two seconds more to know that nobody heard it.
    assert_success(&registry.client().request(&short_lived("orphan", "A", 1)));
    let launch = registry.launch().clone();
    registry.kill();

    let registry = launch.start();
    let subscriber = registry.subscriber();
    let data = &next_expiry(&subscriber).body["data"];

    assert_eq!(data["service_id"], "orphan");
    assert_eq!(data["restarted"], true);
    assert!(data["silent_seconds"].as_f64().unwrap() > 1.0, "a full ttl of this registry: {data}");
}

#[test]
fn a_host_that_falls_silent_is_told_in_one_line() {
    let registry = start_cleaning_up_every_second();
    let subscriber = registry.subscriber();
    // Together, so that they expire together.
    let client = registry.client();
    for number in 0..5 {
        client.send(&short_lived(&format!("s{number}"), &format!("T{number}"), 1));
    }
    for _ in 0..5 {
        assert_success(&client.receive());
    }

    for _ in 0..5 {
        next_expiry(&subscriber);
    }
    let finished = registry.stop();

    let silent = "of host \"127.0.0.1\" fell silent within";
    let lines: Vec<&str> = finished.stderr.lines().filter(|line| line.contains(silent)).collect();
    let [line] = lines[..] else { panic!("one line, not {lines:?}") };
    assert!(line.contains("a host or network problem"), "{line}");
}

#[test]
fn a_service_that_may_have_company_may_have_it_after_its_expiry_and_a_restart() {
    let registry = start_cleaning_up_every_second();
    let subscriber = registry.subscriber();
    let client = registry.client();
    client.register("one", "T");
    assert_success(&client.request(&allowing_duplicates("two", "T", 1)));
    assert_eq!(next_expiry(&subscriber).body["data"]["service_id"], "two");

    let launch = registry.launch().clone();
    registry.kill();
    let registry = launch.start();
    let client = registry.client();

    // As the Python client registers again: without saying anything of its type.
    assert_success(&client.request(&registration("two", "T")));
    assert_eq!(ids(&client.list()), ["one", "two"]);
    assert_refused(
        &client.request(&registration("three", "T")),
        "duplicate_service_type",
        &["duplicate_service_type"],
    );
}

#[test]
fn a_restored_service_that_is_not_heard_is_in_nobodys_way() {
    let registry = Registry::start();
    let client = registry.client();
    assert_success(&client.request(&short_lived("old", "T", 2)));
    client.wait_until_critical("old");
    let launch = registry.launch().clone();
    registry.kill();

    let registry = launch.start();
    let client = registry.client();
    let mut subscriber = registry.subscriber();
    assert_refused(&client.discover("T"), "no_healthy_service", &["T"]);
    client.register("new", "T");

    assert_eq!(ids(&client.list()), ["new"]);
    let events = subscriber.all_until_now();
    let abouts: Vec<(&str, &str)> = events.iter().map(Event::about).collect();
    assert_eq!(abouts, [("expire", "old"), ("register", "new")]);
    assert_eq!(events[0].body["data"]["restarted"], true);
}

#[test]
fn a_restored_service_heals_by_its_next_heartbeat() {
    let registry = Registry::start();
    let client = registry.client();
    assert_success(&client.request(&short_lived("old", "T", 2)));
    client.wait_until_critical("old");
    let launch = registry.launch().clone();
    registry.kill();

    let registry = launch.start();
    let client = registry.client();
    assert_eq!(client.get("old")["service"]["health"], "critical");
    assert_success(&registry.heartbeat_client().renew("old"));

    assert_eq!(client.discover("T")["service"]["id"], "old");
}
