//! Each limit on what a client sends, one step within it and one step beyond.

use serde_json::{Value, json};

use crate::support::{Launch, Registry, assert_success, json_in, registration};

#[track_caller]
fn start(limits: &str) -> Registry {
    Launch::new().flag("--limits", limits).start()
}

/// A registration of a plain service, with other fields in its `service_info`.
fn registration_with(fields: &Value) -> Value {
    let mut request = registration("dev", "");
    let info = request["service_info"].as_object_mut().unwrap();
    info.extend(fields.as_object().unwrap().clone());
    request
}

#[track_caller]
fn assert_exceeds(reply: &Value, limit: &str) {
    assert_eq!(reply["success"], false, "{reply}");
    assert_eq!(reply["code"], "limit_exceeded", "{reply}");
    assert_eq!(reply["limit"], limit, "{reply}");
    let message = reply["message"].as_str().unwrap();
    assert!(message.contains(limit) && message.contains("registry.yaml"), "{message}");
}

/// What is within the limit is registered; what is beyond it is refused, and is not there.
#[track_caller]
fn assert_bounds(limits: &str, limit: &str, within: &Value, beyond: &Value) {
    let registry = start(limits);
    let client = registry.client();

    assert_exceeds(&client.request(beyond), limit);
    assert_eq!(client.list()["services"], json!([]));
    assert_success(&client.request(within));

    let info = client.info();
    assert_eq!(info["exceeded"], json!({ limit: 1 }), "{info}");
    assert_eq!(info["refused"], json!({"limit_exceeded": 1}), "{info}");
}

#[test]
fn tags_are_counted() {
    let tags = |count| registration_with(&json!({"tags": vec!["t"; count]}));

    assert_bounds("tags=3", "tags", &tags(3), &tags(4));
}

#[test]
fn ids_names_hosts_types_and_tags_have_a_length() {
    for field in ["id", "name", "host", "type"] {
        let long = |length| registration_with(&json!({ field: "x".repeat(length) }));

        assert_bounds("name_bytes=100", "name_bytes", &long(100), &long(101));
    }
    let tag = |length| registration_with(&json!({"tags": ["t", "x".repeat(length)]}));
    assert_bounds("name_bytes=100", "name_bytes", &tag(100), &tag(101));
}

#[test]
fn a_type_has_the_same_length_where_it_stands_in_the_metadata() {
    let long = |length| registration_with(&json!({"metadata": {"type": "x".repeat(length)}}));

    assert_bounds("name_bytes=100", "name_bytes", &long(100), &long(101));
}

#[test]
fn an_id_that_the_registry_makes_can_be_registered_again() {
    let unnamed = |length: usize| registration_with(&json!({"id": "", "name": "x".repeat(length)}));
    let registry = start("name_bytes=100");
    let client = registry.client();

    // A dash and a UUID take 37.
    assert_exceeds(&client.request(&unnamed(64)), "name_bytes");
    let reply = client.request(&unnamed(63));
    assert_success(&reply);
    let again = registration_with(&json!({"id": reply["service_id"], "name": "x"}));
    assert_success(&client.request(&again));
}

#[test]
fn a_time_to_live_has_a_range() {
    let ttl = |seconds: u32| {
        let mut request = registration("dev", "");
        request["ttl"] = json!(seconds);
        request
    };

    assert_bounds("ttl_min=5", "ttl_min", &ttl(5), &ttl(4));
    assert_bounds("ttl_max=60", "ttl_max", &ttl(60), &ttl(61));
}

#[test]
fn a_service_says_so_much_of_itself_however_it_is_written() {
    let info_of = |bytes: usize| {
        let empty = registration_with(&json!({"metadata": {"x": ""}}));
        let length = empty["service_info"].to_string().len();
        registration_with(&json!({"metadata": {"x": "x".repeat(bytes - length)}}))
    };
    assert_bounds("service_bytes=1024", "service_bytes", &info_of(1_024), &info_of(1_025));

    // Blanks that nobody stores do not count.
    let registry = start("service_bytes=1024");
    let client = registry.client();
    client.send_as("REQ", format!("{:#}", info_of(1_024)).replace(' ', "     "));
    assert_success(&client.receive());
}

#[test]
fn services_are_counted_also_when_they_come_all_at_once() {
    let registry = start("services=3");
    let client = registry.client();

    for number in 0..6 {
        client.send(&registration(&format!("dev-{number}"), ""));
    }
    for number in 0..6 {
        let reply = client.receive();
        if number < 3 { assert_success(&reply) } else { assert_exceeds(&reply, "services") }
    }

    client.register("dev-1", "");
    assert_success(&client.deregister("dev-0"));
    client.register("dev-3", "");
    assert_exceeds(&client.request(&registration("dev-4", "")), "services");
}

#[test]
fn all_services_together_say_so_much_of_themselves() {
    let filled = |id: &str, filler: usize| {
        let mut request = registration(id, "");
        request["service_info"]["metadata"] = json!({"x": "x".repeat(filler)});
        request
    };
    let registry = start("registry_bytes=10000,service_bytes=10000");
    let client = registry.client();

    for number in 0..3 {
        assert_success(&client.request(&filled(&format!("dev-{number}"), 3_000)));
    }
    assert_exceeds(&client.request(&filled("dev-3", 3_000)), "registry_bytes");
    assert_exceeds(&client.request(&filled("dev-0", 4_000)), "registry_bytes");

    assert_success(&client.request(&filled("dev-0", 1_000)));
    assert_success(&client.request(&filled("dev-3", 2_500)));
    assert_success(&client.deregister("dev-3"));
    assert_success(&client.request(&filled("dev-4", 2_500)));
}

#[test]
fn what_is_stored_already_is_kept_and_can_be_registered_again() {
    let launch = Launch::new();
    let registry = launch.start();
    for number in 0..5 {
        registry.client().register(&format!("dev-{number}"), "");
    }
    registry.stop();

    let registry =
        launch.flag("--limits", "services=2,registry_bytes=1024,service_bytes=1024").start();
    let client = registry.client();

    assert_eq!(client.list()["services"].as_array().unwrap().len(), 5);
    client.register("dev-4", "");
    assert_exceeds(&client.request(&registration("dev-5", "")), "services");
}

#[test]
fn a_message_that_is_too_large_is_answered_and_one_that_is_far_too_large_ends_its_connection() {
    let registry = start("message_bytes=4096,service_bytes=4096");
    let body = |bytes: usize| {
        let bare = json!({"action": "health", "x": ""}).to_string().len();
        json!({"action": "health", "x": "x".repeat(bytes - bare)}).to_string()
    };
    let client = registry.client();
    let heart = registry.heartbeat_client();

    client.send_as("REQ", body(4_096 - "REQ".len()));
    assert_success(&client.receive());
    client.send_as("REQ", body(4_097 - "REQ".len()));
    assert_exceeds(&client.receive(), "message_bytes");
    assert_exceeds(&heart.request(body(4_097)), "message_bytes");

    let flood = registry.client();
    flood.send_as("REQ", body(8_193));
    assert_success(&client.health());
    assert!(flood.received().is_none());
}

#[test]
fn frames_are_counted_with_those_that_nobody_looks_at() {
    let registry = start("frames=4");
    let client = registry.client();
    let health = br#"{"action": "health"}"#.as_slice();

    client.send_frames(&[b"REQ", health, b"", b""]);
    assert_success(&client.receive());
    client.send_frames(&[b"REQ", health, b"", b"", b""]);
    assert_exceeds(&client.receive(), "frames");

    let heart = registry.heartbeat_client();
    heart.send_frames(&[b"{}".as_slice(), b"", b"", b"", b""]);
    assert_exceeds(&heart.receive(), "frames");
}

#[test]
fn what_is_refused_for_its_size_comes_with_the_id_of_its_request() {
    let registry = start("message_bytes=1024,service_bytes=1024,frames=4");
    let (client, heart) = (registry.client(), registry.heartbeat_client());
    let long = |id: Value| {
        let action = json!({"action": "renew", "service_id": "dev", "filler": "x".repeat(1_500)});
        let mut request = action.as_object().unwrap().clone();
        request.insert("request_id".to_owned(), id);
        Value::Object(request).to_string()
    };

    client.send_as("REQ", long(json!(41)));
    let reply = client.receive();
    assert_exceeds(&reply, "message_bytes");
    assert_eq!(reply["request_id"], 41);

    let reply = heart.request(long(json!("a heartbeat")));
    assert_exceeds(&reply, "message_bytes");
    assert_eq!(reply["request_id"], "a heartbeat");

    client.send_frames(&["REQ", r#"{"action": "health", "request_id": 42}"#, "", "", ""]);
    let reply = client.receive();
    assert_exceeds(&reply, "frames");
    assert_eq!(reply["request_id"], 42);
}

#[test]
fn a_plain_req_socket_is_told_in_its_envelope() {
    let registry = start("message_bytes=1024,service_bytes=1024");
    let client = registry.client();

    client.send_frames(&[b"".as_slice(), &[b' '; 2_000]]);

    let [delimiter, body] = &client.receive_frames()[..] else { panic!("two frames") };
    assert!(delimiter.is_empty());
    assert_exceeds(&json_in(body), "message_bytes");
}

#[test]
fn a_flood_of_refusals_is_one_line_in_the_log_with_its_worst_client() {
    let registry = Registry::start();
    let client = registry.client();
    for _ in 0..500 {
        client.send_as("REQ", "no json");
    }
    for _ in 0..500 {
        assert_eq!(client.receive()["code"], "invalid_json");
    }
    assert_eq!(client.info()["refused"], json!({"invalid_json": 500}));

    let finished = registry.stop();

    let told = |line: &&str| line.contains("WARN") && line.contains("refused");
    let lines: Vec<&str> = finished.stderr.lines().filter(told).collect();
    // The first at once, and the rest at the end.
    assert!((1..=2).contains(&lines.len()), "{lines:?}");
    for line in &lines {
        assert!(line.contains("invalid_json (") && line.contains("to 127.0.0.1"), "{line}");
    }
    let count = |line: &&str| {
        let (_, behind) = line.split_once("refused ").unwrap();
        behind.split_once(' ').unwrap().0.parse::<u32>().unwrap()
    };
    assert_eq!(lines.iter().map(count).sum::<u32>(), 500);
}
