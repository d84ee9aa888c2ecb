//! Who gets in: those whose key the registry knows, on all three sockets.

use std::time::{Duration, Instant};

use serde_json::json;
use service_registry::client::CurveKeys;
use service_registry::curve::KeyPair;

use super::{Host, Lab};
use crate::support::{DEADLINE, Registry, assert_success, registration};

#[test]
fn a_known_key_is_served_on_all_three_sockets() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let client = lab.host("register", &registry);

    // Events before the subscription reached the registry are lost: until one comes.
    let started = Instant::now();
    loop {
        assert_success(&client.request(&registration("dev", "DEV")));
        if client.events.receive_within(20).is_some() {
            break;
        }
        assert!(started.elapsed() < DEADLINE, "no event comes");
    }
    assert_success(&client.beat("dev"));
    let line = registry.wait_for_line("encrypted");
    assert!(line.contains(&lab.server.to_string()), "{line}");
}

#[test]
fn nobody_else_gets_past_the_handshake() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let known = lab.host("register", &registry);
    let wrong_server = KeyPair::generate().unwrap().public;
    let mistaken = CurveKeys::new(wrong_server, lab.keys("register").clone()).unwrap();
    let outsiders = [
        ("no key", Host::connect("127.0.0.1", &registry, |_| Ok(()))),
        ("a key that nobody knows", lab.host("stranger", &registry)),
        (
            "the key of another registry",
            Host::connect("127.0.0.1", &registry, |socket| mistaken.secure(socket)),
        ),
        (
            "a password",
            Host::connect("127.0.0.1", &registry, |socket| {
                socket.set_plain_username(Some("register"))?;
                socket.set_plain_password(Some("register"))
            }),
        ),
    ];

    for (what, outsider) in &outsiders {
        outsider.requests.offer(&[b"REQ".as_slice(), br#"{"action": "terminate"}"#]);
        assert_eq!(outsider.hears(), [false; 3], "{what}");
    }
    assert_success(&known.request(&registration("dev", "DEV")));
    assert_success(&known.beat("dev"));
    for (what, outsider) in &outsiders {
        assert_eq!(outsider.events.receive_within(0), None, "{what}");
    }
}

#[test]
fn half_a_client_key_is_no_key() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let (known, thief) = (lab.keys("admin"), lab.keys("stranger"));

    // Who knows a public key, as everybody does, does not have the secret one.
    let outsider = Host::connect("127.0.0.1", &registry, |socket| {
        socket.set_curve_serverkey(lab.server.as_bytes())?;
        socket.set_curve_publickey(known.public.as_bytes())?;
        socket.set_curve_secretkey(thief.secret.as_bytes())
    });

    assert_eq!(outsider.hears(), [false; 3]);
}

#[test]
fn unknown_keys_are_counted_and_named_once() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let outsiders: Vec<Host> =
        (0..10).map(|_| lab.host_at("127.0.0.2", "stranger", &registry)).collect();

    wait_for_refusals(&lab.host("read", &registry), 30);

    registry.signal("TERM");
    let finished = registry.wait();
    let lines = finished.stderr.lines().filter(|line| line.contains("not in `curve`"));
    let lines: Vec<&str> = lines.collect();
    assert!((1..=2).contains(&lines.len()), "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("127.0.0.2")), "{lines:?}");
    drop(outsiders);
}

#[test]
fn a_known_key_from_outside_of_allow_is_refused_as_well() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.clone().flag("--allow", "127.0.0.1").start();

    assert_eq!(lab.host_at("127.0.0.2", "admin", &registry).hears(), [false; 3]);
    assert_success(&lab.host("admin", &registry).request(&json!({"action": "health"})));
    assert!(is_still_up(&registry));
}

#[track_caller]
fn wait_for_refusals(client: &Host, count: u64) {
    let started = Instant::now();
    loop {
        let refused = client.request(&json!({"action": "info"}))["refused_connections"].as_u64();
        if refused >= Some(count) {
            return;
        }
        assert!(started.elapsed() < DEADLINE, "{refused:?} refused");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_still_up(registry: &Registry) -> bool {
    !registry.log().contains("stopping")
}
