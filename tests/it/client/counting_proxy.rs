//! A door in front of a registry that counts who says how much. When it is closed, it is to its
//! clients as if the registry had gone.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use service_registry::client::RegistryEndpoints;

use crate::support::{Endpoints, ReservedPort, wait_until};

/// The length of what a client's identity ends with: a dash and a UUID.
const UNIQUE_LENGTH: usize = 37;

/// A door for requests and heartbeats that counts them. Dropping it closes it.
pub(crate) struct CountingProxy {
    /// Where the requests and heartbeats of clients come in. Nobody else does while it is closed.
    doors: Arc<[ReservedPort; 2]>,
    counts: Arc<Mutex<HashMap<String, usize>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// One connection of one client: through which door it came in, and its identity there.
type Caller = (usize, Vec<u8>);

impl CountingProxy {
    /// Opens at any ports.
    #[track_caller]
    pub(crate) fn open(registry: &Endpoints) -> Self {
        Self::open_at(Arc::new([(); 2].map(|()| ReservedPort::new())), registry)
    }

    /// Closes, lets `meanwhile` happen, and opens at the same ports as before, with counts of
    /// zero.
    #[track_caller]
    pub(crate) fn close_while<T>(
        self,
        registry: &Endpoints,
        meanwhile: impl FnOnce() -> T,
    ) -> (Self, T) {
        let doors = Arc::clone(&self.doors);
        drop(self);
        let happened = meanwhile();
        (Self::open_at(doors, registry), happened)
    }

    /// Where clients find the registry.
    pub(crate) fn endpoints(&self) -> RegistryEndpoints {
        let [requests, heartbeats] = self.doors.each_ref().map(endpoint);
        RegistryEndpoints::parse(&requests, "tcp://127.0.0.1:1", &heartbeats).unwrap()
    }

    /// How many messages of the client with this id came.
    pub(crate) fn count(&self, client_id: &str) -> usize {
        self.counts.lock().unwrap().get(client_id).copied().unwrap_or_default()
    }

    #[track_caller]
    fn open_at(doors: Arc<[ReservedPort; 2]>, registry: &Endpoints) -> Self {
        let context = zmq::Context::new();
        let sockets = doors.each_ref().map(|door| bind(&context, &endpoint(door)));
        let behind = [registry.requests.clone(), registry.heartbeats.clone()];
        let (counts, is_over) = (Arc::default(), Arc::default());
        let carrier = Carrier { context, sockets, behind, counts: Arc::clone(&counts) };
        let over = Arc::clone(&is_over);
        let thread = Some(thread::spawn(move || carrier.run(&over)));
        Self { doors, counts, is_over, thread }
    }
}

impl Drop for CountingProxy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // How it went shows in the test.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Carries messages back and forth.
struct Carrier {
    context: zmq::Context,
    sockets: [zmq::Socket; 2],
    behind: [String; 2],
    counts: Arc<Mutex<HashMap<String, usize>>>,
}

impl Carrier {
    fn run(self, is_over: &AtomicBool) {
        let mut lines: HashMap<Caller, zmq::Socket> = HashMap::new();
        while !is_over.load(Ordering::SeqCst) {
            let mut items: Vec<zmq::PollItem<'_>> = self
                .sockets
                .iter()
                .chain(lines.values())
                .map(|socket| socket.as_poll_item(zmq::POLLIN))
                .collect();
            zmq::poll(&mut items, 20).unwrap();
            drop(items);
            for (door, socket) in self.sockets.iter().enumerate() {
                while let Ok(frames) = socket.recv_multipart(zmq::DONTWAIT) {
                    self.count(&frames[0]);
                    let caller = (door, frames[0].clone());
                    let line = lines.entry(caller).or_insert_with(|| self.line(door, &frames[0]));
                    line.send_multipart(&frames[1..], zmq::DONTWAIT).unwrap();
                }
            }
            for ((door, identity), line) in &lines {
                while let Ok(mut frames) = line.recv_multipart(zmq::DONTWAIT) {
                    frames.insert(0, identity.clone());
                    self.sockets[*door].send_multipart(frames, zmq::DONTWAIT).unwrap();
                }
            }
        }
    }

    fn count(&self, identity: &[u8]) {
        let identity = String::from_utf8_lossy(identity);
        let client_id = identity[..identity.len() - UNIQUE_LENGTH].to_owned();
        *self.counts.lock().unwrap().entry(client_id).or_default() += 1;
    }

    /// A connection to the registry that stands for one of a client's.
    fn line(&self, door: usize, identity: &[u8]) -> zmq::Socket {
        let line = self.context.socket(zmq::DEALER).unwrap();
        line.set_linger(0).unwrap();
        line.set_identity(identity).unwrap();
        line.connect(&self.behind[door]).unwrap();
        line
    }
}

fn endpoint(door: &ReservedPort) -> String {
    format!("tcp://127.0.0.1:{}", door.number())
}

/// Binds, again and again where the socket that was there before has not quite gone.
#[track_caller]
fn bind(context: &zmq::Context, endpoint: &str) -> zmq::Socket {
    let socket = context.socket(zmq::ROUTER).unwrap();
    socket.set_linger(0).unwrap();
    wait_until(&format!("{endpoint} becomes free"), || socket.bind(endpoint).is_ok());
    socket
}
