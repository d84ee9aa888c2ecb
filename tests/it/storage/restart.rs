//! What was acknowledged is there after the next start, however the registry ended.

use serde_json::{Value, json};

use crate::support::{
    Launch, Registry, assert_success, ids, unix_seconds, wait_until, whole_number,
};

/// Registers three services, one of them anew, so that order, values and metadata show.
fn fill(registry: &Registry) -> Value {
    let client = registry.client();
    let register = |id: &str, metadata: Value, ttl: u32| {
        assert_success(&client.request(&json!({
            "action": "register",
            "ttl": ttl,
            "service_info": {
                "name": format!("Dev {id}"), "host": "2001:db8::1", "port": 65535, "id": id,
                "type": id.to_uppercase(), "metadata": metadata, "tags": ["lab", "värme"],
            },
        })));
    };
    register("zebra", json!({"z": 1, "a": {"y": null, "b": [true, 0.0015]}}), 3_600);
    register(
        "ant",
        json!({"big": 9_007_199_254_740_993_u64, "text": "tab\t\"\\ ✓"}),
        4_294_967_295,
    );
    register("mole", json!({}), 3_600);
    register("zebra", json!({"m": 2, "a": 1}), 7_200);
    client.deregister("mole");
    client.list()["services"].clone()
}

/// As text, because the order of metadata's keys counts. When they were heard may be told a second
/// later than it is stored: a registration is stored a moment before it is acknowledged.
#[track_caller]
fn assert_same_services(registry: &Registry, before: &Value, since: u64) {
    let after = registry.client().list();
    assert_eq!(ids(&after), ["zebra", "ant"]);
    for (after, before) in
        after["services"].as_array().unwrap().iter().zip(before.as_array().unwrap())
    {
        let heard = |service: &Value| whole_number(&service["last_heartbeat"]);
        assert!((since..=heard(before)).contains(&heard(after)), "{after}, since {since}");
        let without_time = |service: &Value| {
            let mut service = service.clone();
            service["last_heartbeat"].take();
            service.to_string()
        };
        assert_eq!(without_time(after), without_time(before));
    }
}

#[test]
fn services_outlive_a_clean_stop_with_their_order_and_metadata() {
    let launch = Launch::new();
    let registry = launch.start();
    let since = unix_seconds();
    let before = fill(&registry);

    registry.stop();
    let registry = launch.start();

    assert_same_services(&registry, &before, since);
    assert_success(&registry.client().discover("ZEBRA"));
}

#[test]
fn services_outlive_kill_9_with_their_order_and_metadata() {
    let launch = Launch::new();
    let registry = launch.start();
    let since = unix_seconds();
    let before = fill(&registry);

    registry.kill();
    let registry = launch.start();

    assert_same_services(&registry, &before, since);
    assert_success(&registry.client().discover("ZEBRA"));
}

#[test]
fn every_answered_registration_outlives_kill_9_in_the_middle_of_a_burst() {
    let launch = Launch::new();
    let registry = launch.start();
    let client = registry.client();
    let sent = 200;
    for number in 0..sent {
        client.send(&crate::support::registration(&format!("dev-{number}"), ""));
    }

    let answered = 20;
    for number in 0..answered {
        assert_eq!(client.receive()["service_id"], format!("dev-{number}"));
    }
    registry.kill();
    let registry = launch.start();

    let list = registry.client().list();
    let ids = ids(&list);
    assert!(ids.len() >= answered, "{} of {answered} answered ones are there", ids.len());
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(*id, format!("dev-{number}"), "no hole and no stranger");
    }
}

#[test]
fn a_stop_stores_the_last_heartbeats() {
    let launch = Launch::new();
    let registry = launch.start();
    let client = registry.client();
    client.register("dev", "DEV");
    let registered = whole_number(&client.get("dev")["service"]["last_heartbeat"]);
    let heart = registry.heartbeat_client();
    let mut heard = registered;
    // Whole seconds are stored, so this takes a heartbeat in the next one.
    wait_until("heartbeats leave a trace", || {
        assert_success(&heart.renew("dev"));
        heard = whole_number(&client.get("dev")["service"]["last_heartbeat"]);
        heard > registered
    });

    registry.stop();
    let registry = launch.start();

    let service = &registry.client().get("dev")["service"];
    assert_eq!(whole_number(&service["last_heartbeat"]), heard);
}

#[test]
fn a_clean_stop_leaves_the_database_and_no_log_beside_it() {
    let launch = Launch::new();
    let registry = launch.start();
    fill(&registry);

    registry.stop();

    let names: Vec<_> = std::fs::read_dir(launch.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["service_registry.db"]);
}

#[test]
fn the_memory_backend_forgets_and_leaves_no_file() {
    let launch = Launch::new().flag("--backend", "memory");
    let registry = launch.start();
    registry.client().register("dev", "DEV");

    registry.stop();
    let registry = launch.start();

    assert_eq!(registry.client().list()["services"], json!([]));
    assert_eq!(std::fs::read_dir(launch.folder()).unwrap().count(), 0);
}
