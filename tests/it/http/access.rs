//! Who may look.

use std::io::Read;

use super::exchange::{address, connect, get, launch, send, wait_until};
use crate::support::Launch;

#[test]
fn who_may_not_connect_is_closed_without_an_answer_and_counted() {
    let registry = launch().flag("--allow", "127.0.0.2").start();
    let address = address(&registry);

    let mut stream = connect(address);
    let mut answer = Vec::new();
    // It can be closed or reset.
    let _ = stream.read_to_end(&mut answer);

    assert_eq!(String::from_utf8_lossy(&answer), "");
    wait_until(|| registry.log().contains("127.0.0.1") && registry.log().contains("refused"));
}

#[test]
fn who_may_connect_may_look() {
    let registry = launch().flag("--allow", "127.0.0.1").start();

    assert_eq!(get(address(&registry), "/health").status, 200);
}

/// A page can give its own name the address of a registry, and lets a browser ask there.
#[test]
fn who_asks_under_a_name_that_may_be_anybodys_sees_nothing() {
    let registry = launch().start();
    registry.client().register("secret-device", "DEV");
    let address = address(&registry);
    let ask = |host: &str, target: &str| {
        send(address, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    };

    for path in ["/", "/metrics", "/health", "/api/services", "/api/events", "/nothing"] {
        let answer = ask(&format!("rebinding.example.com:{}", address.port()), path);

        assert_eq!(answer.status, 421, "{path}");
        assert!(answer.body.contains("by address"), "{}", answer.body);
        assert_ne!(ask(&address.to_string(), path).status, 421, "{path}");
    }
    assert_eq!(ask("localhost", "http://rebinding.example.com/api/services").status, 421);
    assert_eq!(send(address, "GET /health HTTP/1.0\r\n\r\n").status, 200);
}

#[test]
fn to_be_seen_beyond_this_host_is_warned_of_unless_it_is_said_by_whom() {
    let everywhere = || Launch::new().flag("--http", "0.0.0.0:0");
    let warning = "can see what is registered";

    let open = everywhere().start();
    wait_until(|| open.log().contains(warning));

    let named = everywhere().flag("--allow", "127.0.0.1").start();
    wait_until(|| named.log().contains("http://0.0.0.0:"));
    assert!(!named.log().contains(warning), "{}", named.log());
}
