//! The same on the heartbeat socket.

use serde_json::{Value, json};

use super::Unharmed;
use super::messages::{NO_JSON, NO_OBJECTS};
use crate::support::{HeartbeatClient, assert_refused, assert_success};

#[track_caller]
fn assert_next_heartbeat_works(heart: &HeartbeatClient) {
    assert_success(&heart.renew("keeper"));
}

#[test]
fn a_heartbeat_that_is_no_json_is_refused() {
    let registry = Unharmed::start();
    let heart = registry.registry.heartbeat_client();

    // An empty frame is the start of a REQ socket's envelope here, and not a body.
    for body in NO_JSON.into_iter().filter(|body| !body.is_empty()) {
        let reply = heart.request(body);
        assert_refused(&reply, "invalid_json", &[]);
        assert_eq!(reply["error"], "Invalid JSON format");
        assert_next_heartbeat_works(&heart);
    }

    registry.assert_next_request_works();
}

#[test]
fn a_heartbeat_that_is_json_and_no_object_is_refused() {
    let registry = Unharmed::start();
    let heart = registry.registry.heartbeat_client();

    for (body, kind) in NO_OBJECTS {
        let reply = heart.request(body);
        assert_refused(&reply, "not_an_object", &[kind]);
        assert_next_heartbeat_works(&heart);
    }

    registry.assert_next_request_works();
}

#[test]
fn a_heartbeat_without_a_service_id_is_refused() {
    let registry = Unharmed::start();
    let heart = registry.registry.heartbeat_client();

    for id in [None, Some(Value::Null), Some(json!(""))] {
        let mut request = json!({"action": "renew"});
        if let Some(id) = id {
            request["service_id"] = id;
        }
        let reply = heart.request(request.to_string());
        assert_refused(&reply, "missing_field", &["Missing required field: service_id"]);
    }
    for id in [json!(5), json!(true), json!(["keeper"]), json!({})] {
        let reply = heart.request(json!({"action": "renew", "service_id": id}).to_string());
        let words = ["Invalid field: service_id must be a string"];
        assert_refused(&reply, "invalid_field", &words);
    }

    assert_next_heartbeat_works(&heart);
}

#[test]
fn a_heartbeat_of_an_unknown_service_is_refused_and_registers_nothing() {
    let registry = Unharmed::start();
    let heart = registry.registry.heartbeat_client();

    let reply = heart.renew("nobody");

    assert_refused(&reply, "service_not_found", &[]);
    assert_eq!(reply["error"], "Service not found or could not be renewed");
    registry.assert_unharmed();
}

#[test]
fn a_heartbeat_in_several_frames_is_answered() {
    let registry = Unharmed::start();
    let heart = registry.registry.heartbeat_client();

    heart.send_frames(&["REQ", r#"{"action": "renew", "service_id": "keeper"}"#]);

    assert_eq!(heart.receive()["success"], false);
    assert_next_heartbeat_works(&heart);
}
