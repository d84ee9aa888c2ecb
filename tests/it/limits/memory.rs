//! Clients that ask and never read: what waits for them takes a bounded amount of memory.

use std::fs;

use serde_json::json;

use crate::support::{
    Calls, Client, Fate, FaultyDisk, Launch, Peer, Registry, assert_success, registration,
    wait_until,
};

/// What the registry may take in these tests; it starts with a fifth of it.
const MEMORY: u64 = 96 << 20;
const REGISTRY: u64 = MEMORY / 3;

/// A client that lets one answer through to it at a time, and takes none.
fn unread(registry: &Registry) -> Peer {
    let endpoint = &registry.endpoints().requests;
    Peer::connect_prepared("unread", zmq::DEALER, endpoint, registry.transcript(), |socket| {
        socket.set_rcvhwm(1)?;
        socket.set_rcvbuf(4_096)?;
        socket.set_sndhwm(0)
    })
}

fn resident(registry: &Registry) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", registry.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

fn launch(limits: &str) -> Launch {
    Launch::new().flag("--log-level", "info").flag("--limits", limits)
}

/// A registry with a list of two megabytes.
#[track_caller]
fn start(limits: &str) -> Registry {
    let registry = launch(limits).start();
    fill(&registry.client());
    registry
}

#[track_caller]
fn fill(client: &Client) {
    for number in 0..100 {
        let mut request = registration(&format!("dev-{number}"), "");
        request["service_info"]["metadata"] = json!({"filler": "x".repeat(20_000)});
        assert_success(&client.request(&request));
    }
}

#[test]
fn lists_that_nobody_reads_are_not_kept_and_others_get_theirs() {
    let registry = start(&format!("memory_bytes={MEMORY},registry_bytes={REGISTRY}"));
    let polite = registry.client();
    let list = polite.list();
    let flood = unread(&registry);

    for _ in 0..500 {
        flood.send(&[b"REQ".as_slice(), br#"{"action": "list"}"#]);
    }
    let mut most = 0;
    // The polite one waits between its questions until the flood got further.
    let mut asked = 0;
    // On a busy machine the flood may be cut off before.
    wait_until("all was asked", || {
        let info = polite.info();
        most = most.max(resident(&registry));
        if info["success"] == true {
            let refused = info["refused"]["overloaded"].as_u64().unwrap_or(0);
            asked = info["requests"]["list"].as_u64().unwrap() + refused;
        } else {
            assert_eq!(info["limit"], "memory_bytes", "{info}");
            assert_success(&polite.health());
        }
        asked >= 501 || registry.log().contains("they filled the memory")
    });

    assert!(most < MEMORY + MEMORY / 4, "{most} bytes");
    drop(flood);
    // What waited for the flood is gone with it, so there is enough for everybody.
    wait_until("there is enough memory", || {
        let reply = polite.list();
        if reply["success"] == true {
            assert_eq!(reply["services"].as_array().unwrap().len(), 100);
            assert_eq!(reply["epoch"], list["epoch"]);
            return true;
        }
        assert_eq!(reply["limit"], "memory_bytes", "{reply}");
        false
    });
}

#[test]
fn lists_that_wait_behind_a_write_of_their_client_are_not_made_all_at_once() {
    const LISTS: u64 = 300;
    let limits = format!("memory_bytes={MEMORY},registry_bytes={REGISTRY}");
    let (disk, launch) = FaultyDisk::under(launch(&limits));
    let registry = launch.start();
    let polite = registry.client();
    fill(&polite);
    let flood = unread(&registry);

    disk.goes_wrong(Calls::Syncs, 1..=u64::MAX, Fate::Stalls);
    flood.send(&[b"REQ".as_slice(), registration("one-more", "").to_string().as_bytes()]);
    assert!(disk.waits_for_stall(|| false));
    for _ in 0..LISTS {
        flood.send(&[b"REQ".as_slice(), br#"{"action": "list"}"#]);
    }
    polite.wait_for_jobs(LISTS + 1);
    disk.is_mended();

    // All of them are made, one after the other, and most of them are not kept.
    wait_until("all are made", || {
        let most = registry.memory("VmHWM:") << 10;
        assert!(most < MEMORY + MEMORY / 2, "{most} bytes");
        let info = polite.info();
        info["success"] == true && info["requests"]["list"].as_u64() == Some(LISTS)
    });
    let most = registry.memory("VmHWM:") << 10;
    assert!(most < MEMORY + MEMORY / 2, "{most} bytes");
}

#[test]
fn small_replies_that_nobody_reads_are_dropped_by_their_number() {
    let registry = start("replies_per_client=10");
    let flood = unread(&registry);
    let polite = registry.client();

    for _ in 0..1_000 {
        flood.send(&[b"REQ".as_slice(), br#"{"action": "get", "service_id": "dev-1"}"#]);
    }
    wait_until("all is answered", || polite.info()["requests"]["get"] == 1_000);

    let info = polite.info();
    assert!(info["totals"]["undelivered"].as_u64().unwrap() > 500, "{info}");
    assert_eq!(info["totals"]["undelivered"], info["exceeded"]["replies_per_client"]);
    drop((flood, polite));
    let log = registry.stop().stderr;
    assert!(log.contains("WARN") && log.contains("replies_per_client ("), "{log}");
}

#[test]
fn services_that_leave_no_memory_for_clients_are_told_at_the_start() {
    let launch = Launch::new().flag("--log-level", "warn");
    let registry = launch.start();
    let client = registry.client();
    for number in 0..400 {
        let mut request = registration(&format!("dev-{number}"), "");
        request["service_info"]["metadata"] = json!({"filler": "x".repeat(60_000)});
        assert_success(&client.request(&request));
    }
    let log = registry.stop().stderr;
    assert!(!log.contains("the services alone take"), "{log}");

    let limits = "memory_bytes=33554432,registry_bytes=65536";
    let registry = launch.flag("--limits", limits).start();

    assert_success(&registry.client().health());
    let log = registry.stop().stderr;
    assert!(log.contains("the services alone take"), "{log}");
}
