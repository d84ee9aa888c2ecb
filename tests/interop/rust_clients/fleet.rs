//! Many clients whose services are kept alive by heartbeats, every other one asynchronous.

use std::any::Any;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use futures::executor::block_on;
use service_registry::client::{
    AsyncRegistryClient, HeartbeatState, Registration, RegistryClient, RegistryEndpoints,
};

/// For the first registration, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// A client with its service.
struct Device {
    service_id: String,
    changes: Receiver<HeartbeatState>,
    /// Of either kind. Dropping it ends the heartbeats.
    _client: Box<dyn Any>,
}

/// Starts the clients, tells `ID STATE` whenever a heartbeat state changes, and drops the clients
/// at the end of standard input, telling how long that took.
pub(crate) fn keep(registry: &RegistryEndpoints, clients: usize, ttl: u32) {
    let devices: Vec<Device> = (0..clients)
        .map(|number| {
            let name = format!("Sensor {number}");
            let registration = Registration::new(name, "localhost", 7_000)
                .service_id(format!("sensor-{number}"))
                .service_type(format!("SENSOR_{number}"))
                .metadata("number", number)
                .ttl(ttl);
            let start = if number % 2 == 0 { Device::blocking } else { Device::asynchronous };
            start(registry.clone(), &registration)
        })
        .collect();
    let tellers: Vec<_> = devices.iter().map(Device::tell_changes).collect();
    println!("{clients} clients are there");

    io::copy(&mut io::stdin(), &mut io::sink()).unwrap();

    let started = Instant::now();
    drop(devices);
    println!("dropped within {} ms", started.elapsed().as_millis());
    tellers.into_iter().for_each(|teller| teller.join().unwrap());
}

impl Device {
    fn blocking(registry: RegistryEndpoints, registration: &Registration) -> Self {
        let builder = RegistryClient::builder().endpoints(registry);
        let client = builder.request_timeout(PATIENCE).build();
        let changes = client.heartbeat_changes();
        let service_id = client.register(registration).unwrap();
        client.start_heartbeat().unwrap();
        Self { service_id, changes, _client: Box::new(client) }
    }

    fn asynchronous(registry: RegistryEndpoints, registration: &Registration) -> Self {
        let builder = AsyncRegistryClient::builder().endpoints(registry);
        let client = builder.request_timeout(PATIENCE).build_async().unwrap();
        let changes = client.heartbeat_changes();
        let service_id = block_on(client.register(registration)).unwrap();
        block_on(client.start_heartbeat()).unwrap();
        Self { service_id, changes, _client: Box::new(client) }
    }

    /// In a thread that ends with the client.
    fn tell_changes(&self) -> thread::JoinHandle<()> {
        let (service_id, changes) = (self.service_id.clone(), self.changes.clone());
        thread::spawn(move || {
            for state in changes {
                println!("{service_id} {}", word(&state));
            }
        })
    }
}

fn word(state: &HeartbeatState) -> &'static str {
    match state {
        HeartbeatState::Starting => "starting",
        HeartbeatState::Healthy => "healthy",
        HeartbeatState::Late { .. } => "late",
        HeartbeatState::Unreachable { .. } => "unreachable",
        HeartbeatState::ReRegistered(_) => "registered again",
        HeartbeatState::Stopped => "stopped",
        other => panic!("a heartbeat must not be {other:?}"),
    }
}
