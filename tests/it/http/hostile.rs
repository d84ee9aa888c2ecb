//! Peers that are slow or hostile: they disturb neither others nor the registry.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use super::exchange::{address, connect, get, launch, receive, wait_until};
use crate::support::ids;

/// More than the registry holds.
const CROWD: usize = 100;

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
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
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

    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").unwrap();
    stream.write_all(&[b'x'; 8 * 1_024]).unwrap();

    assert_eq!(receive(&mut stream).status, 431);
}

#[test]
fn too_many_headers_are_refused() {
    let registry = launch().start();
    let mut stream = connect(address(&registry));

    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    stream.write_all("A: a\r\n".repeat(100).as_bytes()).unwrap();
    stream.write_all(b"\r\n").unwrap();

    assert_eq!(receive(&mut stream).status, 431);
}

#[test]
fn peers_that_do_not_read_their_answers_hold_up_nobody() {
    let registry = launch().start();
    let address = address(&registry);
    let client = registry.client();
    let padding = "x".repeat(40_000);
    for number in 0..100 {
        let info = serde_json::json!({
            "name": "large", "host": "127.0.0.1", "port": 1, "id": format!("s{number}"),
            "metadata": {"padding": padding},
        });
        let reply = client.request(&serde_json::json!({"action": "register",
            "service_info": info}));
        assert_eq!(reply["success"], true, "{reply}");
    }
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
