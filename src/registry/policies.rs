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

/// What each id said last about sharing its type, the oldest word first to go.
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

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whose policies are as old as `age` or younger, the oldest first, each with its age.
    pub(super) fn from(&self, age: u64) -> impl Iterator<Item = (u64, &ServiceId)> {
        self.by_age.range(age..).map(|(age, id)| (*age, id))
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
    fn who_spoke_again_is_no_longer_among_the_oldest() {
        let mut policies = Policies::default();
        for number in [0, 1, 2, 0] {
            policies.remember(id(number), TypePolicy::Singleton);
        }

        let ids = |age| policies.from(age).map(|(_, id)| id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(0), [id(1), id(2), id(0)]);
        assert_eq!(ids(2), [id(2), id(0)]);
        assert_eq!(policies.len(), 3);
    }
}
