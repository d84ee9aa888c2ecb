//! Shows what comes and goes in the lab, as it happens.
//!
//! ```sh
//! cargo run --example watch
//! ```
//!
//! The registry is the one on this host, or the one whose three endpoints are given, as for
//! `device_service`. Ctrl-C ends it.

use std::env;
use std::error::Error;
use std::process::ExitCode;

use service_registry::client::{Change, RegistryClient, RegistryEndpoints};

fn main() -> ExitCode {
    match watch() {
        Ok(()) => ExitCode::SUCCESS,
        // What is printed of an error that `main` returns is for programmers.
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn watch() -> Result<(), Box<dyn Error>> {
    let registry = RegistryClient::with_endpoints(registry_endpoints()?);

    // A watch misses nothing: not when events are lost, not when the registry restarts. Its first
    // changes are the services that are there already.
    let watch = registry.watch()?;
    for change in watch.changes() {
        match change {
            Change::Registered(service) => {
                println!("+ {} ({}) at {}", service.name, service.id, service.endpoint());
            }
            Change::Changed { now, .. } => {
                println!("~ {} ({}) at {}", now.name, now.id, now.endpoint());
            }
            Change::Removed { service, how } => {
                println!("- {} ({}): {how:?}", service.name, service.id);
            }
            // What a later version of the library may tell.
            _ => {}
        }
    }
    Err("the watch cannot go on".into())
}

/// The registry that the command line names, or the one on this host.
fn registry_endpoints() -> Result<RegistryEndpoints, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => Ok(RegistryEndpoints::default()),
        [requests, events, heartbeats] => {
            Ok(RegistryEndpoints::parse(requests, events, heartbeats)?)
        }
        _ => Err("give three endpoints: requests, events and heartbeats; or none".into()),
    }
}
