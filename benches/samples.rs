//! Registries of a size, and requests about their services, for all benchmarks.

// Each benchmark uses some of it.
#![allow(dead_code)]

use serde_json::json;
use service_registry::clock::{ListeningTime, Now, WallTime};
use service_registry::protocol::request::{Request, Write, read_request};
use service_registry::registry::{Change, Epoch, Plan, Registry};
use service_registry::service::Registration;
use uuid::Uuid;

/// How many services a registry of a laboratory, of a factory and of nobody has.
pub(crate) const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];

/// When everything here happens.
pub(crate) const NOW: Now = Now {
    wall: WallTime::from_unix_seconds(1_700_000_000),
    listening: ListeningTime::START,
    pauses: 0,
};

/// A time at which every service is expired.
pub(crate) const MUCH_LATER: Now = Now {
    wall: WallTime::from_unix_seconds(1_800_000_000),
    listening: ListeningTime::from_milliseconds(100_000_000_000),
    pauses: 0,
};

/// How many registrations are planned at once while a registry is filled.
const BATCH: usize = 1_024;

/// A registry with so many services, each of a type of its own.
pub(crate) fn registry(services: u32) -> Registry {
    let mut registry = Registry::new(Epoch::new("benchmark"), true);
    let numbers: Vec<u32> = (0..services).collect();
    for batch in numbers.chunks(BATCH) {
        let mut plan = Plan::new(&registry, NOW);
        let registrations = batch.iter().map(|number| registration(*number));
        let changes: Vec<Change> = registrations
            .flat_map(|registration| plan.register(&registry, registration, Uuid::nil()).changes)
            .collect();
        for change in changes {
            registry.apply(change, NOW);
        }
    }
    assert_eq!(registry.len(), services as usize, "all are registered");
    registry
}

/// The id of a service.
pub(crate) fn id(number: u32) -> String {
    format!("device-{number:07}")
}

/// The type of a service.
pub(crate) fn service_type(number: u32) -> String {
    id(number).to_uppercase()
}

/// What a service sends to register.
pub(crate) fn registration_body(number: u32) -> Vec<u8> {
    let (id, service_type) = (id(number), service_type(number));
    json!({
        "action": "register",
        "service_info": {
            "name": format!("Device {number:07}"),
            "host": "127.0.0.1",
            "port": 40_123,
            "id": id,
            "type": service_type,
            "metadata": {"service_port": 40_124, "monitoring_port": 40_125},
            "tags": [service_type],
        },
        "ttl": 3_600,
    })
    .to_string()
    .into_bytes()
}

/// The same, read.
pub(crate) fn registration(number: u32) -> Registration {
    match read_request(&registration_body(number)).request {
        Ok(Request::Write(Write::Register(registration))) => *registration,
        other => unreachable!("a registration was written: {other:?}"),
    }
}
