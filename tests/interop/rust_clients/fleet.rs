//! Many clients whose services are kept alive by heartbeats, every other one asynchronous.

use std::any::Any;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use futures::executor::block_on;
use service_registry::client::{
    HeartbeatState, Registration, RegistryClient, RegistryClientBuilder, RegistryEndpoints,
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
pub(crate) fn keep(name: &str, registries: &[RegistryEndpoints], clients: usize, ttl: u32) {
    let devices: Vec<Device> = (0..clients)
        .map(|number| {
            let registration = Registration::new(format!("Sensor {number}"), "localhost", 7_000)
                .service_id(format!("{name}-{number}"))
                .service_type(format!("{}_{number}", name.to_uppercase()))
                .metadata("number", number)
                .ttl(ttl);
            let start = if number % 2 == 0 { Device::blocking } else { Device::asynchronous };
            start(builder(registries), &registration)
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

fn builder(registries: &[RegistryEndpoints]) -> RegistryClientBuilder {
    let first = RegistryClient::builder().endpoints(registries[0].clone());
    let all = registries[1..].iter().cloned().fold(first, RegistryClientBuilder::fallback);
    all.request_timeout(PATIENCE)
}

impl Device {
    fn blocking(builder: RegistryClientBuilder, registration: &Registration) -> Self {
        let client = builder.build();
        let changes = client.heartbeat_changes();
        let service_id = client.register(registration).unwrap();
        client.start_heartbeat().unwrap();
        Self { service_id, changes, _client: Box::new(client) }
    }

    fn asynchronous(builder: RegistryClientBuilder, registration: &Registration) -> Self {
        let client = builder.build_async().unwrap();
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
        HeartbeatState::ChangedRegistry { .. } => "changed registry",
        HeartbeatState::Stopped => "stopped",
        other => panic!("a heartbeat must not be {other:?}"),
    }
}
