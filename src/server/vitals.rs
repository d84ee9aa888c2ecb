//! Signs of life: whether every thread gets on with its work.
//!
//! Whoever wants to know asks. The question is a number, one higher than the last, and wakes every
//! thread that may be idle; a thread answers by repeating the number when it has looked at its
//! work. Threads that hang look at nothing, so they answer nothing. While nobody asks, nobody is
//! woken, and an answer costs the threads two loads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded, never};

use crate::backend::shared::SignOfLife;
use crate::mailbox::bell::Bell;

use super::doors::Doors;
use super::shared::SharedRegistry;

/// The threads of a server, by their names.
pub(super) const GATEKEEPER: &str = "gatekeeper";
pub(super) const GUARD: &str = "guard";
pub(super) const EVENTS: &str = "events";
pub(super) const STORAGE: &str = "storage";
pub(super) const HEARTBEATS: &str = "heartbeats";
pub(super) const REQUESTS: &str = "requests";
pub(super) const TIMER: &str = "timer";
/// Not watched: whatever becomes of those who only look, the registry goes on.
pub(super) const HTTP: &str = "http";
pub(super) const FOLLOWER: &str = "follower";
pub(super) const HERALD: &str = "herald";

/// How a running server is doing, for whoever watches over it. Clones watch the same server.
///
/// ```
/// # use service_registry::config::{BackendKind, Config};
/// # use service_registry::server::Server;
/// # let ports = Config { req_port: 0, pub_port: 0, hb_port: 0, ..Config::default() };
/// # let server = Server::start(Config { backend: BackendKind::Memory, ..ports })?;
/// let vitals = server.vitals();
/// vitals.ask();
/// while !vitals.silent().is_empty() {
///     std::thread::yield_now(); // A server that hangs would stay here.
/// }
/// # server.stop()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Vitals {
    watched: Arc<[Watched]>,
    asked: Arc<AtomicU64>,
    registry: SharedRegistry,
    doors: Doors,
}

/// What a thread answers with.
#[derive(Debug)]
pub(super) struct Pulse {
    asked: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
    woken: Receiver<()>,
}

/// Collects the threads that are watched.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    asked: Arc<AtomicU64>,
    watched: Vec<Watched>,
}

/// How a thread that may be idle is woken.
#[derive(Debug)]
enum Waking {
    /// Out of polling its mailbox.
    Bell(Bell),
    /// Out of waiting for its channels, one of which is the other end of this.
    Channel(Sender<()>),
    /// It wakes by itself.
    Itself,
}

#[derive(Debug)]
struct Watched {
    name: &'static str,
    waking: Waking,
    answered: Arc<AtomicU64>,
}

impl Vitals {
    /// Asks every thread for a sign of life.
    pub fn ask(&self) {
        self.asked.fetch_add(1, Ordering::AcqRel);
        for thread in self.watched.iter() {
            thread.waking.wake();
        }
    }

    /// The names of the threads that have not looked at their work since [`Self::ask`].
    #[must_use]
    pub fn silent(&self) -> Vec<&'static str> {
        let asked = self.asked.load(Ordering::Acquire);
        let silent = |thread: &&Watched| thread.answered.load(Ordering::Acquire) != asked;
        self.watched.iter().filter(silent).map(|thread| thread.name).collect()
    }

    /// How many services are registered.
    #[must_use]
    pub fn services(&self) -> usize {
        self.registry.read().len()
    }

    /// How many connections were refused since the start, because of `allow`.
    #[must_use]
    pub fn refused_connections(&self) -> u64 {
        self.doors.refused_connections()
    }
}

impl Watchdog {
    /// Watches a thread that polls the mailbox of `bell`.
    pub(super) fn over_mailbox(&mut self, name: &'static str, bell: Bell) -> Pulse {
        self.over(name, Waking::Bell(bell), never())
    }

    /// Watches a thread that waits for channels, and for [`Pulse::woken`] among them.
    pub(super) fn over_channels(&mut self, name: &'static str) -> Pulse {
        // One is enough: a thread that is being woken need not be woken again.
        let (wake, woken) = bounded(1);
        self.over(name, Waking::Channel(wake), woken)
    }

    /// Watches a thread that never waits for long without a sign of life.
    pub(super) fn over_clockwork(&mut self, name: &'static str) -> Pulse {
        self.over(name, Waking::Itself, never())
    }

    fn over(&mut self, name: &'static str, waking: Waking, woken: Receiver<()>) -> Pulse {
        let answered = Arc::new(AtomicU64::new(0));
        self.watched.push(Watched { name, waking, answered: Arc::clone(&answered) });
        Pulse { asked: Arc::clone(&self.asked), answered, woken }
    }

    pub(super) fn vitals(self, registry: SharedRegistry, doors: Doors) -> Vitals {
        Vitals { watched: self.watched.into(), asked: self.asked, registry, doors }
    }
}

impl Pulse {
    /// Has something when the thread is to wake up and show that it is alive.
    pub(super) const fn woken(&self) -> &Receiver<()> {
        &self.woken
    }

    /// A sign of life, to be given whenever the thread has looked at its work.
    pub(super) fn beat(&self) {
        answer(&self.asked, &self.answered);
    }

    /// The same, for what the thread calls that waits several times.
    pub(super) fn sign(&self) -> SignOfLife {
        let (asked, answered) = (Arc::clone(&self.asked), Arc::clone(&self.answered));
        Arc::new(move || answer(&asked, &answered))
    }
}

fn answer(asked: &AtomicU64, answered: &AtomicU64) {
    let asked = asked.load(Ordering::Acquire);
    // Only the thread that is asked writes it.
    if answered.load(Ordering::Relaxed) != asked {
        answered.store(asked, Ordering::Release);
    }
}

impl Waking {
    fn wake(&self) {
        match self {
            Self::Bell(bell) => bell.ring(),
            Self::Channel(wake) => {
                // Full, or gone: it is being woken, or there is nobody to wake.
                let _ = wake.try_send(());
            }
            Self::Itself => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mailbox::mailbox;
    use crate::registry::{Epoch, Registry};

    fn vitals(watchdog: Watchdog) -> Vitals {
        let registry = Registry::new(Epoch::new("tested"), true);
        watchdog.vitals(SharedRegistry::new(registry, None), Doors::new(&Config::default()))
    }

    #[test]
    fn a_thread_is_silent_until_it_has_looked_at_its_work_again() {
        let mut watchdog = Watchdog::default();
        let timer = watchdog.over_clockwork(TIMER);
        let storage = watchdog.over_channels(STORAGE);
        let vitals = vitals(watchdog);
        assert!(vitals.silent().is_empty(), "nobody was asked");

        vitals.ask();
        assert_eq!(vitals.silent(), [TIMER, STORAGE]);
        timer.beat();
        assert_eq!(vitals.silent(), [STORAGE]);
        storage.beat();
        assert!(vitals.silent().is_empty());

        vitals.ask();
        assert_eq!(vitals.silent(), [TIMER, STORAGE], "the last answer does not count again");
    }

    #[test]
    fn asking_wakes_who_may_be_idle_and_waits_for_nobody() {
        let (_postbox, mut messages) = mailbox::<()>(1).unwrap();
        let mut watchdog = Watchdog::default();
        let requests = watchdog.over_mailbox(REQUESTS, messages.bell());
        let storage = watchdog.over_channels(STORAGE);
        let vitals = vitals(watchdog);

        vitals.ask();
        vitals.ask();

        let mut items = [zmq::PollItem::from_fd(messages.descriptor(), zmq::POLLIN)];
        assert_eq!(zmq::poll(&mut items, 0).unwrap(), 1);
        messages.answer_bell();
        assert_eq!(zmq::poll(&mut items, 0).unwrap(), 0);
        assert_eq!(storage.woken().len(), 1);
        drop((requests, storage));
        vitals.ask();
    }
}
