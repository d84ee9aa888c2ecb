//! Peers that are slow or hostile: they disturb neither others nor the registry.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use serde_json::json;

use super::exchange::{address, connect, get, launch, receive, wait_until};
use crate::support::{Client, DEADLINE, Registry, assert_success, ids};

/// More than the registry holds.
const CROWD: usize = 100;

/// Services that make a list of twelve megabytes: more than the buffers of two ends hold.
#[track_caller]
fn register_large_services(client: &Client) {
    let padding = "x".repeat(60_000);
    for number in 0..200 {
        let info = json!({
            "name": "large", "host": "127.0.0.1", "port": 1, "id": format!("s{number}"),
            "metadata": {"padding": padding},
        });
        assert_success(&client.request(&json!({"action": "register", "service_info": info})));
    }
}

#[test]
fn a_crowd_that_says_nothing_keeps_nobody_out_and_is_sent_away() {
    let registry = launch().start();
    let address = address(&registry);
    let mut crowd: Vec<TcpStream> = (0..CROWD).map(|_| connect(address)).collect();
    for stream in &mut crowd {
        // Those that were sent away already do not hear it.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ");
    }

    for _ in 0..10 {
        assert_eq!(get(address, "/health").status, 200);
    }
    registry.client().register("dev", "DEV");
    assert_eq!(ids(&registry.client().list()), ["dev"]);

    for stream in &mut crowd {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let waits = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!read.is_err_and(|error| waits(&error)), "it is not kept");
        assert_eq!(answer, b"");
    }
}

#[test]
fn a_head_without_an_end_is_refused() {
    let registry = launch().start();
    let address = address(&registry);
    let mut stream = connect(address);

    // All at once: it hangs up a moment after it has answered.
    stream
        .write_all(&[b"GET / HTTP/1.1\r\nHost: a\r\nX: ".as_slice(), &[b'x'; 8 << 10]].concat())
        .unwrap();

    assert_eq!(receive(&mut stream).status, 431);
}

#[test]
fn too_many_headers_are_refused() {
    let registry = launch().start();
    let mut stream = connect(address(&registry));

    let headers = "A: a\r\n".repeat(100);
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n").as_bytes()).unwrap();

    assert_eq!(receive(&mut stream).status, 431);
}

#[test]
fn peers_that_do_not_read_their_answers_hold_up_nobody() {
    let registry = launch().start();
    let address = address(&registry);
    let client = registry.client();
    register_large_services(&client);
    let deaf: Vec<TcpStream> = (0..CROWD / 2)
        .map(|_| {
            let mut stream = connect(address);
            stream.write_all(b"GET /api/services HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            stream
        })
        .collect();

    wait_until(|| get(address, "/api/services").body.len() > 4_000_000);

    assert_eq!(get(address, "/health").status, 200);
    assert_eq!(client.renew("s1")["success"], true);
    drop(deaf);
}

#[test]
fn many_who_ask_at_once_are_all_answered() {
    let registry = launch().start();
    let address = address(&registry);
    registry.client().register("dev", "DEV");

    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for path in ["/", "/metrics", "/health", "/api/services", "/api/events"] {
                    assert_eq!(get(address, path).status, 200, "{path}");
                }
            });
        }
    });
}

/// A registry with these limits, and where it listens for HTTP.
fn limited(limits: &str) -> (Registry, SocketAddr) {
    let registry = launch().flag("--limits", limits).start();
    let address = address(&registry);
    (registry, address)
}

fn exceeded(registry: &Registry, limit: &str) -> u64 {
    registry.client().info()["exceeded"][limit].as_u64().unwrap_or(0)
}

#[test]
fn a_crowd_is_as_large_as_the_setting_says_and_those_that_make_room_are_counted() {
    let (registry, address) = limited("http_connections=3,http_request_seconds=3600");

    let mut crowd: Vec<TcpStream> = (0..10).map(|_| connect(address)).collect();
    for stream in &crowd {
        stream.set_nonblocking(true).unwrap();
    }
    // Whoever is still there has nothing to read.
    let mut stay = || {
        crowd.retain_mut(|stream| stream.read(&mut [0]).is_err());
        crowd.len()
    };
    wait_until(|| stay() == 3);
    wait_until(|| exceeded(&registry, "http_connections") == 7);

    for mut stream in crowd {
        stream.set_nonblocking(false).unwrap();
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(receive(&mut stream).status, 200);
    }
    wait_until(|| registry.log().contains("http_connections ("));
}

#[test]
fn a_request_that_does_not_come_is_given_up_as_soon_as_the_setting_says_and_counted() {
    let (registry, address) = limited("http_request_seconds=1");
    let (patient, patients) = limited("http_request_seconds=3600");
    let [mut tolerated, mut begun, mut silent] = [patients, address, address].map(connect);
    for stream in [&mut tolerated, &mut begun] {
        stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    }

    for stream in [&mut begun, &mut silent] {
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
    }

    tolerated.write_all(b"Host: a\r\n\r\n").unwrap();
    assert_eq!(receive(&mut tolerated).status, 200);
    // Who says nothing at all is a browser that connects in advance.
    wait_until(|| exceeded(&registry, "http_request_seconds") == 1);
    assert_eq!(exceeded(&patient, "http_request_seconds"), 0);
}

#[test]
fn an_answer_that_nobody_reads_is_given_up_as_soon_as_the_setting_says_and_counted() {
    let (registry, address) = limited("http_answer_seconds=1");
    let (patient, patients) = limited("http_answer_seconds=3600");
    for registry in [&registry, &patient] {
        register_large_services(&registry.client());
    }

    let _deaf = [patients, address].map(|address| {
        let mut stream = connect(address);
        stream.write_all(b"GET /api/services HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        stream
    });

    wait_until(|| exceeded(&registry, "http_answer_seconds") == 1);
    assert_eq!(exceeded(&patient, "http_answer_seconds"), 0);
}
