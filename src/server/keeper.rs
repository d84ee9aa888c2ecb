//! What keeps the registrations: a backend of this registry's own, or a store that it shares.

use std::collections::HashMap;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, never};

use crate::backend::shared::{Missed, News, Picture, Proposal, SharedBackend, SignOfLife};
use crate::backend::{Backend, BackendError, Existing, Record};
use crate::clock::{ListeningTime, Now};
use crate::registry::{Change, Home, Registry};

use super::contact::Contact;
use super::rules::Rules;

/// How much goes into one transaction on a shared list before the rest waits for the next one. Etcd
/// takes 128 changes and 1.5 MiB; the last request that goes in may come to more than one change.
const SHARED: Batch = Batch { changes: 64, bytes: 192 * 1_024 };

/// How much goes into one transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) changes: usize,
    /// Of what services say of themselves.
    pub(super) bytes: usize,
}

/// Where the storage thread commits changes.
pub(super) enum Keeper {
    /// This registry alone changes the list.
    Own(Box<dyn Backend>),
    /// Several registries change the list; where two changes exclude each other, the first counts.
    Shared(Box<Sharing>),
}

/// What became of changes.
pub(super) enum Committed {
    /// They are kept.
    Stored,
    /// They are not: others were first, with this.
    Overtaken(Missed),
}

/// A store that several registries share, and what is known of them.
pub(super) struct Sharing {
    pub(super) backend: Box<dyn SharedBackend>,
    pub(super) news: Receiver<Vec<News>>,
    pub(super) contact: Contact,
    pub(super) homes: Homes,
    pub(super) rules: Rules,
    /// How long the services of a registry that vanished are left to it.
    pub(super) grace: Duration,
    /// Since when registries are gone.
    pub(super) gone: HashMap<Box<str>, ListeningTime>,
    /// Nobody is sent anything here: the follower and the herald end when this is dropped.
    pub(super) _others: Sender<()>,
}

/// The registries that share a list, by their names.
#[derive(Debug)]
pub(super) struct Homes {
    own: Box<str>,
    others: HashMap<Box<str>, Home>,
}

impl Homes {
    pub(super) fn new(own: &str) -> Self {
        Self { own: own.into(), others: HashMap::new() }
    }

    /// What the registry `name` is called in the core.
    pub(super) fn home(&mut self, name: &str) -> Home {
        if *name == *self.own {
            return Home::HERE;
        }
        let number = u32::try_from(self.others.len()).unwrap_or(u32::MAX);
        *self.others.entry(name.into()).or_insert_with(|| Home::elsewhere(number))
    }
}

impl Keeper {
    /// Keeps all `changes`, or none of them.
    pub(super) fn commit<'a>(
        &mut self,
        changes: impl Iterator<Item = &'a Change>,
        now: Now,
    ) -> Result<Committed, BackendError> {
        match self {
            Self::Own(backend) => {
                let records: Vec<Record<'_>> = changes.map(Record::from).collect();
                backend.commit(&records).map(|()| Committed::Stored)
            }
            Self::Shared(sharing) => {
                let changes: Vec<&Change> = changes.collect();
                sharing.propose(&changes, now)
            }
        }
    }

    /// Makes sure that what is refused is refused by the list as it stands, and not as it stood
    /// before another registry changed it.
    pub(super) fn confirm(&mut self, now: Now) -> Result<Committed, BackendError> {
        match self {
            Self::Own(_) => Ok(Committed::Stored),
            Self::Shared(sharing) => sharing.confirm(now),
        }
    }

    /// Lets it call `sign` while it waits for a store that is shared. One of this registry's own
    /// waits for its disk in one piece.
    pub(super) fn show_life(&mut self, sign: SignOfLife) {
        if let Self::Shared(sharing) = self {
            sharing.backend.show_life(sign);
        }
    }

    /// How much goes into one transaction; None, where there is no limit.
    pub(super) const fn batch(&self) -> Option<Batch> {
        match self {
            Self::Own(_) => None,
            Self::Shared(_) => Some(SHARED),
        }
    }

    /// Where it comes in what others do.
    pub(super) fn news(&self) -> Receiver<Vec<News>> {
        match self {
            Self::Own(_) => never(),
            Self::Shared(sharing) => sharing.news.clone(),
        }
    }

    /// Whether a service that was not heard here was heard by no other registry either.
    pub(super) fn hears_all(&self, now: Now) -> bool {
        match self {
            Self::Own(_) => true,
            Self::Shared(sharing) => sharing.contact.is_caught_up(now),
        }
    }

    /// Up to which time all heartbeats are known, also those that other registries heard.
    pub(super) fn known_until(&self, now: Now) -> ListeningTime {
        match self {
            Self::Own(_) => now.listening,
            Self::Shared(sharing) => sharing.contact.known_until().min(now.listening),
        }
    }

    pub(super) fn back_up(
        &mut self,
        destination: &std::path::Path,
        existing: Existing,
    ) -> Result<(), BackendError> {
        match self {
            Self::Own(backend) => backend.back_up(destination, existing),
            Self::Shared(_) => Err(BackendError::new(
                "this registry's list is kept by etcd, which is backed up with `etcdctl snapshot \
                 save`",
            )),
        }
    }

    pub(super) fn close(self) -> Result<(), BackendError> {
        match self {
            Self::Own(backend) => backend.close(),
            // What is stored is stored.
            Self::Shared(_) => Ok(()),
        }
    }
}

impl Sharing {
    fn check(&self, now: Now) -> Result<(), BackendError> {
        self.contact.check(now.listening).map_err(|reason| BackendError::new(reason.to_string()))
    }

    fn confirm(&mut self, now: Now) -> Result<Committed, BackendError> {
        self.check(now)?;
        Ok(match self.backend.missed()? {
            Missed::Transactions(none) if none.is_empty() => Committed::Stored,
            missed => Committed::Overtaken(missed),
        })
    }

    fn propose(&mut self, changes: &[&Change], now: Now) -> Result<Committed, BackendError> {
        self.check(now)?;
        let proposal = self.backend.propose(changes, now.wall)?;
        self.contact.note_number(self.backend.number());
        Ok(match proposal {
            Proposal::Stored => Committed::Stored,
            Proposal::Overtaken(missed) => Committed::Overtaken(missed),
        })
    }

    /// The registries that are gone for longer than the grace, each told once.
    pub(super) fn abandoned(&mut self, now: Now) -> Vec<Box<str>> {
        let Self { gone, grace, .. } = self;
        let abandoned = gone.extract_if(|_, since| now.listening.since(*since) >= *grace);
        abandoned.map(|(name, _)| name).collect()
    }

    /// The registry that `picture` shows, as far as what the others hear is known.
    pub(super) fn registry(&mut self, picture: Picture, now: Now) -> Registry {
        let Self { rules, homes, contact, .. } = self;
        let registry = rules.shared_registry(picture, |name| homes.home(name), now);
        registry.set_horizon(contact.horizon());
        registry
    }

    /// Notes which registries are there, and which are gone, according to `picture`.
    pub(super) fn note_registries(&mut self, picture: &Picture, now: Now) {
        self.contact.note_registries(&picture.registries);
        self.gone.retain(|name, _| !picture.registries.contains(name));
        for (_, name) in &picture.services {
            if !picture.registries.contains(name) && **name != *self.homes.own {
                self.gone.entry(name.clone()).or_insert(now.listening);
            }
        }
        self.contact.note_number(self.backend.number());
    }
}
