//! A registry of very many services comes back. It loads first and listens then, so that whoever
//! is heard is known; what arrives in between waits in the clients and in the kernel.

use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::heart::{Heart, heartbeat};
use crate::support::{Launch, Peer, Place, Transcript, assert_success, short_lived, unix_seconds};

const SERVICES: u64 = 100_000;

const ALIVE: usize = 50;
const TTL: Duration = Duration::from_secs(6);

/// How long ago the registry was there. Longer than the ttl.
const OUTAGE: u64 = 600;

/// Adds very many services to the file, and takes everything in it back by the outage.
fn fill(launch: &Launch) {
    let mut connection = Connection::open(launch.path("service_registry.db")).unwrap();
    let transaction = connection.transaction().unwrap();
    let mut insert = transaction
        .prepare(
            r#"INSERT INTO services
                   (id, name, host, port, metadata, ttl, last_heartbeat, tags)
               VALUES (?1, ?1, '10.0.0.1', 6110, '{"type": "STORED"}', 3600, 0, '["STORED"]')"#,
        )
        .unwrap();
    for number in 0..SERVICES {
        insert.execute([format!("stored-{number}")]).unwrap();
    }
    drop(insert);
    let seconds = i64::try_from(unix_seconds() - OUTAGE).unwrap();
    transaction.execute("UPDATE services SET last_heartbeat = ?1", [seconds]).unwrap();
    transaction.commit().unwrap();
    connection.close().unwrap();
}

#[test]
fn loading_very_many_services_keeps_no_heartbeat_waiting_and_expires_nobody() {
    let launch = Launch::new()
        .flag("--cleanup-interval", "0.1")
        // Room for more than are stored.
        .flag("--limits", "services=200000");
    let (place, registry) = Place::start_with(launch);
    let alive: Vec<String> = (0..ALIVE).map(|number| format!("alive-{number}")).collect();
    let ttl = TTL.as_secs() as u32;
    // All at once, so that none has expired when the last is there.
    let client = registry.client();
    alive.iter().for_each(|id| client.send(&short_lived(id, &id.to_uppercase(), ttl)));
    alive.iter().for_each(|_| assert_success(&client.receive()));
    let folder = registry.launch().clone();
    registry.kill();
    fill(&folder);

    let connect = |id: &String| {
        let endpoint = &place.endpoints().heartbeats;
        let peer = Peer::connect("early", zmq::DEALER, endpoint, &Transcript::default());
        peer.send(&[heartbeat(id)]);
        peer
    };
    let early: Vec<Peer> = alive.iter().map(connect).collect();
    let started = Instant::now();
    let registry = place.start_again();
    let ready = Instant::now();
    // Had any been heard before its service was loaded, it would have been told that it is gone.
    for peer in &early {
        assert_success(&serde_json::from_slice(&peer.receive()[0]).unwrap());
    }
    let heard = Instant::now();
    let heart = Heart::start(&registry, &alive);

    let mut subscriber = registry.subscriber();
    let client = registry.client();
    while heard.elapsed() < 2 * TTL {
        for id in &alive {
            assert_success(&client.discover(&id.to_uppercase()));
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(subscriber.all_until_now().is_empty(), "nobody expires");
    assert_success(&client.get(&format!("stored-{}", SERVICES - 1)));
    heart.stop();
    assert!(!registry.log().contains("expired"), "nor did anybody before");
    eprintln!(
        "{SERVICES} services: ready after {:.2} s; {ALIVE} heartbeats that were waiting are \
         answered {:.3} s later",
        (ready - started).as_secs_f64(),
        (heard - ready).as_secs_f64()
    );
}
