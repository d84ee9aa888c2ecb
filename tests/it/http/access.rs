//! Who may look.

use std::io::Read;

use super::exchange::{address, connect, get, launch, wait_until};
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
