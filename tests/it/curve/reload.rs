//! SIGHUP: the registry reads anew whom it lets in.

use std::fs;
use std::time::Instant;

use serde_json::json;

use super::{FILE, Host, Lab};
#[cfg(target_os = "linux")]
use crate::support::MuteKernel;
use crate::support::{DEADLINE, Registry, assert_refused, assert_success, registration};

/// Writes the file and sends SIGHUP; the line that says what came of it.
#[track_caller]
fn reload(registry: &Registry, settings: &str, word: &str) -> String {
    fs::write(registry.launch().path(FILE), settings).unwrap();
    registry.signal("HUP");
    registry.wait_for_line(word)
}

#[test]
fn a_key_that_is_added_gets_in_and_one_that_is_removed_is_refused_from_then_on() {
    let Some(lab) = Lab::new() else { return };
    fs::write(lab.launch.path(FILE), lab.settings(&["register"])).unwrap();
    let registry = lab.launch.start();
    let early = lab.host("register", &registry);
    let health = json!({"action": "health"});
    assert_success(&early.request(&health));
    assert_refused(&early.beat("nobody"), "service_not_found", &[]);
    assert_eq!(lab.host("admin", &registry).hears(), [false; 3]);

    let line = reload(&registry, &lab.settings(&["admin", "read"]), "read anew");

    assert!(line.contains("curve lets 2 keys in"), "{line}");
    assert_success(&lab.host("admin", &registry).request(&health));
    assert_refused(&early.request(&health), "not_allowed", &["Not allowed"]);
    assert_refused(&early.beat("dev"), "not_allowed", &["Not allowed"]);
    assert_eq!(lab.host("register", &registry).hears(), [false; 3]);
}

/// Registers services until the host hears of one.
#[track_caller]
fn wait_for_event(host: &Host, registrar: &Host) {
    let started = Instant::now();
    while host.events.receive_within(20).is_none() {
        assert!(started.elapsed() < DEADLINE, "no event comes");
        assert_success(&registrar.request(&registration("probe", "")));
    }
}

#[test]
fn who_has_subscribed_and_whose_key_was_taken_away_is_disconnected() {
    let Some(lab) = Lab::new() else { return };
    assert_is_sent_away(&lab, |registry| {
        reload(registry, &lab.settings(&["register"]), "read anew");
    });
}

#[test]
#[cfg(target_os = "linux")]
fn whose_key_was_taken_away_is_disconnected_as_soon_as_the_kernel_tells_who_is_connected() {
    let Some(mut lab) = Lab::new() else { return };
    let (kernel, launch) = MuteKernel::under(lab.launch.clone());
    lab.launch = launch;
    assert_is_sent_away(&lab, |registry| {
        kernel.falls_silent();
        reload(registry, &lab.settings(&["register"]), "read anew");
        registry.wait_for_line("cannot look at the connections, and tries again");
        kernel.answers_again();
    });
}

/// Whose key `take_away` takes, and keeps that of `register`, hears nothing any more.
#[track_caller]
fn assert_is_sent_away(lab: &Lab, take_away: impl FnOnce(&Registry)) {
    fs::write(lab.launch.path(FILE), lab.settings(&["register", "read"])).unwrap();
    let registry = lab.launch.start();
    let [stays, goes] = ["register", "read"].map(|name| lab.host(name, &registry));
    wait_for_event(&stays, &stays);
    wait_for_event(&goes, &stays);

    take_away(&registry);
    // It was disconnected, and is refused when it comes again.
    registry.wait_for_line("their keys are not in `curve`");
    assert_success(&stays.request(&registration("late", "")));

    wait_for_event(&stays, &stays);
    while let Some(frames) = goes.events.receive_within(0) {
        assert!(!String::from_utf8_lossy(&frames[1]).contains("late"), "it hears what happens");
    }
}

#[test]
fn keys_cannot_be_dropped_and_their_file_cannot_be_changed_without_a_restart() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let other_file = lab.settings(&["read"]).replace("server.key", "other.key");

    let line = reload(&registry, &other_file, "read anew");
    assert!(line.ends_with("a restart is needed for curve"), "{line}");
    let line = reload(&registry, "curve: off\nlog_level: debug\n", "restart is needed");

    assert!(line.ends_with("a restart is needed for curve"), "{line}");
    assert_success(&lab.host("register", &registry).request(&json!({"action": "health"})));
    let open = super::Host::connect("127.0.0.1", &registry, |_| Ok(()));
    assert_eq!(open.hears(), [false; 3]);
}
