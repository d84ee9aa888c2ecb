//! SIGHUP: the registry reads `allow` and `log_level` anew, and goes on.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Host, from};
#[cfg(target_os = "linux")]
use crate::support::MuteKernel;
use crate::support::{
    Client, DEADLINE, Launch, Peer, Registry, assert_refused, assert_success, json_in,
};

const FILE: &str = "registry.yaml";

fn launch(settings: &str) -> Launch {
    Launch::new().without("--log-level").file(FILE, settings)
}

/// Writes the file and sends SIGHUP; the line that says what came of it.
#[track_caller]
fn reload(registry: &Registry, settings: &str, word: &str) -> String {
    fs::write(registry.launch().path(FILE), settings).unwrap();
    registry.signal("HUP");
    registry.wait_for_line(word)
}

#[test]
fn networks_that_are_added_get_in_and_those_that_are_removed_do_not() {
    let registry = launch("allow: [127.0.0.1]\n").start();
    assert!(!Host::at("127.0.0.2", &registry).is_heard());

    let line = reload(&registry, "allow: [127.0.0.2]\n", "read anew");

    assert!(line.contains("registry.yaml"), "{line}");
    assert!(line.contains("allow is 127.0.0.2"), "{line}");
    assert_success(&Host::at("127.0.0.2", &registry).health());
    assert!(!Host::at("127.0.0.1", &registry).is_heard());
}

#[test]
#[cfg(target_os = "linux")]
fn what_comes_over_a_connection_that_would_not_be_made_any_more_is_refused() {
    let (kernel, launch) = MuteKernel::under(launch("allow: [127.0.0.1, 127.0.0.2]\n"));
    let registry = launch.start();
    registry.client().register("dev", "DEV");
    let host = Host::at("127.0.0.2", &registry);
    let heart = Peer::connect(
        "heart",
        zmq::DEALER,
        &from("127.0.0.2", &registry.endpoints().heartbeats),
        registry.transcript(),
    );
    let beat = || {
        heart.send(&[br#"{"service_id": "dev"}"#]);
        json_in(&heart.receive()[0])
    };
    assert_success(&host.health());
    assert_success(&beat());

    // Otherwise its connections would soon be closed.
    kernel.falls_silent();
    reload(&registry, "allow: [127.0.0.1]\n", "read anew");

    let deregister = json!({"action": "deregister", "service_id": "dev"});
    for request in [deregister, json!({"action": "terminate"}), json!({"action": "list"})] {
        assert_refused(&host.request(&request), "not_allowed", &["Not allowed"]);
    }
    assert_refused(&beat(), "not_allowed", &["Not allowed"]);
    assert_success(&registry.client().get("dev"));
}

/// A subscriber at an address of this host, that hears what happens.
#[track_caller]
fn subscriber_at(host: &str, registry: &Registry) -> Peer {
    let subscriber = Peer::connect_prepared(
        "subscriber",
        zmq::SUB,
        &from(host, &registry.endpoints().events),
        registry.transcript(),
        |socket| socket.set_subscribe(b""),
    );
    let client = registry.client();
    let started = Instant::now();
    while subscriber.receive_within(10).is_none() {
        assert!(started.elapsed() < DEADLINE, "the subscription becomes active");
        client.register("probe", "");
    }
    subscriber
}

#[track_caller]
fn wait_until_somebody_is_refused(client: &Client) {
    let started = Instant::now();
    while client.info()["refused_connections"] == 0 {
        assert!(started.elapsed() < DEADLINE, "nobody is refused");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the subscriber hears of a service of this type.
#[track_caller]
fn wait_for_event(subscriber: &Peer, service_type: &str) {
    while !tells_of(&subscriber.receive(), service_type) {}
}

fn tells_of(event: &[Vec<u8>], service_type: &str) -> bool {
    String::from_utf8_lossy(&event[1]).contains(service_type)
}

#[test]
fn who_has_subscribed_and_may_not_connect_any_more_is_disconnected() {
    let registry = launch("allow: [127.0.0.1, 127.0.0.2]\n").start();
    let client = registry.client();
    let [allowed, removed] = ["127.0.0.1", "127.0.0.2"].map(|host| subscriber_at(host, &registry));

    reload(&registry, "allow: [127.0.0.1]\n", "read anew");
    // It was disconnected, and is refused when it comes again.
    wait_until_somebody_is_refused(&client);
    client.register("dev", "DEV");

    wait_for_event(&allowed, "DEV");
    while let Some(event) = removed.receive_within(0) {
        assert!(!tells_of(&event, "DEV"), "it hears what happens");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn who_may_not_connect_any_more_is_disconnected_as_soon_as_the_kernel_tells_who_that_is() {
    let (kernel, launch) = MuteKernel::under(launch("allow: [127.0.0.1, 127.0.0.2]\n"));
    let registry = launch.start();
    let client = registry.client();
    let removed = subscriber_at("127.0.0.2", &registry);

    kernel.falls_silent();
    reload(&registry, "allow: [127.0.0.1]\n", "read anew");
    registry.wait_for_line("cannot look at the connections, and tries again");
    client.register("dev", "EARLY");
    wait_for_event(&removed, "EARLY");
    // Another reload, which takes nobody's right away, does not make it forget.
    registry.signal("HUP");
    registry.wait_for_lines("read anew", 2);
    kernel.answers_again();

    wait_until_somebody_is_refused(&client);
    client.register("dev", "LATE");
    assert_success(&client.get("dev"));
    while let Some(event) = removed.receive_within(0) {
        assert!(!tells_of(&event, "LATE"), "it hears what happens");
    }
    // However often it tried.
    assert_eq!(registry.log().matches("cannot look at the connections").count(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn a_registry_that_cannot_ask_the_kernel_says_so_and_refuses_what_it_can() {
    let settings = "allow: [127.0.0.1, 127.0.0.2]\nlog_level: warn\n";
    let registry = MuteKernel::without_netlink(launch(settings)).start();
    let line = registry.wait_for_line("cannot see who fills the memory");
    assert!(line.contains("WARN") && line.contains("EAFNOSUPPORT"), "{line}");
    let host = Host::at("127.0.0.2", &registry);
    assert_success(&host.health());
    let removed = subscriber_at("127.0.0.2", &registry);

    let line = reload(&registry, "allow: [127.0.0.1]\n", "subscriptions of those who may not");

    assert!(line.contains("WARN") && line.contains("restart"), "{line}");
    assert_refused(&host.health(), "not_allowed", &["Not allowed"]);
    assert!(!Host::at("127.0.0.2", &registry).is_heard());
    registry.client().register("dev", "DEV");
    wait_for_event(&removed, "DEV");
    // It stops all the same.
    registry.stop();
}

#[test]
fn the_log_level_changes_and_a_flag_wins_as_at_the_start() {
    let registry = launch("log_level: warn\n").start();
    registry.client().register("unseen", "A");

    let line = reload(&registry, "log_level: info\n", "read anew");
    registry.client().register("seen", "B");
    registry.wait_for_line("registered \"seen\"");

    assert!(line.contains("log_level is info"), "{line}");
    assert!(!registry.log().contains("unseen"));

    let given = launch("log_level: info\n").flag("--log-level", "warn").start();
    reload(&given, "log_level: debug\nterminate: allowed\n", "restart is needed");
    given.client().register("unseen", "A");
    assert!(!given.stop().stderr.contains("unseen"));
}

#[test]
fn a_broken_file_changes_nothing_and_says_so_in_one_line() {
    let registry = launch("allow: [127.0.0.1]\nlog_level: info\n").start();

    let line = reload(&registry, "log_level: off\nallow: [127.0.0.1, lab]\n", "stay as they are");

    for word in ["registry.yaml:2", "allow", "lab"] {
        assert!(line.contains(word), "{line}");
    }
    assert_success(&Host::at("127.0.0.1", &registry).health());
    assert!(!Host::at("127.0.0.2", &registry).is_heard());

    fs::remove_file(registry.launch().path(FILE)).unwrap();
    registry.signal("HUP");
    let line = registry.wait_for_lines("stay as they are", 2);
    assert!(line.contains("cannot read registry.yaml"), "{line}");
    assert_success(&Host::at("127.0.0.1", &registry).health());
}

#[test]
fn other_settings_that_changed_are_named_as_needing_a_restart() {
    let registry = launch("log_level: info\n").start();

    let line = reload(&registry, "log_level: info\nterminate: never\nttl: 1\n", "stay as they are");
    assert!(line.contains("ttl: is not a setting"), "{line}");
    let line =
        reload(&registry, "allow: [127.0.0.0/8]\nterminate: never\nownership: host\n", "read anew");

    assert!(line.contains("allow is 127.0.0.0/8"), "{line}");
    assert!(line.ends_with("a restart is needed for terminate, ownership"), "{line}");
    // And meanwhile it goes on as it was.
    registry.stop();
}

#[test]
fn without_a_file_there_is_nothing_to_read_and_the_registry_goes_on() {
    let registry = Launch::new().start();

    registry.signal("HUP");

    registry.wait_for_line("nothing to take over");
    assert_success(&registry.client().health());
    registry.stop();
}
