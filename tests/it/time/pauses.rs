//! The process stands still, as a suspended or starved host makes it.

use std::thread;
use std::time::{Duration, Instant};

use super::heart::{Heart, heartbeat};
use crate::support::{
    Event, Launch, Peer, Transcript, assert_refused, assert_success, ids, short_lived,
};

const TTL: Duration = Duration::from_secs(5);
const CLEANUP_INTERVAL: &str = "0.2";

/// Longer than the ttl.
const PAUSE: Duration = Duration::from_secs(8);

/// Half of the ttl, so that a machine that stands still for two seconds changes nothing.
const BEFORE_PAUSE: Duration = Duration::from_millis(2_500);

/// For so long nobody expires behind a pause.
const GRACE: Duration = Duration::from_secs(1);

/// How often something is tried that takes a machine with time for it.
const ATTEMPTS: usize = 8;

#[test]
fn a_pause_longer_than_the_ttl_expires_nobody_who_is_alive_and_the_dead_in_their_time() {
    let registry = Launch::new().flag("--cleanup-interval", CLEANUP_INTERVAL).start();
    let client = registry.client();
    let alive: Vec<String> = (0..20).map(|number| format!("alive-{number}")).collect();
    let ttl = TTL.as_secs() as u32;
    for id in &alive {
        assert_success(&client.request(&short_lived(id, id, ttl)));
    }
    let heart = Heart::start(&registry, &alive);
    assert_success(&client.request(&short_lived("late", "", ttl)));
    let subscriber = registry.subscriber();
    let registered = Instant::now();
    assert_success(&client.request(&short_lived("dead", "", ttl)));
    assert_eq!(subscriber.next().about(), ("register", "dead"));

    // Much of its time runs before the pause, so that it is over long before that of the late one.
    thread::sleep(BEFORE_PAUSE);
    assert_success(&client.request(&short_lived("just", "", ttl)));
    registry.signal("STOP");
    let heard = registered.elapsed();
    thread::sleep(PAUSE);
    let peer = Peer::connect(
        "late",
        zmq::DEALER,
        &registry.endpoints().heartbeats,
        &Transcript::default(),
    );
    peer.send(&[heartbeat("late")]);
    let resumed = Instant::now();
    registry.signal("CONT");

    assert_eq!(subscriber.next().about(), ("register", "just"));
    let event = subscriber.next();
    let after = resumed.elapsed();
    assert_eq!(event.about(), ("expire", "dead"));
    let earliest = TTL.saturating_sub(heard);
    assert!(after >= earliest, "{after:?} after the pause, not before {earliest:?}");
    assert!(after <= TTL + PAUSE, "{after:?} after the pause");
    assert_eq!(event.body["data"]["paused"], true);
    let silent = event.body["data"]["silent_seconds"].as_f64().unwrap();
    assert!(silent >= TTL.as_secs_f64() && silent < PAUSE.as_secs_f64(), "{silent} s");

    // One was heard right before the pause, and one right behind it.
    for _ in 0..2 {
        let event = subscriber.next();
        let after = resumed.elapsed();
        let is_late = event.about() == ("expire", "late");
        assert!(is_late || event.about() == ("expire", "just"), "{}", event.body);
        assert!(is_late || event.body["data"]["paused"] == true, "{}", event.body);
        assert!(after >= TTL || !is_late, "{after:?} after the heartbeat that had queued");
        assert!(after <= TTL + PAUSE, "{after:?} after the pause");
    }

    assert_eq!(ids(&client.list()), alive);
    for id in &alive {
        assert_success(&client.discover(id));
    }
    heart.stop();
    registry.wait_for_line("stood still for");
}

#[test]
fn nobody_expires_in_the_first_second_behind_a_pause() {
    // A machine that is too busy to ask within that second cannot tell.
    let is_told = (0..ATTEMPTS).any(|_| lives_through_the_first_moment());
    assert!(is_told, "the machine has no time for this test");
}

/// Asks whether a service is alive that had hardly any time left when the registry paused. False
/// where the question came too late, or the pause.
fn lives_through_the_first_moment() -> bool {
    const BRIEF: Duration = Duration::from_secs(2);
    let registry = Launch::new().flag("--cleanup-interval", "0.1").start();
    let client = registry.client();
    let mut subscriber = registry.subscriber();
    let registering = Instant::now();
    assert_success(&client.request(&short_lived("alive", "ALIVE", BRIEF.as_secs() as u32)));

    // Both waits together are longer than its ttl. What its host sent in the pause may well come
    // later than the registry goes on, for TCP repeats it only now and then.
    thread::sleep(Duration::from_millis(1_500));
    registry.signal("STOP");
    let is_soon_enough = registering.elapsed() < BRIEF;
    thread::sleep(PAUSE);
    let resuming = Instant::now();
    registry.signal("CONT");
    thread::sleep(Duration::from_millis(700));

    let renewed = client.renew("alive");
    if !is_soon_enough || resuming.elapsed() >= GRACE {
        return false;
    }
    assert_success(&renewed);
    let told = subscriber.all_until_now();
    assert_eq!(told.iter().map(Event::about).collect::<Vec<_>>(), [("register", "alive")]);
    true
}

#[test]
fn many_short_pauses_expire_nobody_who_is_alive() {
    let registry = Launch::new().flag("--cleanup-interval", "0.1").start();
    let client = registry.client();
    assert_success(&client.request(&short_lived("alive", "ALIVE", 2)));
    let heart = Heart::start(&registry, &["alive".to_owned()]);
    let mut subscriber = registry.subscriber();

    // As a starved host does it: hardly ever running, never still for long.
    for _ in 0..8 {
        registry.signal("STOP");
        thread::sleep(Duration::from_millis(500));
        registry.signal("CONT");
        assert_success(&client.discover("ALIVE"));
    }

    assert!(subscriber.all_until_now().is_empty());
    heart.stop();
}

#[test]
fn the_shortest_ttl_outlives_pauses_that_are_longer() {
    let registry = Launch::new().flag("--cleanup-interval", "0.1").start();
    let client = registry.client();
    assert_success(&client.request(&short_lived("alive", "ALIVE", 1)));
    let heart = Heart::start(&registry, &["alive".to_owned()]);
    let mut subscriber = registry.subscriber();

    for milliseconds in [1_200, 1_500, 1_800] {
        registry.signal("STOP");
        thread::sleep(Duration::from_millis(milliseconds));
        registry.signal("CONT");
        assert_success(&client.discover("ALIVE"));
    }

    assert!(subscriber.all_until_now().is_empty());
    heart.stop();
}

#[test]
fn a_rival_whose_registration_queued_in_a_pause_finds_the_living_alive() {
    let registry = Launch::new().flag("--cleanup-interval", "0.1").start();
    let client = registry.client();
    // So short that a part of the pause would end it.
    let ttl = 2;
    assert_success(&client.request(&short_lived("alive", "T", ttl)));
    let heart = Heart::start(&registry, &["alive".to_owned()]);
    let mut subscriber = registry.subscriber();

    registry.signal("STOP");
    thread::sleep(PAUSE);
    client.send(&short_lived("rival", "T", ttl));
    registry.signal("CONT");

    assert_refused(&client.receive(), "duplicate_service_type", &[]);
    assert!(subscriber.all_until_now().is_empty());
    heart.stop();
}
