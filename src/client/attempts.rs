//! Registrations that have not succeeded yet, and the ids that they are tried under.
//!
//! A registration whose answer is lost may have been carried out. Under an id that only the
//! registry knows, the service would be a ghost: nobody keeps it alive or takes it out, and until
//! it expires it may hold its type against the next attempt. So who asks for no id gets one here,
//! as the registry would make it, and the same one again until an attempt succeeds: each takes the
//! place of what those before it may have left.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::registration::Registration;

/// How many registrations are remembered. A client has a few services; one that registers ever
/// new ones in vain forgets the oldest.
const REMEMBERED_MAX: usize = 64;

/// The registrations of one client that have not succeeded yet.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<Vec<Remembered>>);

/// A registration, and the same with the id that it is tried under.
#[derive(Debug, Clone, PartialEq)]
struct Remembered {
    said: Registration,
    identified: Registration,
}

/// One attempt to register. It has failed unless it [succeeds](Self::succeeded).
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    attempts: &'a Attempts,
    /// None once it has succeeded.
    remembered: Option<Remembered>,
    identified: Registration,
}

impl Attempts {
    /// Begins an attempt. One for the same, at the same time, is about another service.
    pub(super) fn begin(&self, said: &Registration) -> Attempt<'_> {
        let mut remembered = self.remembered();
        let known = remembered.iter().position(|known| known.said == *said);
        let tried = known.map(|place| remembered.remove(place)).unwrap_or_else(|| Remembered {
            said: said.clone(),
            identified: said.clone().identified(),
        });
        Attempt { attempts: self, identified: tried.identified.clone(), remembered: Some(tried) }
    }

    fn remember(&self, failed: Remembered) {
        let mut remembered = self.remembered();
        if remembered.len() == REMEMBERED_MAX {
            remembered.remove(0);
        }
        remembered.push(failed);
    }

    /// Registrations are put in or taken out in one piece, so they are whole even where their
    /// last user panicked.
    fn remembered(&self) -> MutexGuard<'_, Vec<Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// What to ask the registry for.
    pub(super) fn registration(&self) -> &Registration {
        &self.identified
    }

    /// The registry said yes. To register the same again is to register another service.
    pub(super) fn succeeded(mut self) {
        self.remembered = None;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(failed) = self.remembered.take() {
            self.attempts.remember(failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(port: u16) -> Registration {
        Registration::new("My Camera", "localhost", port)
    }

    /// The id of an attempt that fails.
    fn failing(attempts: &Attempts, said: &Registration) -> String {
        attempts.begin(said).registration().id().unwrap().to_owned()
    }

    #[test]
    fn a_registration_is_tried_under_one_id_until_it_succeeds() {
        let attempts = Attempts::default();
        let first = failing(&attempts, &camera(1));

        assert!(first.starts_with("my-camera-"), "{first}");
        assert_eq!(failing(&attempts, &camera(1)), first);
        assert_ne!(failing(&attempts, &camera(2)), first);
        let attempt = attempts.begin(&camera(1));
        assert_eq!(attempt.registration(), &camera(1).service_id(&first));
        attempt.succeeded();

        assert_ne!(failing(&attempts, &camera(1)), first);
    }

    #[test]
    fn the_same_at_the_same_time_is_two_services() {
        let attempts = Attempts::default();
        let said = camera(1);
        let (one, other) = (attempts.begin(&said), attempts.begin(&said));

        assert_ne!(one.registration().id(), other.registration().id());
    }

    #[test]
    fn who_asks_for_an_id_gets_it() {
        let said = camera(1).service_id("camera-1");

        assert_eq!(Attempts::default().begin(&said).registration(), &said);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let attempts = Attempts::default();
        let first = failing(&attempts, &camera(0));

        for port in 1..=u16::try_from(REMEMBERED_MAX).unwrap() {
            failing(&attempts, &camera(port));
        }

        assert_eq!(attempts.remembered().len(), REMEMBERED_MAX);
        assert_ne!(failing(&attempts, &camera(0)), first);
    }
}
