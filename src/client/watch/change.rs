//! What a watch gives: one difference between two moments of the registry. Pure.

use std::sync::Arc;

use crate::client::service::Service;

/// One change in a registry.
///
/// A change is a difference in what the registry says of a service, except for its heartbeats. All
/// changes together, applied to an empty table, give the registry's table. A service that is
/// registered again with the same information is no change.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// use std::collections::HashMap;
///
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
/// let watch = client.watch()?;
///
/// let mut table = HashMap::new();
/// for change in watch.changes().take(1) {
///     match change {
///         Change::Removed { service, .. } => table.remove(&service.id),
///         Change::Registered(now) | Change::Changed { now, .. } => {
///             table.insert(now.id.clone(), now)
///         }
///         _ => None,
///     };
/// }
/// assert_eq!(table.len(), watch.services().len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A service is new, or new for this watch. The first changes of a watch are the services that
    /// are there already.
    Registered(Arc<Service>),
    /// The information about a service has changed, or its health.
    Changed {
        /// The service before.
        before: Arc<Service>,
        /// The service now.
        now: Arc<Service>,
    },
    /// A service is gone.
    Removed {
        /// The service as it was.
        service: Arc<Service>,
        /// Why it is gone.
        how: Removal,
    },
}

/// Why a service is gone.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
///
/// let watch = client.watch()?;
/// client.deregister()?;
/// let removed = watch.changes().find_map(|change| match change {
///     Change::Removed { how, .. } => Some(how),
///     _ => None,
/// });
/// assert_eq!(removed, Some(Removal::Deregistered));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Removal {
    /// It was deregistered.
    Deregistered,
    /// It was silent for too long.
    Expired,
    /// It is still registered, but no longer under the type that is watched.
    OtherType,
    /// It was missing in the next list. The event that would say why was lost.
    Missing,
}

impl Change {
    /// The service as it is now, or as it was.
    ///
    /// ```
    #[doc = include_str!("../registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
    ///
    /// let watch = client.watch()?;
    /// let change = watch.try_next_change().ok_or("nothing is there")?;
    /// assert_eq!(change.service().name, "Camera");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn service(&self) -> &Arc<Service> {
        match self {
            Self::Registered(service)
            | Self::Changed { now: service, .. }
            | Self::Removed { service, .. } => service,
        }
    }

    /// The change from `before` to `now` of one service. None where nothing differs.
    pub(super) fn between(
        before: Option<&Arc<Service>>,
        now: Option<&Arc<Service>>,
        how: Removal,
    ) -> Option<Self> {
        match (before, now) {
            (None, None) => None,
            (None, Some(now)) => Some(Self::Registered(Arc::clone(now))),
            (Some(service), None) => Some(Self::Removed { service: Arc::clone(service), how }),
            (Some(before), Some(now)) => (!says_the_same(before, now))
                .then(|| Self::Changed { before: Arc::clone(before), now: Arc::clone(now) }),
        }
    }

    /// This change and the `later` one of the same service as one. None where the later one
    /// took back the earlier.
    pub(super) fn and_then(self, later: &Self) -> Option<Self> {
        let how = match later {
            Self::Removed { how, .. } => *how,
            _ => Removal::Missing,
        };
        Self::between(self.before(), later.now(), how)
    }

    fn before(&self) -> Option<&Arc<Service>> {
        match self {
            Self::Registered(_) => None,
            Self::Changed { before, .. } => Some(before),
            Self::Removed { service, .. } => Some(service),
        }
    }

    fn now(&self) -> Option<&Arc<Service>> {
        match self {
            Self::Registered(now) | Self::Changed { now, .. } => Some(now),
            Self::Removed { .. } => None,
        }
    }
}

/// Whether a registry says the same of both, their heartbeats apart.
fn says_the_same(one: &Service, other: &Service) -> bool {
    // Every field by name, so that a new one is not forgotten.
    let Service { id, name, host, port, metadata, ttl, last_heartbeat: _, tags, health } = one;
    *id == other.id
        && *name == other.name
        && *host == other.host
        && *port == other.port
        && *metadata == other.metadata
        && *ttl == other.ttl
        && *tags == other.tags
        && *health == other.health
}

#[cfg(test)]
mod tests {
    use crate::client::service::{Health, WallTime};

    use super::*;
    use crate::client::watch::tests::samples::service;

    fn at_port(port: u16) -> Arc<Service> {
        Arc::new(Service { port, ..service("a", "A") })
    }

    fn change(before: Option<u16>, now: Option<u16>) -> Option<Change> {
        let (before, now) = (before.map(at_port), now.map(at_port));
        Change::between(before.as_ref(), now.as_ref(), Removal::Expired)
    }

    #[test]
    fn a_heartbeat_is_no_change_and_everything_else_is() {
        let before = at_port(1);
        let heard = Service { last_heartbeat: WallTime::from_unix_seconds(9), ..service("a", "A") };
        let heard = Arc::new(Service { port: 1, ..heard });
        let critical = Arc::new(Service { health: Health::Critical, ..(*before).clone() });

        let how = Removal::Missing;
        assert_eq!(Change::between(Some(&before), Some(&heard), how), None);
        let expected = Change::Changed { before: Arc::clone(&before), now: Arc::clone(&critical) };
        assert_eq!(Change::between(Some(&before), Some(&critical), how), Some(expected));
        assert!(change(Some(1), Some(2)).is_some());
    }

    #[test]
    fn two_changes_are_one_from_the_first_state_to_the_last() {
        let states = [None, Some(1), Some(2)];
        for first in states {
            for middle in states.into_iter().filter(|middle| *middle != first) {
                for last in states.into_iter().filter(|last| *last != middle) {
                    let both = change(first, middle).unwrap();

                    let both = both.and_then(&change(middle, last).unwrap());

                    assert_eq!(both, change(first, last), "{first:?} {middle:?} {last:?}");
                }
            }
        }
    }
}
