//! Every path with what it shows, and everything else with why not.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use service_registry::backend::BackendError;
use service_registry::config::Config;

use super::exchange::{address, ask, connect, get, launch, receive, send, wait_until};
use crate::support::{
    Embedded, Gate, Launch, ReservedPort, ScriptedBackend, assert_success, embedded_config, ids,
    short_lived,
};

const PATHS: [&str; 5] = ["/", "/metrics", "/health", "/api/services", "/api/events"];

#[test]
fn every_path_is_answered_with_its_type_and_its_length_and_is_safe_to_show() {
    let registry = launch().start();
    let address = address(&registry);

    for (path, content_type) in PATHS.into_iter().zip([
        "text/html; charset=utf-8",
        "text/plain; version=0.0.4; charset=utf-8",
        "application/json",
        "application/json",
        "application/json",
    ]) {
        let answer = get(address, path);

        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("Content-Type"), content_type, "{path}");
        assert_eq!(answer.header("Content-Length"), answer.body.len().to_string(), "{path}");
        assert_eq!(answer.header("X-Content-Type-Options"), "nosniff", "{path}");
        assert_eq!(answer.header("Cache-Control"), "no-store", "{path}");
        assert_eq!(answer.header("Connection"), "close", "{path}");
        let policy = answer.header("Content-Security-Policy");
        assert!(policy.starts_with("default-src 'none'; "), "{path}: {policy}");
        assert!(answer.header("Date").ends_with(" GMT"), "{path}");
    }
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let registry = launch().start();
    let address = address(&registry);

    for path in PATHS {
        let answer = ask(address, "HEAD", path);

        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
        assert_eq!(answer.header("Content-Type"), get(address, path).header("Content-Type"));
        assert_ne!(answer.header("Content-Length"), "0", "{path}");
    }
}

#[test]
fn nothing_can_be_changed() {
    let registry = launch().start();
    let address = address(&registry);
    registry.client().register("dev", "DEV");

    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in PATHS {
            let answer = ask(address, method, path);

            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("Allow"), "GET, HEAD");
        }
    }
    assert_eq!(ids(&registry.client().list()), ["dev"]);
}

#[test]
fn other_paths_are_told_which_there_are() {
    let registry = launch().start();
    let address = address(&registry);

    for path in ["/metrics/", "/api", "/../etc/passwd", "/health%00", "/HEALTH", "*"] {
        let answer = get(address, path);

        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("/api/services"), "{path}");
    }
    assert_eq!(get(address, "/api/events?after=last").status, 400);
}

#[test]
fn what_is_no_http_is_told_so() {
    let registry = launch().start();
    let address = address(&registry);

    for request in ["hello\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/7.0\r\nHost: a\r\n\r\n"]
    {
        assert_eq!(send(address, request).status, 400, "{request:?}");
    }
}

#[test]
fn a_request_may_come_in_pieces_and_with_more_behind_it() {
    let registry = launch().start();
    let address = address(&registry);

    let mut stream = connect(address);
    for byte in b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(receive(&mut stream).status, 200);

    let body = "x".repeat(10_000);
    let answer = send(address, &format!("GET /health HTTP/1.1\r\nHost: a\r\n\r\n{body}"));
    assert_eq!(answer.status, 200);
}

#[test]
fn services_are_shown_as_a_list_request_shows_them() {
    let registry = launch().start();
    let address = address(&registry);
    let client = registry.client();
    client.register("one", "A");
    client.register("two", "B");

    wait_until(|| get(address, "/api/services").json() == client.list());

    assert_eq!(ids(&client.list()), ["one", "two"]);
}

#[test]
fn events_are_shown_as_subscribers_get_them() {
    let registry = launch().start();
    let address = address(&registry);
    let client = registry.client();
    client.register("one", "A");
    client.deregister("one");

    wait_until(|| get(address, "/api/events").json()["seq"] == 2);

    let shown = get(address, "/api/events").json();
    let told = |key: &str| -> Vec<Value> {
        shown["events"].as_array().unwrap().iter().map(|event| event[key].clone()).collect()
    };
    assert_eq!(told("type"), ["register", "deregister"]);
    assert_eq!(told("seq"), [1, 2]);
    assert_eq!(shown["events"][0]["data"]["service_id"], "one");
    let later = get(address, "/api/events?after=1").json();
    assert_eq!(later["events"], json!([shown["events"][1]]));
}

#[test]
fn a_probe_hears_of_a_backend_that_does_not_store_until_it_does() {
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    let backend = ScriptedBackend::new(move |_| {
        let is_full = failing.load(Ordering::SeqCst);
        if is_full { Err(BackendError::new("the disk is full")) } else { Ok(()) }
    });
    let http = Some("127.0.0.1:0".parse().unwrap());
    let server = Embedded::start_with(Config { http, ..embedded_config() }, backend);
    let client = server.client();
    assert_eq!(get(server.http(), "/health").json(), json!({"success": true, "status": "ok"}));

    client.request(&short_lived("dev", "DEV", 60));
    let answer = get(server.http(), "/health");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["status"], "failing");
    wait_until(|| {
        get(server.http(), "/metrics").body.contains("\nservice_registry_storage_up 0\n")
    });

    fails.store(false, Ordering::SeqCst);
    client.register("dev", "DEV");
    assert_eq!(get(server.http(), "/health").status, 200);
}

#[test]
fn a_probe_hears_of_a_disk_that_does_not_answer_until_it_does() {
    let disk = Gate::default();
    let http = Some("127.0.0.1:0".parse().unwrap());
    let config = Config { http, ..embedded_config() };
    let server = Embedded::start_with(config, ScriptedBackend::behind(&disk));
    let client = server.client();

    disk.close();
    client.send(&short_lived("dev", "DEV", 60));
    disk.wait_for_arrival();
    wait_until(|| get(server.http(), "/health").status == 503);
    let error = get(server.http(), "/health").json()["error"].clone();
    assert!(error.as_str().unwrap().contains("waiting for the disk for"), "{error}");

    disk.open();
    assert_success(&client.receive());
    wait_until(|| get(server.http(), "/health").status == 200);
}

#[test]
fn without_the_setting_nothing_is_served() {
    let registry = Launch::new().start();

    wait_until(|| registry.log().contains("listening"));

    assert!(!registry.log().contains("http://"), "{}", registry.log());
}

#[test]
fn an_address_that_is_taken_ends_the_start_and_is_named() {
    let registry = launch().start();
    let taken = address(&registry).to_string();

    let finished = Launch::new().flag("--http", &taken).start_in_vain();

    finished.assert_code(1);
    let complaint = finished.complaint();
    assert!(complaint.contains(&taken) && complaint.contains("--http"), "{complaint}");
}

#[test]
fn a_registry_that_stops_closes_its_connections_and_frees_the_address() {
    let port = ReservedPort::new();
    let launch = Launch::new().flag("--http", &format!("127.0.0.1:{}", port.number()));
    let registry = launch.start();
    let address = address(&registry);
    let mut silent = connect(address);
    assert_eq!(get(address, "/health").status, 200);

    registry.stop();

    assert_eq!(std::io::Read::read(&mut silent, &mut [0]).unwrap_or(0), 0);
    let again = launch.start();
    assert_eq!(get(super::exchange::address(&again), "/health").status, 200);
}
