//! A device service: a power supply that the whole lab finds by what it is, not by where it runs.
//!
//! Start a registry (`service-registry start`), then this, then `device_client` as often as you
//! like:
//!
//! ```sh
//! cargo run --example device_service
//! ```
//!
//! It looks for the registry on this host. For one that runs elsewhere, say where its three
//! sockets are: requests, events, heartbeats.
//!
//! ```sh
//! cargo run --example device_service -- tcp://lab-7:6100 tcp://lab-7:6101 tcp://lab-7:6102
//! ```

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use service_registry::client::{Registration, RegistryClient, RegistryEndpoints, bind_to_any_port};

fn main() -> ExitCode {
    match be_a_power_supply() {
        Ok(()) => ExitCode::SUCCESS,
        // What is printed of an error that `main` returns is for programmers.
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn be_a_power_supply() -> Result<(), Box<dyn Error>> {
    // 1. Hear Ctrl-C from the beginning, so that it never ends this program between registering
    //    and saying goodbye.
    let stopped = stopped_by_ctrl_c()?;

    // 2. Listen. The operating system picks a port that is free, so that any number of services
    //    can run on one host, and nobody keeps a list of ports. Other hosts can reach this one
    //    with "*" in place of "127.0.0.1", and the host's own address in the registration, which
    //    `address_towards(&endpoints.requests)` finds out.
    let context = zmq::Context::new();
    let device = context.socket(zmq::REP)?;
    let bound = bind_to_any_port(&device, "127.0.0.1")?;

    // 3. Register: what this is, where it is, and for how many seconds it counts as alive after
    //    each heartbeat.
    let registry = RegistryClient::with_endpoints(registry_endpoints()?);
    let registration = Registration::new("Power supply", "127.0.0.1", bound.port)
        .service_type("POWER_SUPPLY")
        .metadata("volts_max", 30.0)
        .ttl(10);
    // It sends heartbeats in the background. If the registry is restarted, or forgets this service,
    // they register it again. If this program crashes, they stop, and the registry takes the
    // service out. If it ends by an error, the service is deregistered all the same.
    let service = registry.register_scoped(&registration)?.deregister_on_drop();
    let service_id = service.id().to_owned();
    println!("{service_id} listens on {}", bound.endpoint);

    // 4. Do the work, until somebody presses Ctrl-C.
    serve(&device, &stopped)?;

    // 5. Say goodbye, so that nobody looks for this service in vain. This stops the heartbeats.
    service.deregister()?;
    println!("{service_id} is gone");
    Ok(())
}

/// Answers requests until it is `stopped`. The protocol is up to the device: here, a text is
/// answered by a text.
fn serve(device: &zmq::Socket, stopped: &AtomicBool) -> Result<(), Box<dyn Error>> {
    let mut volts = 0.0;
    while !stopped.load(Ordering::Relaxed) {
        // Wait for a request, but look up ten times a second to see whether to stop.
        match device.poll(zmq::POLLIN, 100) {
            // Nothing came, or Ctrl-C interrupted the waiting.
            Ok(0) | Err(zmq::Error::EINTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let request = String::from_utf8_lossy(&device.recv_bytes(0)?).into_owned();
        let answer = match request.split_once(' ') {
            None if request == "VOLTS?" => format!("{volts}"),
            Some(("VOLTS", number)) => match number.parse() {
                Ok(number) => {
                    volts = number;
                    "OK".to_owned()
                }
                Err(_) => format!("ERROR: {number:?} is no number"),
            },
            _ => format!("ERROR: {request:?} is no command; use VOLTS? or VOLTS number"),
        };
        device.send(&answer, 0)?;
    }
    Ok(())
}

/// Becomes true when somebody presses Ctrl-C, or a service manager asks this program to stop.
fn stopped_by_ctrl_c() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stopped = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&stopped);
    ctrlc::set_handler(move || handler.store(true, Ordering::Relaxed))?;
    Ok(stopped)
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
