//! What a plan remembers of what services say about sharing their type.

use crate::registry::Registry;
use crate::registry::change::Change;
use crate::registry::policies::POLICIES_MAX;
use crate::service::{ServiceId, TypePolicy};

use super::Plan;

impl Plan {
    /// What counts for a registration that says `said`.
    pub(super) fn policy(
        &self,
        registry: &Registry,
        id: &ServiceId,
        said: TypePolicy,
    ) -> TypePolicy {
        if said != TypePolicy::Unspecified {
            return said;
        }
        let remembered = match self.policies.get(id) {
            Some(planned) => *planned,
            None => registry.policies.get(id),
        };
        remembered.unwrap_or_default()
    }

    /// Remembers what a registration said, if it said anything that the server would not do.
    pub(super) fn note_policy(
        &mut self,
        registry: &Registry,
        id: ServiceId,
        said: TypePolicy,
        changes: &mut Vec<Change>,
    ) {
        match said {
            TypePolicy::Unspecified => {}
            TypePolicy::ServerDecides => self.forget_policy(registry, id, changes),
            TypePolicy::Singleton | TypePolicy::AllowDuplicates => {
                let before = self.policy(registry, &id, TypePolicy::Unspecified);
                if before == said {
                    return;
                }
                if before == TypePolicy::Unspecified {
                    self.policies_after += 1;
                }
                self.policies.insert(id.clone(), Some(said));
                self.make_room_for_policies(registry, changes);
                changes.push(Change::PolicyRemembered { id, policy: said });
            }
        }
    }

    pub(super) fn forget_policy(
        &mut self,
        registry: &Registry,
        id: ServiceId,
        changes: &mut Vec<Change>,
    ) {
        if self.policy(registry, &id, TypePolicy::Unspecified) != TypePolicy::Unspecified {
            self.leave_policy_out(id, changes);
        }
    }

    fn make_room_for_policies(&mut self, registry: &Registry, changes: &mut Vec<Change>) {
        while self.policies_after > POLICIES_MAX
            && let Some(oldest) = self.oldest_policy(registry)
        {
            self.leave_policy_out(oldest, changes);
        }
    }

    fn leave_policy_out(&mut self, id: ServiceId, changes: &mut Vec<Change>) {
        self.policies_after -= 1;
        self.policies.insert(id.clone(), None);
        changes.push(Change::PolicyForgotten { id });
    }

    /// Whose policy is forgotten to make room: the oldest of a service that is not registered, or,
    /// where there is none, the oldest of all. What this plan has decided itself stays.
    fn oldest_policy(&mut self, registry: &Registry) -> Option<ServiceId> {
        let is_left_alone = |id: &ServiceId| !self.policies.contains_key(id);
        let is_gone = |id: &ServiceId| self.find(registry, id.as_str()).is_none();
        let mut gone = registry.policies.from(self.policies_searched_to);
        if let Some((age, id)) = gone.find(|(_, id)| is_left_alone(id) && is_gone(id)) {
            self.policies_searched_to = age + 1;
            return Some(id.clone());
        }
        self.policies_searched_to = u64::MAX;
        let mut all = registry.policies.from(0);
        all.find(|(_, id)| is_left_alone(id)).map(|(_, id)| id.clone())
    }
}
