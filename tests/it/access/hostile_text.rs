//! What a client sends does nothing to the log and to the terminal where it is read.

use serde_json::{Value, json};

use crate::support::{Finished, Launch, assert_success};

/// A text that breaks lines, forges one, clears the screen, and reorders what follows.
const HOSTILE: &str =
    "x\r\n2026-11-22T00:00:00Z ERROR [storage] forged\u{1b}[2J\u{7}\u{9b}31m\u{202e}y\u{85}";

fn hostile_registration() -> Value {
    json!({
        "action": "register",
        "ttl": 3_600,
        "service_info": {
            "id": HOSTILE, "name": HOSTILE, "host": HOSTILE, "port": 1, "type": HOSTILE,
            "tags": [HOSTILE], "metadata": {HOSTILE: HOSTILE},
        },
    })
}

#[track_caller]
fn assert_harmless(text: &str) {
    for line in text.split('\n') {
        let harmful = |character: char| character.is_control() || character == '\u{202e}';
        assert!(!line.contains(harmful), "{line:?}");
        assert!(!line.starts_with("2026-11-22T00:00:00Z"), "{line:?}");
    }
}

#[track_caller]
fn assert_output_is_harmless(finished: &Finished) {
    assert_harmless(&finished.stdout);
    assert_harmless(&finished.stderr);
}

#[test]
fn the_log_has_one_harmless_line_for_whatever_is_sent() {
    let registry = Launch::new().flag("--log-level", "trace").start();
    let client = registry.client();

    assert_success(&client.request(&hostile_registration()));
    for request in [
        json!({"action": HOSTILE}),
        json!({"action": "deregister", "service_id": HOSTILE}),
        json!({"action": "backup", "destination": format!("/{HOSTILE}/{HOSTILE}")}),
        json!({"action": "discover", "service_type": HOSTILE, "request_id": HOSTILE}),
        json!({"action": "register", "service_info": {"name": "x", "host": "x", "port": HOSTILE}}),
    ] {
        client.request(&request);
    }
    client.send_as(HOSTILE, "{}");
    client.receive();
    let heart = registry.heartbeat_client();
    heart.request(json!({"action": HOSTILE, "service_id": HOSTILE}).to_string());

    let finished = registry.stop();
    assert!(finished.stderr.contains("forged"), "something of it is logged");
    assert_harmless(&finished.stderr);
}

#[test]
fn no_command_passes_it_on_to_the_terminal() {
    let registry = Launch::new().start();
    assert_success(&registry.client().request(&hostile_registration()));

    for arguments in [
        &["list-services"][..],
        &["list-services", "--service-type", HOSTILE],
        &["get", HOSTILE],
        &["discover", HOSTILE],
        &["status"],
        &["health"],
        &["wait", HOSTILE],
        &["wait", "nothing of this type\u{1b}[2J", "--timeout", "0.1"],
        &["get", "nothing of this id\n\u{1b}[2J"],
        &["discover", "nothing of this type\n\u{1b}[2J"],
        &["backup", "no such folder\u{1b}[2J/x"],
        &["register", "--name", HOSTILE, "--type", HOSTILE, "--port", "1"],
        &["deregister", "--service-type", HOSTILE],
    ] {
        for json in [&[][..], &["--json"]] {
            let finished = registry.run(&[arguments, json].concat());
            assert_output_is_harmless(&finished);
        }
    }
}

#[test]
fn a_registry_that_refuses_with_hostile_words_does_nothing_to_the_terminal() {
    let context = zmq::Context::new();
    let socket = context.socket(zmq::ROUTER).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let endpoint = socket.get_last_endpoint().unwrap().unwrap();
    let port = crate::support::port_of(&endpoint).to_string();
    let refusing = std::thread::spawn(move || {
        for _ in 0..2 {
            let question = socket.recv_multipart(0).unwrap();
            let body =
                json!({"success": false, "error": HOSTILE, "message": HOSTILE, "code": HOSTILE});
            let body = body.to_string();
            let frames = [question[0].as_slice(), b"RESPONSE", body.as_bytes()];
            socket.send_multipart(frames, 0).unwrap();
        }
    });

    for json in [&[][..], &["--json"]] {
        let finished = Launch::new().run(&[&["get", "x", "--req-port", &port], json].concat());

        finished.assert_code(1);
        assert_output_is_harmless(&finished);
        // One line, however many the refusal has.
        assert_eq!(finished.stdout.lines().count() + finished.stderr.lines().count(), 1);
    }
    refusing.join().unwrap();
}
