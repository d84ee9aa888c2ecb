//! Somebody sets the clock by hours, as NTP does on a host that starts with a wrong one.
//!
//! The clock is libfaketime's, loaded into the registry's process alone, which only some
//! machines have. `scripts/clock-steps` installs it and runs these tests.

use std::env;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::heart::Heart;
use crate::support::{
    Client, Launch, Registry, assert_success, ids, short_lived, unix_seconds, wait_until,
    whole_number,
};

/// Where the library is, for example `/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1`.
const LIBRARY_VARIABLE: &str = "SERVICE_REGISTRY_LIBFAKETIME";

const CLOCK_FILE: &str = "clock";

/// Longer than a busy machine keeps a heartbeat waiting.
const TTL: Duration = Duration::from_secs(6);
const CLEANUP_INTERVAL: Duration = Duration::from_millis(200);

/// What a busy machine may add to the time until an event arrives. A step would add hours.
const MARGIN: Duration = Duration::from_secs(60);

/// In seconds.
const HOUR: i64 = 3_600;

/// Seconds that a busy machine may take to tell a time.
const NEAR: i64 = 60;

/// A registry whose clock can be set.
fn launch() -> Launch {
    let library = env::var(LIBRARY_VARIABLE).expect("scripts/clock-steps runs this test");
    let launch = Launch::new().flag("--cleanup-interval", "0.2").file(CLOCK_FILE, "+0s");
    let clock = launch.path(CLOCK_FILE);
    launch
        .variable("LD_PRELOAD", &library)
        .variable("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap())
        .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .variable("FAKETIME_NO_CACHE", "1")
        .variable("NO_FAKE_STAT", "1")
}

/// Puts the clock so many seconds ahead of the true one.
#[track_caller]
fn set_clock(launch: &Launch, seconds: i64) {
    let fresh = launch.path("fresh-clock");
    fs::write(&fresh, format!("{seconds:+}s")).unwrap();
    fs::rename(fresh, launch.path(CLOCK_FILE)).unwrap();
}

/// Seconds by which the registry's clock is ahead of the true one.
#[track_caller]
fn ahead(client: &Client) -> i64 {
    whole_number(&client.health()["timestamp"]) as i64 - unix_seconds() as i64
}

#[track_caller]
fn wait_until_ahead(client: &Client, seconds: i64) {
    wait_until("a step of the clock", || (ahead(client) - seconds).abs() <= NEAR);
}

#[track_caller]
fn register(registry: &Registry, id: &str) {
    let request = short_lived(id, &id.to_uppercase(), TTL.as_secs() as u32);
    assert_success(&registry.client().request(&request));
}

/// A step expires nobody who is alive, and delays the expiry of nobody who is dead.
#[track_caller]
fn assert_step_is_harmless(seconds: i64) {
    let launch = launch();
    let registry = launch.start();
    let client = registry.client();
    assert!(ahead(&client).abs() <= NEAR, "the clock is right at first");
    register(&registry, "alive");
    let heart = Heart::start(&registry, &["alive".to_owned()]);
    let subscriber = registry.subscriber();
    let registered = Instant::now();
    register(&registry, "dead");
    assert_eq!(subscriber.next().about(), ("register", "dead"));

    set_clock(&launch, seconds);
    wait_until_ahead(&client, seconds);

    for id in ["ALIVE", "DEAD"] {
        assert_success(&client.discover(id));
    }
    let event = subscriber.next();
    let after = registered.elapsed();
    assert_eq!(event.about(), ("expire", "dead"));
    assert!(after >= TTL && after <= TTL + CLEANUP_INTERVAL + MARGIN, "{after:?}");
    assert_eq!(ids(&client.list()), ["alive"]);
    let last_heartbeat = whole_number(&client.get("alive")["service"]["last_heartbeat"]);
    let told = last_heartbeat as i64 - unix_seconds() as i64;
    assert!((told - seconds).abs() <= NEAR, "people are told the new time, not {told} s off");
    heart.stop();
}

/// After a restart with the clock set by so much, a service heals under its id by its next
/// heartbeat, and one that is silent expires after one ttl.
#[track_caller]
fn assert_restart_is_harmless(seconds: i64, is_discovered_at_once: bool) {
    let launch = launch();
    let registry = launch.start();
    register(&registry, "alive");
    register(&registry, "dead");
    registry.kill();

    set_clock(&launch, seconds);
    let registry = launch.start();
    let started = Instant::now();
    let client = registry.client();
    wait_until_ahead(&client, seconds);
    assert_eq!(ids(&client.list()), ["alive", "dead"]);
    assert_eq!(client.discover("ALIVE")["success"], is_discovered_at_once);
    assert_success(&client.renew("alive"));
    assert_success(&client.discover("ALIVE"));
    let heart = Heart::start(&registry, &["alive".to_owned()]);
    let subscriber = registry.subscriber();

    let event = subscriber.next();
    let after = started.elapsed();
    assert_eq!(event.about(), ("expire", "dead"));
    assert!(after <= TTL + CLEANUP_INTERVAL + MARGIN, "{after:?} after the start");
    assert_eq!(ids(&client.list()), ["alive"]);
    heart.stop();
}

#[test]
#[ignore = "needs libfaketime: scripts/clock-steps installs it and runs this"]
fn a_step_forward_by_hours_expires_nobody_who_is_alive() {
    assert_step_is_harmless(6 * HOUR);
}

#[test]
#[ignore = "needs libfaketime: scripts/clock-steps installs it and runs this"]
fn a_step_back_by_hours_keeps_nobody_who_is_dead() {
    assert_step_is_harmless(-6 * HOUR);
}

#[test]
#[ignore = "needs libfaketime: scripts/clock-steps installs it and runs this"]
fn a_restart_with_the_clock_hours_ahead_loses_nobody() {
    assert_restart_is_harmless(6 * HOUR, false);
}

#[test]
#[ignore = "needs libfaketime: scripts/clock-steps installs it and runs this"]
fn a_restart_with_the_clock_hours_back_loses_nobody_and_keeps_nobody_for_hours() {
    assert_restart_is_harmless(-6 * HOUR, true);
}

#[test]
#[ignore = "needs libfaketime: scripts/clock-steps installs it and runs this"]
fn a_clock_that_steps_to_and_fro_under_load_loses_nobody() {
    let launch = launch();
    let registry = launch.start();
    let client = registry.client();
    let alive: Vec<String> = (0..10).map(|number| format!("alive-{number}")).collect();
    alive.iter().for_each(|id| register(&registry, id));
    let heart = Heart::start(&registry, &alive);
    let mut subscriber = registry.subscriber();

    let started = Instant::now();
    for seconds in [HOUR, -HOUR, 24 * HOUR, 0, -24 * HOUR].into_iter().cycle() {
        if started.elapsed() > TTL + CLEANUP_INTERVAL {
            break;
        }
        set_clock(&launch, seconds);
        wait_until_ahead(&client, seconds);
        for id in &alive {
            assert_success(&client.discover(&id.to_uppercase()));
        }
        thread::sleep(Duration::from_millis(100));
    }

    assert!(subscriber.all_until_now().is_empty());
    assert_eq!(ids(&client.list()), alive);
    heart.stop();
}
