//! What services said about sharing their type, remembered by id.
//!
//! The Python client says it when it registers, and leaves it out when it registers again, be it
//! after an expiry or because the address of its host changed. What an id said once is therefore
//! remembered for as long as it can come back: beyond its expiry, until it deregisters or says
//! something else.

use std::collections::{BTreeMap, HashMap};

use crate::service::{ServiceId, TypePolicy};

/// How many policies are remembered. Each costs some hundred bytes, and ids with a UUID in them
/// never come back once their program is gone, so the oldest must make room in the end.
pub const POLICIES_MAX: usize = 100_000;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Policies {
    by_id: HashMap<ServiceId, (u64, TypePolicy)>,
    by_age: BTreeMap<u64, ServiceId>,
    next: u64,
}

impl Policies {
    pub(super) fn get(&self, id: &ServiceId) -> Option<TypePolicy> {
        self.by_id.get(id).map(|(_, policy)| *policy)
    }

    /// Remembers what `id` said last.
    pub(super) fn remember(&mut self, id: ServiceId, policy: TypePolicy) {
        self.forget(&id);
        self.by_age.insert(self.next, id.clone());
        self.by_id.insert(id, (self.next, policy));
        self.next += 1;
    }

    pub(super) fn forget(&mut self, id: &ServiceId) {
        if let Some((age, _)) = self.by_id.remove(id) {
            self.by_age.remove(&age);
        }
    }

    /// The ids that must be forgotten before `more` can be remembered: the oldest, and those that
    /// are not `registered` before any that are.
    pub(super) fn in_the_way_of(
        &self,
        more: usize,
        registered: impl Fn(&ServiceId) -> bool,
    ) -> Vec<ServiceId> {
        let excess = (self.by_id.len() + more).saturating_sub(POLICIES_MAX);
        if excess == 0 {
            return Vec::new();
        }
        let (here, gone): (Vec<_>, Vec<_>) = self.by_age.values().partition(|id| registered(id));
        gone.into_iter().chain(here).take(excess).cloned().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&ServiceId, TypePolicy)> {
        self.by_age.values().filter_map(|id| Some((id, self.get(id)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ServiceId {
        ServiceId::new(&format!("s{number}")).unwrap()
    }

    #[test]
    fn the_last_word_counts() {
        let mut policies = Policies::default();

        policies.remember(id(1), TypePolicy::Singleton);
        policies.remember(id(1), TypePolicy::AllowDuplicates);
        assert_eq!(policies.get(&id(1)), Some(TypePolicy::AllowDuplicates));

        policies.forget(&id(1));
        assert_eq!(policies.get(&id(1)), None);
        assert!(policies.by_age.is_empty());
    }

    #[test]
    fn the_oldest_make_room() {
        let mut policies = Policies::default();
        for number in 0..POLICIES_MAX {
            policies.remember(id(number), TypePolicy::Singleton);
        }
        assert!(policies.in_the_way_of(0, |_| false).is_empty());
        policies.remember(id(0), TypePolicy::Singleton);

        assert_eq!(policies.in_the_way_of(2, |_| false), [id(1), id(2)]);
        assert_eq!(policies.in_the_way_of(2, |one| *one == id(1)), [id(2), id(3)]);
        assert_eq!(policies.in_the_way_of(2, |_| true), [id(1), id(2)]);
    }
}
