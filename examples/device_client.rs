//! A program that uses a device: it asks the registry for a power supply and talks to it.
//!
//! It knows what it needs and nothing else: no host, no port. Start `device_service` first, then:
//!
//! ```sh
//! cargo run --example device_client
//! ```
//!
//! The registry is the one on this host, or the one whose three endpoints are given, as for
//! `device_service`.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use service_registry::client::{RegistryClient, RegistryEndpoints};

/// How long to wait for a power supply that is not there yet.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match use_a_power_supply() {
        Ok(()) => ExitCode::SUCCESS,
        // What is printed of an error that `main` returns is for programmers.
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn use_a_power_supply() -> Result<(), Box<dyn Error>> {
    // 1. Find a power supply that is alive. If there is none yet, one may be starting.
    let registry = RegistryClient::with_endpoints(registry_endpoints()?);
    let Some(service) = registry.wait_for_service("POWER_SUPPLY", PATIENCE)? else {
        return Err("there is no power supply; is device_service running?".into());
    };
    println!("{} is at {}", service.name, service.endpoint());
    println!("it can do up to {} V", service.metadata["volts_max"]);

    // 2. Talk to it directly. The registry has no part in this.
    let context = zmq::Context::new();
    let device = context.socket(zmq::REQ)?;
    // If the device is switched off meanwhile, give up after five seconds.
    device.set_rcvtimeo(5_000)?;
    device.set_linger(0)?;
    device.connect(&service.endpoint())?;
    for command in ["VOLTS 12.5", "VOLTS?"] {
        device.send(command, 0)?;
        let answer = device.recv_bytes(0)?;
        println!("{command}: {}", String::from_utf8_lossy(&answer));
    }
    Ok(())
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
