//! The registry is away for longer than a ttl, and its services live on.

use std::thread;
use std::time::{Duration, Instant};

use super::heart::Heart;
use crate::support::{Launch, assert_success, ids, short_lived};

const TTL: Duration = Duration::from_secs(3);

/// Longer than the ttl, by clocks that show whole seconds.
const OUTAGE: Duration = Duration::from_millis(4_100);

#[test]
fn after_an_outage_the_living_heal_under_their_ids_and_the_dead_expire_in_their_time() {
    let launch = Launch::new().flag("--cleanup-interval", "0.1");
    let registry = launch.start();
    for id in ["alive", "dead"] {
        let request = short_lived(id, &id.to_uppercase(), TTL.as_secs() as u32);
        assert_success(&registry.client().request(&request));
    }
    registry.kill();
    thread::sleep(OUTAGE);

    let started = Instant::now();
    let registry = launch.start();
    let client = registry.client();
    assert_eq!(ids(&client.list()), ["alive", "dead"], "all are there");
    assert_eq!(client.discover("ALIVE")["code"], "no_healthy_service", "its life is unproven");
    assert_success(&client.renew("alive"));
    assert_success(&client.discover("ALIVE"));
    let heart = Heart::start(&registry, &["alive".to_owned()]);
    let subscriber = registry.subscriber();

    let event = subscriber.next();
    let after = started.elapsed();
    assert_eq!(event.about(), ("expire", "dead"));
    assert_eq!(event.body["data"]["restarted"], true);
    assert!(after >= TTL, "{after:?} after the start");
    assert_eq!(ids(&client.list()), ["alive"]);
    heart.stop();
}
