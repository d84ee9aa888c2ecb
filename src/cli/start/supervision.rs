//! What systemd is told of the registry, where it listens: ready, reloading, stopping, a line for
//! `systemctl status`, and, as long as every thread gets on with its work, that it is alive.
//!
//! Elsewhere nothing is told, no thread runs for it and nobody is woken.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use sd_notify::NotifyState;
use service_registry::server::Vitals;

use crate::cli::output::counted;

use super::service_manager::ServiceManager;

/// How often systemd hears something at the most, and the threads are asked how they do.
const PERIOD: Duration = Duration::from_secs(10);

/// The shortest pause between two questions: longer than a tick of the timer, which nothing wakes
/// before. A timeout of less than twice this cannot be kept.
const SHORTEST_PERIOD: Duration = Duration::from_secs(1);

/// How often in the time after which systemd takes the registry for dead: one sign of life may be
/// late, and a thread may be busy for longer than a period, before that costs anything.
const PERIODS_PER_TIMEOUT: u32 = 4;

/// Tells systemd how the registry is doing until it is dropped.
pub(super) struct Supervision {
    running: Option<Running>,
}

struct Running {
    manager: Arc<ServiceManager>,
    /// Nobody sends here; it is dropped when there is nothing more to tell.
    end: Sender<()>,
    thread: JoinHandle<()>,
}

struct Supervisor {
    manager: Arc<ServiceManager>,
    vitals: Vitals,
    has_watchdog: bool,
    /// The last that was said in `systemctl status`.
    status: String,
    /// The threads that hung when they were last looked at.
    hanging: Vec<&'static str>,
    /// Whether it was said in the log that systemd cannot be told anything.
    complained: bool,
}

/// Tells `manager` that the registry is ready, and from now on how it is doing.
pub(super) fn begin(
    manager: Option<Arc<ServiceManager>>,
    vitals: Vitals,
) -> io::Result<Supervision> {
    let Some(manager) = manager else { return Ok(Supervision { running: None }) };
    let timeout = sd_notify::watchdog_enabled();
    let period = timeout.map_or(PERIOD, |timeout| timeout / PERIODS_PER_TIMEOUT);
    let period = period.clamp(SHORTEST_PERIOD, PERIOD);
    let mut supervisor = Supervisor {
        manager: Arc::clone(&manager),
        status: status(&vitals, &[]),
        vitals,
        has_watchdog: timeout.is_some(),
        hanging: Vec::new(),
        complained: false,
    };
    let status = supervisor.status.clone();
    supervisor.tell(&[NotifyState::Ready, NotifyState::Status(&status)]);

    let (end, ended) = bounded(0);
    let run = move || supervisor.run(period, &ended);
    let thread = Builder::new().name("supervision".to_owned()).spawn(run)?;
    Ok(Supervision { running: Some(Running { manager, end, thread }) })
}

/// Carries out `reload`, while `manager` is told that it goes on.
pub(super) fn reloading(manager: Option<&ServiceManager>, reload: impl FnOnce()) {
    let Some(manager) = manager else { return reload() };
    let begun = NotifyState::monotonic_usec_now()
        .and_then(|now| manager.tell(&[NotifyState::Reloading, now]));
    reload();
    let ended = manager.tell(&[NotifyState::Ready]);
    if let Err(error) = begun.and(ended) {
        log::warn!("cannot tell systemd of the reload: {error}");
    }
}

impl Supervision {
    /// Tells systemd that the registry stops, and nothing more.
    pub(super) fn end(mut self) {
        if let Some(manager) = self.finish()
            && let Err(error) = manager.tell(&[NotifyState::Stopping])
        {
            log::warn!("cannot tell systemd of the end: {error}");
        }
    }

    /// Whom it told how the registry is doing until now, if anybody.
    fn finish(&mut self) -> Option<Arc<ServiceManager>> {
        let Running { manager, end, thread } = self.running.take()?;
        drop(end);
        // A panic in it was logged.
        let _ = thread.join();
        Some(manager)
    }
}

impl Drop for Supervision {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Supervisor {
    fn run(mut self, period: Duration, ended: &Receiver<()>) {
        if self.has_watchdog {
            self.vitals.ask();
        }
        while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
            let alive = self.has_watchdog && self.all_work();
            // With the sign of life, so that systemd wakes once.
            let status = status(&self.vitals, &self.hanging);
            let said = NotifyState::Status(&status);
            match (alive, status == self.status) {
                (true, true) => self.tell(&[NotifyState::Watchdog]),
                (true, false) => self.tell(&[NotifyState::Watchdog, said]),
                (false, false) => self.tell(&[said]),
                (false, true) => {}
            }
            self.status = status;
        }
    }

    /// Whether every thread has looked at its work since it was asked. Only then all are asked
    /// again: a thread that hangs is given all the time that systemd gives it.
    fn all_work(&mut self) -> bool {
        let hanging = self.vitals.silent();
        if hanging != self.hanging {
            log_hanging(&hanging);
        }
        self.hanging = hanging;
        if self.hanging.is_empty() {
            self.vitals.ask();
        }
        self.hanging.is_empty()
    }

    fn tell(&mut self, states: &[NotifyState<'_>]) {
        if let Err(error) = self.manager.tell(states)
            && !self.complained
        {
            log::warn!("cannot tell systemd how the registry is doing: {error}");
            self.complained = true;
        }
    }
}

fn log_hanging(hanging: &[&str]) {
    if hanging.is_empty() {
        log::info!("all threads work again");
    } else {
        log::warn!(
            "no work is done in {}; systemd will end the registry if this goes on",
            hanging.join(", ")
        );
    }
}

/// The line in `systemctl status`.
fn status(vitals: &Vitals, hanging: &[&str]) -> String {
    let services = counted(vitals.services(), "service", "services");
    let refused = counted(vitals.refused_connections(), "connection", "connections");
    let mut status = format!("{services} registered, {refused} refused");
    if !hanging.is_empty() {
        status = format!("{status}; no work is done in {}", hanging.join(", "));
    }
    status
}
