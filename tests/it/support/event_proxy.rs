//! A way for events that loses some of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use fastrand::Rng;

use super::DEADLINE;

/// How often the proxy looks whether the test is over, in milliseconds.
const GLANCE: i64 = 20;

/// How soon it is back when a registry is started again, in milliseconds.
const RECONNECT_PAUSE: i32 = 5;

/// Passes on what a registry publishes, or loses it, at random. Outlives the registry, and goes
/// on with the next one at the same endpoint.
pub(crate) struct EventProxy {
    endpoint: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// How many of a hundred events are lost.
    loss: AtomicU8,
    passed: AtomicU64,
    lost: AtomicU64,
    is_over: AtomicBool,
}

impl EventProxy {
    /// Begins to pass on the events of the registry that publishes at `upstream`, losing none. Its
    /// own subscription is on its way when this returns.
    #[track_caller]
    pub(crate) fn start(upstream: &str, random: Rng) -> Self {
        let context = zmq::Context::new();
        let from = context.socket(zmq::SUB).unwrap();
        from.set_subscribe(b"").unwrap();
        from.set_rcvhwm(0).unwrap();
        from.set_reconnect_ivl(RECONNECT_PAUSE).unwrap();
        let monitor = monitor_of(&context, &from);
        from.connect(upstream).unwrap();
        monitor.recv_multipart(0).expect("it is connected within the deadline");
        // One that nobody listens to any more would hold up all sockets of its context.
        from.monitor("inproc://nobody", 0).unwrap();
        let to = context.socket(zmq::PUB).unwrap();
        to.set_linger(0).unwrap();
        to.set_sndhwm(0).unwrap();
        to.bind("tcp://127.0.0.1:*").unwrap();
        let endpoint = to.get_last_endpoint().unwrap().unwrap();
        let shared = Arc::new(Shared::default());
        let passing_on = Arc::clone(&shared);
        let thread = thread::spawn(move || pass_on(&from, &to, &passing_on, random));
        Self { endpoint, shared, thread: Some(thread) }
    }

    /// Where to subscribe.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// From now on loses so many of a hundred events.
    pub(crate) fn lose(&self, of_a_hundred: u8) {
        self.shared.loss.store(of_a_hundred, Ordering::SeqCst);
    }

    /// How many events were passed on.
    pub(crate) fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::SeqCst)
    }

    /// How many events were lost.
    pub(crate) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

impl Drop for EventProxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed, and the test sees what it lacks.
            let _ = thread.join();
        }
    }
}

/// Tells when the socket is connected.
#[track_caller]
fn monitor_of(context: &zmq::Context, socket: &zmq::Socket) -> zmq::Socket {
    const NAME: &str = "inproc://upstream";

    socket.monitor(NAME, zmq::SocketEvent::HANDSHAKE_SUCCEEDED.to_raw().into()).unwrap();
    let monitor = context.socket(zmq::PAIR).unwrap();
    monitor.set_rcvtimeo(i32::try_from(DEADLINE.as_millis()).unwrap()).unwrap();
    monitor.set_linger(0).unwrap();
    monitor.connect(NAME).unwrap();
    monitor
}

fn pass_on(from: &zmq::Socket, to: &zmq::Socket, shared: &Shared, mut random: Rng) {
    while !shared.is_over.load(Ordering::SeqCst) {
        if from.poll(zmq::POLLIN, GLANCE).unwrap() == 0 {
            continue;
        }
        let frames = from.recv_multipart(0).unwrap();
        // As the registry does, so that whoever has just subscribed is among the subscribers.
        to.get_events().unwrap();
        if random.u8(..100) < shared.loss.load(Ordering::SeqCst) {
            shared.lost.fetch_add(1, Ordering::SeqCst);
        } else {
            to.send_multipart(frames, 0).unwrap();
            shared.passed.fetch_add(1, Ordering::SeqCst);
        }
    }
}
