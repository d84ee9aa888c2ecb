//! Making a registry of what is kept.

use std::collections::HashMap;

use crossbeam_channel::{Receiver, Sender, bounded};
use uuid::Uuid;

use crate::backend::shared::{Follower, Herald, News, SharedStore};
use crate::backend::{Backend, BackendError, StoredService};
use crate::clock::Clock;
use crate::config::Config;
use crate::registry::{Epoch, Registry};

use super::contact::Contact;
use super::keeper::{Homes, Keeper, Sharing};
use super::messages::NEWS_WAITING_MAX;
use super::rules::Rules;

/// A registry of all that is kept, and a clock that starts when it is loaded: what the loading
/// takes is not taken from anybody's ttl.
pub(super) struct Loaded {
    pub(super) registry: Registry,
    pub(super) clock: Clock,
    pub(super) keeper: Keeper,
    /// None, where the list is this registry's own.
    pub(super) others: Option<Others>,
}

/// What it takes to share a list with other registries.
pub(super) struct Others {
    pub(super) follower: Box<dyn Follower>,
    pub(super) herald: Box<dyn Herald>,
    /// Where the storage thread hears what they do.
    pub(super) news: Sender<Vec<News>>,
    pub(super) contact: Contact,
    /// Closed when the storage thread is gone.
    pub(super) stop: Receiver<()>,
}

impl Loaded {
    /// What `backend` keeps for this registry alone.
    pub(super) fn own(
        config: &Config,
        mut backend: Box<dyn Backend>,
    ) -> Result<Self, BackendError> {
        let services = backend.load()?;
        let policies = backend.load_policies()?;

        let clock = Clock::start();
        let now = clock.now();
        let epoch = Epoch::new(&Uuid::new_v4().to_string());
        let mut registry = Rules::new(config).empty(epoch);
        for StoredService { service, last_heartbeat } in services {
            registry.restore(service, last_heartbeat, now);
        }
        for (id, policy) in policies {
            registry.restore_policy(id, policy);
        }
        Ok(Self { registry, clock, keeper: Keeper::Own(backend), others: None })
    }

    /// What several registries share.
    pub(super) fn shared(config: &Config, shared: SharedStore) -> Result<Self, BackendError> {
        let SharedStore { name, mut backend, mut follower, herald } = shared;
        let picture = backend.load()?;
        follower.begin_behind(picture.revision);

        let clock = Clock::start();
        let now = clock.now();
        let contact = Contact::new(&name, now);
        let (news_sender, news) = bounded(NEWS_WAITING_MAX);
        let (keeps_others, stop) = bounded(0);
        let mut sharing = Sharing {
            backend,
            news,
            contact: contact.clone(),
            homes: Homes::new(&name),
            rules: Rules::new(config),
            grace: config.etcd.grace,
            gone: HashMap::new(),
            _others: keeps_others,
        };
        sharing.note_registries(&picture, now);
        let registry = sharing.registry(picture, now);
        let others = Others { follower, herald, news: news_sender, contact, stop };
        Ok(Self {
            registry,
            clock,
            keeper: Keeper::Shared(Box::new(sharing)),
            others: Some(others),
        })
    }
}
