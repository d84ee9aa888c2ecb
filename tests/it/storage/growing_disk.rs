//! A disk that is full after so many bytes, for more and more bytes: wherever a write fails, the
//! file opens and holds exactly what was acknowledged.

use rusqlite::Connection;
use serde_json::json;

use crate::support::{
    Client, Launch, Registry, assert_refused, assert_success, ids, registration_of_size,
};

const FILE: &str = "service_registry.db";

/// In blocks of 512 bytes. A page of the log is a little more than 8, so steps of 3 cut pages at
/// ever other places, and the last has room for the whole story.
const LARGEST_DISK: u32 = 660;
const STEP: usize = 3;

/// A service takes a part of a page, a page, or several.
const SIZES: [usize; 3] = [300, 4_000, 9_000];

const SERVICES: usize = 9;

/// Registers and deregisters, whatever is refused. Returns who must be there, and whether
/// anything was refused.
#[track_caller]
fn tell_the_story(client: &Client) -> (Vec<String>, bool) {
    let mut services: Vec<String> = Vec::new();
    let mut is_full = false;
    for number in 0..SERVICES {
        let id = format!("dev-{number}");
        let reply = client.request(&registration_of_size(&id, SIZES[number % SIZES.len()]));
        if reply["success"] == true {
            services.push(id);
        } else {
            assert_refused(&reply, "storage_failed", &[]);
            is_full = true;
        }
        if number % 4 == 3 && services.len() > 1 {
            let reply = client.deregister(&services[0]);
            if reply["success"] == true {
                services.remove(0);
            } else {
                assert_refused(&reply, "storage_failed", &[]);
                is_full = true;
            }
        }
    }
    (services, is_full)
}

#[track_caller]
fn assert_holds(launch: &Launch, services: &[String], blocks: u32) {
    let registry = launch.clone().without_file_size_limit().start();
    let client = registry.client();
    assert_eq!(ids(&client.list()), services, "{blocks} blocks");
    client.register("afterwards", "");
    registry.stop();
    let database = Connection::open(launch.path(FILE)).unwrap();
    let verdict: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "{blocks} blocks");
}

/// By kill -9, or cleanly, where moving the log into the file is one more write that can fail.
#[track_caller]
fn end(registry: Registry, blocks: u32) {
    if blocks.is_multiple_of(2) {
        registry.kill();
    } else {
        assert_success(&registry.client().request(&json!({"action": "terminate"})));
        let finished = registry.wait();
        assert!(matches!(finished.code(), Some(0 | 1)), "{finished:?}");
    }
}

#[test]
fn wherever_the_disk_is_full_the_file_holds_exactly_what_was_acknowledged() {
    let mut ends_at_once = 0;
    let mut gets_full = 0;
    let mut has_room = 0;

    for blocks in (0..=LARGEST_DISK).step_by(STEP) {
        let launch = Launch::new().file_size_limit(blocks).flag("--log-level", "error");
        let services = match launch.try_start() {
            Err(finished) => {
                finished.assert_code(1);
                assert!(finished.complaint().contains(FILE), "{finished:?}");
                ends_at_once += 1;
                Vec::new()
            }
            Ok(registry) => {
                let (services, is_full) = tell_the_story(&registry.client());
                assert_eq!(ids(&registry.client().list()), services, "{blocks} blocks");
                if is_full {
                    gets_full += 1;
                } else {
                    has_room += 1;
                }
                end(registry, blocks);
                services
            }
        };

        assert_holds(&launch, &services, blocks);
    }

    eprintln!("{ends_at_once} do not start, {gets_full} get full, {has_room} have room");
    assert!(ends_at_once > 0 && gets_full > 10 && has_room > 0, "all of them were tried");
}
