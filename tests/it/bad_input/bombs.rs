//! JSON that is made to hurt its reader.

use serde_json::json;

use super::Unharmed;
use crate::support::{Registry, assert_refused, assert_success};

/// How many levels serde_json reads in one go.
const LEVELS: usize = 120;

/// Deep lists that hide in texts. serde_json reads a text under a name of its own as JSON, and
/// begins to count levels anew: these few kilobytes are a thousand levels.
fn hidden_depth() -> String {
    let nested = |inner: &str| format!("{}{inner}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    (0..8).fold(nested(""), |text, _| {
        let text = serde_json::to_string(&text).unwrap();
        nested(&format!(r#"{{"$serde_json::private::RawValue":{text}}}"#))
    })
}

fn registration_with_metadata(metadata: &str) -> String {
    format!(
        r#"{{"action":"register","service_info":
            {{"name":"new","host":"h","port":1,"id":"new","metadata":{metadata}}}}}"#
    )
}

#[test]
fn depth_is_refused_however_it_is_written() {
    let registry = Unharmed::start();

    for (bomb, code) in [
        ("[".repeat(50_000), "invalid_json"),
        (r#"{"a":"#.repeat(15_000), "invalid_json"),
        (format!(r#"{{"x":{}{}}}"#, "[".repeat(100), "]".repeat(100)), "invalid_field"),
        (format!(r#"{{"x":{}}}"#, hidden_depth()), "invalid_json"),
        (hidden_depth(), "invalid_json"),
    ] {
        registry.client.send_as("REQ", registration_with_metadata(&bomb));
        assert_refused(&registry.client.receive(), code, &[]);
        registry.assert_next_request_works();
    }

    registry.assert_unharmed();
}

#[test]
fn names_that_the_json_reader_keeps_for_itself_are_refused() {
    let registry = Unharmed::start();

    for metadata in [
        r#"{"x":{"$serde_json::private::Number":"no number"}}"#,
        r#"{"x":{"$serde_json::private::Number":"1"}}"#,
        r#"{"x":{"\u0024serde_json::private::RawValue":"[]"}}"#,
    ] {
        registry.client.send_as("REQ", registration_with_metadata(metadata));
        assert_refused(&registry.client.receive(), "invalid_json", &[]);
    }

    registry.assert_unharmed();
}

#[test]
fn numbers_that_other_readers_would_refuse_are_refused() {
    let registry = Unharmed::start();

    // Python reads no whole number of more than 4300 digits, nor the list that has one in it; and
    // readers with doubles none that is infinite to them.
    for number in [format!("1{}", "0".repeat(4_300)), "1e400".to_owned(), "-1e309".to_owned()] {
        let metadata = format!(r#"{{"x":[{number}]}}"#);
        registry.client.send_as("REQ", registration_with_metadata(&metadata));
        assert_refused(&registry.client.receive(), "invalid_field", &["numbers"]);
    }
    for ttl in ["1e999999999", "-1", "0.5", "18446744073709551616", "1e400", "-0"] {
        let request =
            registration_with_metadata("{}").replacen('{', &format!("{{\"ttl\":{ttl},"), 1);
        registry.client.send_as("REQ", request);
        assert_refused(&registry.client.receive(), "invalid_field", &["ttl"]);
    }
    for nothing in ["NaN", "Infinity", "-Infinity", "0x10", "01", "1.", ".5", "+1", "1e"] {
        registry
            .client
            .send_as("REQ", registration_with_metadata(&format!(r#"{{"x":{nothing}}}"#)));
        assert_refused(&registry.client.receive(), "invalid_json", &[]);
    }

    registry.assert_unharmed();
}

#[test]
fn large_and_small_numbers_come_back_as_they_came() {
    let registry = Registry::start();
    let client = registry.client();
    let metadata = r#"{"a":1e300,"b":-1e-400,"c":123456789012345678901234567890,"d":0.10,"e":-0}"#;

    client.send_as("REQ", registration_with_metadata(metadata));
    assert_success(&client.receive());

    assert_eq!(
        client.get("new")["service"]["metadata"].to_string(),
        metadata.replace("e300", "e+300")
    );
}

#[test]
fn texts_that_are_no_unicode_are_refused() {
    let registry = Unharmed::start();

    for text in [
        br#""\ud800""#.as_slice(),
        br#""\udc00\ud800""#,
        br#""\ud800x""#,
        br#""\u12""#,
        b"\"\xff\"",
        b"\"\xc0\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"line\nbreak\"",
        b"\"\0\"",
    ] {
        for [before, after] in [
            [r#"{"action":"get","service_id":"#, "}"],
            [r#"{"action":"list","#, ":1}"],
            [r#"{"action":"register","service_info":{"name":"#, r#","host":"h","port":1}}"#],
        ] {
            let body = [before.as_bytes(), text, after.as_bytes()].concat();
            registry.client.send_as("REQ", body);
            assert_refused(&registry.client.receive(), "invalid_json", &[]);
        }
    }

    registry.assert_unharmed();
}

#[test]
fn the_last_of_several_fields_of_one_name_counts() {
    let registry = Unharmed::start();

    let ask = |body: &str| {
        registry.client.send_as("REQ", body);
        registry.client.receive()
    };
    assert_refused(&ask(r#"{"action":"list","action":"register"}"#), "missing_field", &[]);
    assert_refused(
        &ask(r#"{"action":"get","service_id":"keeper","service_id":"other"}"#),
        "service_not_found",
        &[],
    );
    assert_refused(
        &ask(r#"{"action":"register",
                "service_info":{"name":"new","host":"h","port":1,"port":"no port"}}"#),
        "invalid_field",
        &["port"],
    );

    registry.assert_unharmed();
}

#[test]
fn texts_of_a_mebibyte_are_stored_nowhere() {
    let registry = Unharmed::start();
    let long = "x".repeat(1 << 20);

    for request in [
        json!({"action": "get", "service_id": long}),
        json!({"action": long}),
        json!({"action": "list", "service_type": long}),
        super::registration_with(|request| request["service_info"]["name"] = json!(long)),
        super::registration_with(|request| {
            request["service_info"]["metadata"] = json!({"x": long})
        }),
    ] {
        // The registry hangs up on its sender, which is not to disturb anybody else.
        let sender = registry.registry.client();
        sender.send(&request);
        registry.assert_next_request_works();
    }

    registry.assert_unharmed();
}
