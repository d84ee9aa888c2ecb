//! Messages that are no requests: wrong frames, wrong bytes, wrong JSON, wrong actions.

use serde_json::json;

use super::Unharmed;
use crate::support::assert_refused;

const LIST: &[u8] = br#"{"action": "list"}"#;

/// JSON that is no object, and what each is called.
pub(super) const NO_OBJECTS: [(&str, &str); 6] = [
    (r#"["action", "list"]"#, "an array"),
    (r#""list""#, "a string"),
    ("5", "a number"),
    ("null", "null"),
    ("true", "true"),
    ("false", "false"),
];

/// Bodies that are no JSON.
pub(super) const NO_JSON: [&[u8]; 7] = [
    b"",
    b"{not json",
    b"{\"action\": \"list\"",
    b"{\"action\": \"list\"} and more",
    b"{\"action\": \"list\", \"x\": \"\xff\xfe\"}",
    b"\xff",
    b"\0",
];

#[test]
fn a_message_with_too_few_frames_is_refused() {
    let registry = Unharmed::start();

    for (frame, word) in [(b"REQ".as_slice(), "body"), (LIST, "message type"), (b"\xff", "REQ")] {
        registry.client.send_frames(&[frame]);
        assert_refused(&registry.client.receive(), "malformed_message", &[word]);
        registry.assert_next_request_works();
    }

    registry.assert_unharmed();
}

#[test]
fn an_unknown_message_type_is_refused_and_the_known_ones_are_named() {
    let registry = Unharmed::start();

    for unknown in [b"HELLO".as_slice(), b"req", b"REQ ", b"\xff\xfe", b"REQUEST_WITH_REPLY"] {
        registry.client.send_frames(&[unknown, LIST]);
        let words = ["message type", "REQ", "REQ_NO_REPLY"];
        assert_refused(&registry.client.receive(), "malformed_message", &words);
        registry.assert_next_request_works();
    }

    registry.assert_unharmed();
}

#[test]
fn a_body_that_is_no_json_is_refused() {
    let registry = Unharmed::start();
    let too_deep = format!("{}{}", r#"{"action": "list", "x": "#, "[".repeat(100_000));

    for body in NO_JSON.into_iter().chain([too_deep.as_bytes()]) {
        registry.client.send_as("REQ", body);
        let reply = registry.client.receive();
        assert_refused(&reply, "invalid_json", &[]);
        assert_eq!(reply["error"], "Invalid JSON format");
        registry.assert_next_request_works();
    }

    registry.assert_unharmed();
}

#[test]
fn a_body_that_is_json_and_no_object_is_refused() {
    let registry = Unharmed::start();

    for (body, kind) in NO_OBJECTS {
        registry.client.send_as("REQ", body);
        let reply = registry.client.receive();
        assert_refused(&reply, "not_an_object", &[]);
        assert_eq!(reply["error"], format!("Request must be a JSON object, not {kind}"));
        registry.assert_next_request_works();
    }

    registry.assert_unharmed();
}

#[test]
fn a_missing_action_is_refused() {
    let registry = Unharmed::start();

    for request in [json!({}), json!({"action": ""}), json!({"action": null}), json!({"act": 1})] {
        let words = ["Missing required field: action"];
        registry.assert_refuses(&request, "missing_field", &words);
    }

    registry.assert_unharmed();
}

#[test]
fn an_unknown_action_is_refused() {
    let registry = Unharmed::start();

    for action in ["unknown_action", "Register", "list ", "unregister", "värme"] {
        let error = format!("Unknown action: {action}");
        registry.assert_refuses(&json!({"action": action}), "unknown_action", &[&error]);
    }

    registry.assert_unharmed();
}

#[test]
fn an_action_that_is_no_text_is_refused() {
    let registry = Unharmed::start();

    for action in [json!(5), json!(["list"]), json!({"list": 1}), json!(true)] {
        let error = format!("Unknown action: {action}");
        registry.assert_refuses(&json!({"action": action}), "unknown_action", &[&error]);
    }

    registry.assert_unharmed();
}

#[test]
fn what_wants_no_answer_gets_none_even_when_it_is_wrong() {
    let registry = Unharmed::start();

    for message_type in ["REQ_NO_REPLY", "HB", "NOTIF", "RESPONSE"] {
        for body in ["{not json", "[]", r#"{"action": "unknown"}"#, r#"{"action": "register"}"#] {
            registry.client.send_as(message_type, body);
        }
        registry.client.send_frames(&[message_type]);
    }

    // Answers come in order: this would not be the first if one of the others had been answered.
    registry.assert_next_request_works();
    registry.assert_unharmed();
}
