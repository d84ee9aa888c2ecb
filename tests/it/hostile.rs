//! Slow and hostile peers: whatever they do, the registry's memory stays bounded, no descriptor is
//! lost, and polite clients are answered meanwhile.
//!
//! How long those wait is measured by hand, see `docs/security.md`: a test on a busy machine could
//! not tell.

mod endless;
mod identities;
mod noise;
mod unread;
mod visitors;

use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, DEADLINE, Launch, Registry, assert_success, wait_until};

/// How much memory the registry may ever have taken, in KiB.
const MEMORY_MAX: u64 = 256 << 10;

/// How long the registry may take to notice that peers are gone, on a busy machine.
const PATIENCE: Duration = DEADLINE;

/// A registry under attack, with a polite client.
struct Besieged {
    registry: Registry,
    client: Client,
    descriptors: usize,
}

impl Besieged {
    fn start() -> Self {
        Self::start_with(Launch::new())
    }

    fn start_with(launch: Launch) -> Self {
        let registry = launch.flag("--log-level", "info").flag("--backend", "memory").start();
        let client = registry.client();
        client.register("keeper", "KEPT");
        // A heart and a subscriber have been there, too, and are gone.
        assert_success(&registry.heartbeat_client().renew("keeper"));
        drop(registry.subscriber());
        let besieged = Self { registry, client, descriptors: 0 };
        let descriptors = besieged.settled_descriptors();
        Self { descriptors, ..besieged }
    }

    /// A polite client is answered: what it asks, what it stores, and its heart.
    #[track_caller]
    fn assert_answers(&self) {
        assert_eq!(self.client.get("keeper")["service"]["id"], "keeper");
        self.client.register("visitor", "");
        assert_success(&self.client.deregister("visitor"));
        assert_success(&self.registry.heartbeat_client().renew("keeper"));
    }

    /// As [`Self::assert_answers`], and it took no more memory than it may. Where the attackers are
    /// gone, so are their connections.
    #[track_caller]
    fn assert_survived(self) {
        self.assert_survived_after(PATIENCE);
    }

    /// The same, where it takes up to `patience` until their connections are gone.
    #[track_caller]
    fn assert_survived_after(self, patience: Duration) {
        self.assert_answers();
        self.assert_small();
        let started = Instant::now();
        while self.registry.open_descriptors() > self.descriptors {
            let open = self.registry.open_descriptors();
            let before = self.descriptors;
            assert!(started.elapsed() < patience, "{open} descriptors are open, {before} before");
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn assert_small(&self) {
        let highest = self.registry.memory("VmHWM:");
        assert!(highest < MEMORY_MAX, "it has taken {highest} KiB of memory");
    }

    /// Waits until it tells that at least so many connections were closed, because they filled the
    /// memory, and large replies refused. While the memory is full it tells nothing of the kind.
    #[track_caller]
    fn wait_for_closed_connections(&self, count: u64) {
        let closed = || self.client.info()["exceeded"]["memory_bytes"].as_u64();
        wait_until("connections were closed", || closed() >= Some(count));
    }

    /// How many descriptors are open when connections that have ended are closed.
    fn settled_descriptors(&self) -> usize {
        let started = Instant::now();
        let mut lowest = self.registry.open_descriptors();
        let mut since = started;
        while since.elapsed() < Duration::from_millis(300) && started.elapsed() < PATIENCE {
            let open = self.registry.open_descriptors();
            if open < lowest {
                (lowest, since) = (open, Instant::now());
            }
            thread::sleep(Duration::from_millis(20));
        }
        lowest
    }

    fn endpoints(&self) -> [&str; 3] {
        let endpoints = self.registry.endpoints();
        [&endpoints.requests, &endpoints.events, &endpoints.heartbeats]
    }
}
