//! Clients in Rust for the tests with the Python registry, one story in each module.
//!
//! The arguments are the three endpoints of the registry, the story, and what the story takes. Of
//! several registries, which a fleet goes to in turn, the endpoints stand behind commas.
//! What happens is told in lines on standard output. An expectation that is not met is a panic.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::env;

use service_registry::client::RegistryEndpoints;

mod events;
mod fleet;
mod life;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [requests, events, heartbeats, story @ ..] = arguments.as_slice() else {
        panic!("give the endpoints of requests, events and heartbeats, and a story");
    };
    let all: Vec<RegistryEndpoints> = requests
        .split(',')
        .zip(events.split(','))
        .zip(heartbeats.split(','))
        .map(|((requests, events), heartbeats)| {
            RegistryEndpoints::parse(requests, events, heartbeats).unwrap()
        })
        .collect();
    let registry = all[0].clone();
    match *story {
        ["events", ref kinds @ ..] => events::tell(registry, kinds),
        ["fleet", clients, ttl] => {
            fleet::keep("sensor", &all, clients.parse().unwrap(), ttl.parse().unwrap());
        }
        ["fleet", name, clients, ttl] => {
            fleet::keep(name, &all, clients.parse().unwrap(), ttl.parse().unwrap());
        }
        ["life", executor] => life::live(registry, executor),
        _ => panic!("there is no story {story:?}"),
    }
}
