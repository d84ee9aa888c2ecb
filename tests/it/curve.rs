//! Keys: who has one that the registry knows is let in, and may do what its rights say.
//!
//! The libzmq that comes with the zmq crate has no CURVE. With that one, what is tested here is
//! that nobody runs open who asked for keys; `scripts/curve` builds with one that has it.

mod clients;
mod handshake;
mod reload;
mod rights;
mod secrets;
mod starting;
mod strangers;

use serde_json::{Value, json};
use service_registry::client::{CurveKeys, RegistryClientBuilder, RegistryEndpoints};
use service_registry::curve::{KeyPair, PublicKey, check_available};

use crate::support::{DEADLINE, Launch, Peer, Registry, answer_in, json_in};

const FILE: &str = "registry.yaml";
const SERVER_FILE: &str = "server.key";

/// How long somebody is waited for who should not answer: many times what an answer takes.
const SILENCE_MILLISECONDS: i64 = 500;

/// A laboratory in which the registry and some clients have keys.
struct Lab {
    launch: Launch,
    server: PublicKey,
    clients: Vec<(&'static str, KeyPair)>,
}

impl Lab {
    /// With a client for each of the rights, which is its name. None where libzmq has no CURVE.
    fn new() -> Option<Self> {
        check_available().ok()?;
        let launch = Launch::new();
        let keys = KeyPair::generate().unwrap();
        keys.store(&launch.path(SERVER_FILE)).unwrap();
        let mut lab = Self { launch, server: keys.public, clients: Vec::new() };
        for name in ["read", "register", "admin", "stranger"] {
            let keys = KeyPair::generate().unwrap();
            keys.store(&lab.launch.path(name)).unwrap();
            lab.clients.push((name, keys));
        }
        lab.launch = lab.launch.clone().file(FILE, lab.settings(&["read", "register", "admin"]));
        Some(lab)
    }

    /// A registry.yaml that lets these clients in.
    fn settings(&self, names: &[&str]) -> String {
        let clients = names.iter().map(|name| {
            let key = self.keys(name).public;
            format!("    - {{name: {name}, key: '{key}', rights: {name}}}\n")
        });
        let clients: String = clients.collect();
        format!("curve:\n  key_file: {SERVER_FILE}\n  clients:\n{clients}")
    }

    #[track_caller]
    fn keys(&self, name: &str) -> &KeyPair {
        let client = self.clients.iter().find(|(known, _)| *known == name);
        client.map(|(_, keys)| keys).expect("it is one of the clients")
    }

    /// The keys with which this client asks.
    #[track_caller]
    fn curve(&self, name: &str) -> CurveKeys {
        CurveKeys::new(self.server, self.keys(name).clone()).unwrap()
    }

    #[track_caller]
    fn host(&self, name: &str, registry: &Registry) -> Host {
        self.host_at("127.0.0.1", name, registry)
    }

    /// A client at an address of this host, which to the registry is another host.
    #[track_caller]
    fn host_at(&self, address: &str, name: &str, registry: &Registry) -> Host {
        let keys = self.curve(name);
        Host::connect(address, registry, |socket| keys.secure(socket))
    }

    /// Sets up a client with these keys.
    #[track_caller]
    fn builder(&self, name: &str, registry: &Registry) -> RegistryClientBuilder {
        let at = registry.endpoints();
        let endpoints = RegistryEndpoints::parse(&at.requests, &at.events, &at.heartbeats).unwrap();
        let builder = RegistryClientBuilder::default().endpoints(endpoints);
        builder.request_timeout(DEADLINE).heartbeat_timeout(DEADLINE).curve(self.curve(name))
    }

    /// The flags that give a command this client's keys.
    fn flags(&self, name: &str) -> [String; 2] {
        [format!("--server-key={}", self.server), format!("--key-file={name}")]
    }
}

/// The sockets of a client.
struct Host {
    requests: Peer,
    heartbeats: Peer,
    events: Peer,
}

impl Host {
    #[track_caller]
    fn connect(
        address: &str,
        registry: &Registry,
        secure: impl Fn(&zmq::Socket) -> zmq::Result<()>,
    ) -> Self {
        let connect = |kind, endpoint: &str| {
            let endpoint = endpoint.replacen("tcp://", &format!("tcp://{address}:0;"), 1);
            Peer::connect_prepared("host", kind, &endpoint, registry.transcript(), |socket| {
                secure(socket)?;
                if kind == zmq::SUB { socket.set_subscribe(b"") } else { Ok(()) }
            })
        };
        let endpoints = registry.endpoints();
        Self {
            requests: connect(zmq::DEALER, &endpoints.requests),
            heartbeats: connect(zmq::DEALER, &endpoints.heartbeats),
            events: connect(zmq::SUB, &endpoints.events),
        }
    }

    #[track_caller]
    fn request(&self, request: &Value) -> Value {
        self.requests.send(&[b"REQ".as_slice(), request.to_string().as_bytes()]);
        answer_in(self.requests.receive())
    }

    #[track_caller]
    fn beat(&self, id: &str) -> Value {
        self.heartbeats.send(&[json!({"service_id": id}).to_string()]);
        json_in(&self.heartbeats.receive()[0])
    }

    /// Asks on every socket, and says on which there is an answer.
    #[track_caller]
    fn hears(&self) -> [bool; 3] {
        let health = json!({"action": "health"}).to_string();
        self.requests.offer(&[b"REQ".as_slice(), health.as_bytes()]);
        self.heartbeats.offer(&[br#"{"service_id": "nobody"}"#]);
        [
            self.requests.receive_within(SILENCE_MILLISECONDS).is_some(),
            self.heartbeats.receive_within(0).is_some(),
            self.events.receive_within(0).is_some(),
        ]
    }
}
