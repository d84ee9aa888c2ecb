//! The disk stalls for longer than a ttl, as it does while a measurement writes gigabytes.

use std::thread;
use std::time::{Duration, Instant};

use super::heart::Heart;
use crate::support::{Embedded, Gate, ScriptedBackend, assert_success, ids, short_lived};

const TTL: Duration = Duration::from_secs(3);

/// Longer than the ttl and a cleanup interval.
const STALL: Duration = Duration::from_secs(5);

#[test]
fn a_disk_that_stalls_for_longer_than_the_ttl_costs_nobody_who_is_alive_its_place() {
    let gate = Gate::default();
    let disk = gate.clone();
    let server = Embedded::start_cleaning_up_every_second(ScriptedBackend::new(move |_| {
        disk.pass();
        Ok(())
    }));
    let client = server.client();
    let ttl = TTL.as_secs() as u32;
    let alive: Vec<String> = (0..10).map(|number| format!("alive-{number}")).collect();
    for id in &alive {
        assert_success(&client.request(&short_lived(id, &id.to_uppercase(), ttl)));
    }
    let heart = Heart::start_at(server.endpoints(), &alive);
    let subscriber = server.subscriber();
    assert_success(&client.request(&short_lived("dead", "", ttl)));
    assert_eq!(subscriber.next().about(), ("register", "dead"));

    gate.close();
    let newcomer = server.client();
    newcomer.send(&short_lived("new", "", ttl));
    gate.wait_for_arrival();
    let stalled = Instant::now();
    while stalled.elapsed() < STALL {
        for id in &alive {
            assert_success(&client.discover(&id.to_uppercase()));
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(newcomer.received(), None, "it waits for the disk");
    assert!(subscriber.received().is_none(), "nothing is told that is not stored");
    let opened = Instant::now();
    gate.open();

    assert_success(&newcomer.receive());
    assert_eq!(subscriber.next().about(), ("register", "new"));
    assert_eq!(subscriber.next().about(), ("expire", "dead"));
    assert_eq!(subscriber.next().about(), ("expire", "new"), "it was never heard");
    assert!(opened.elapsed() > TTL, "its time began when it was told that it is registered");
    assert_eq!(ids(&client.list()), alive);
    heart.stop();
}
