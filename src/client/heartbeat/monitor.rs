//! The state of heartbeats, and who is told when it changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::HeartbeatState;

/// How many changes wait for an observer that does not look. Further ones are not told to it;
/// the state itself can always be asked for.
const UNSEEN_MAX: usize = 256;

/// The state of one client's heartbeats, and its observers. Clones are the same monitor.
#[derive(Debug, Clone)]
pub(in crate::client) struct Monitor(Arc<Mutex<Watched>>);

#[derive(Debug)]
struct Watched {
    state: HeartbeatState,
    observers: Vec<Sender<HeartbeatState>>,
}

impl Monitor {
    pub(in crate::client) fn new() -> Self {
        let watched = Watched { state: HeartbeatState::Stopped, observers: Vec::new() };
        Self(Arc::new(Mutex::new(watched)))
    }

    pub(in crate::client) fn state(&self) -> HeartbeatState {
        self.watched().state.clone()
    }

    /// A channel on which every later change comes.
    pub(in crate::client) fn observe(&self) -> Receiver<HeartbeatState> {
        let (sender, receiver) = bounded(UNSEEN_MAX);
        self.watched().observers.push(sender);
        receiver
    }

    /// Sets the state, and tells the observers if it is new. Each re-registration is new.
    pub(in crate::client) fn note(&self, state: HeartbeatState) {
        self.watched().note(state);
    }

    /// Sets the state if `start` succeeds. What `start` starts cannot set one before.
    pub(super) fn note_if_started<T, E>(
        &self,
        state: HeartbeatState,
        start: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut watched = self.watched();
        let started = start()?;
        watched.note(state);
        Ok(started)
    }

    /// The state is replaced in one piece, so it is whole even where its last user panicked.
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn note(&mut self, state: HeartbeatState) {
        if self.state == state && !matches!(state, HeartbeatState::ReRegistered(_)) {
            return;
        }
        self.state = state.clone();
        self.observers.retain(|observer| match observer.try_send(state.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                log::warn!("an observer of heartbeats does not look; it misses a change");
                true
            }
            Err(TrySendError::Disconnected(_)) => false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::ReRegistration;
    use super::*;

    #[test]
    fn what_lasts_is_told_once_and_what_happens_twice_is_told_twice() {
        let monitor = Monitor::new();
        let changes = monitor.observe();
        let again = HeartbeatState::ReRegistered(ReRegistration::Forgotten);

        for state in [&HeartbeatState::Healthy, &HeartbeatState::Healthy, &again, &again] {
            monitor.note(state.clone());
        }

        let told: Vec<HeartbeatState> = changes.try_iter().collect();
        assert_eq!(told, [HeartbeatState::Healthy, again.clone(), again.clone()]);
        assert_eq!(monitor.state(), again);
    }

    #[test]
    fn what_cannot_be_started_is_never_told_to_start() {
        let monitor = Monitor::new();
        let changes = monitor.observe();

        let failed = monitor.note_if_started(HeartbeatState::Starting, || Err::<(), _>("no room"));
        let state = monitor.state();
        let started = monitor.note_if_started(HeartbeatState::Starting, || Ok::<_, ()>("thread"));

        assert_eq!((failed, state), (Err("no room"), HeartbeatState::Stopped));
        assert_eq!((started, monitor.state()), (Ok("thread"), HeartbeatState::Starting));
        assert_eq!(changes.try_iter().collect::<Vec<_>>(), [HeartbeatState::Starting]);
    }

    #[test]
    fn an_observer_that_does_not_look_holds_up_nobody() {
        let monitor = Monitor::new();
        let changes = monitor.observe();

        for _ in 0..UNSEEN_MAX {
            monitor.note(HeartbeatState::Healthy);
            monitor.note(HeartbeatState::Stopped);
        }

        assert_eq!(changes.len(), UNSEEN_MAX);
        assert_eq!(monitor.state(), HeartbeatState::Stopped);
    }

    #[test]
    fn an_observer_that_left_is_forgotten() {
        let monitor = Monitor::new();
        drop(monitor.observe());

        monitor.note(HeartbeatState::Healthy);

        assert!(monitor.watched().observers.is_empty());
    }
}
