//! Those without a key, who say much before anybody asks them for one.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::Lab;
use crate::support::assert_success;
use crate::support::raw::{connect, greeting, long_command_head};

/// What the registry may take, with room for few services.
const LIMITS: &str = "memory_bytes=67108864,registry_bytes=16777216";

/// More than it takes, in KiB, and less than the strangers send.
const MEMORY_MAX: u64 = 128 << 10;

/// As much of a command as ZeroMQ reads before it asks who that is.
const STRANGERS: usize = 800;
const COMMAND_LENGTH: usize = 256 << 10;

#[test]
fn strangers_do_not_fill_the_memory_with_what_they_say_before_they_are_known() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.clone().flag("--limits", LIMITS).start();
    let hello = [
        &greeting("CURVE")[..],
        &long_command_head(COMMAND_LENGTH as u64),
        &vec![b'x'; COMMAND_LENGTH - 1],
    ]
    .concat();

    let crowd: Vec<TcpStream> = (0..STRANGERS)
        .map(|_| {
            let mut stream = connect(&registry.endpoints().requests);
            // Who is cut off is told, or hears nothing any more.
            stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
            let _ = stream.write_all(&hello);
            stream
        })
        .collect();

    let highest = registry.memory("VmHWM:");
    assert!(highest < MEMORY_MAX, "it has taken {highest} KiB of memory");
    registry.wait_for_line("they filled the memory");
    drop(crowd);
    let health = json!({"action": "health"});
    assert_success(&lab.host("read", &registry).request(&health));
}
