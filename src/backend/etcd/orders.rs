//! The order of registration, which all registries agree on.
//!
//! A service has the place that its first registration gives it: that of the transaction, and of
//! the fact in it. It keeps it until it is gone.

use std::collections::HashMap;

use crate::registry::Fact;
use crate::service::ServiceId;

/// How many places a transaction has, which is more than etcd takes changes in one.
const PER_TRANSACTION: u64 = 1_024;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Orders(HashMap<ServiceId, u64>);

/// The place of the `index`th fact of a transaction.
pub(super) fn fresh(transaction: u64, index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    transaction.saturating_mul(PER_TRANSACTION).saturating_add(index)
}

impl Orders {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The place of `id`, where it has one.
    pub(super) fn get(&self, id: &ServiceId) -> Option<u64> {
        self.0.get(id).copied()
    }

    pub(super) fn note(&mut self, id: ServiceId, order: u64) {
        self.0.insert(id, order);
    }

    /// Follows what a transaction changes.
    pub(super) fn follow(&mut self, transaction: u64, facts: &[Fact]) {
        for (index, fact) in facts.iter().enumerate() {
            match fact {
                Fact::Registered { service, .. } => {
                    self.0.entry(service.id.clone()).or_insert_with(|| fresh(transaction, index));
                }
                Fact::Deregistered { id } | Fact::Expired { id, .. } => {
                    self.0.remove(id);
                }
                Fact::PolicyRemembered { .. } | Fact::PolicyForgotten { .. } => {}
            }
        }
    }
}
