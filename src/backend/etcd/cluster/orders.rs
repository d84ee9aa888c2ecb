//! The order of registration, which all registries agree on.
//!
//! A service has the place that its first registration gives it: that of the transaction, and of
//! the fact in it. It keeps it until it is gone.

use std::collections::HashMap;

use crate::registry::{Change, Fact};
use crate::service::ServiceId;

/// How many places a transaction has, which is more than etcd takes changes in one.
const PER_TRANSACTION: u64 = 1_024;

/// The places of all services in the order of registration.
#[derive(Debug, Default)]
pub(super) struct Orders(HashMap<ServiceId, u64>);

/// The places as they will be after changes that are not stored yet.
pub(super) struct PlannedOrders<'a> {
    orders: &'a Orders,
    changed: HashMap<&'a ServiceId, Option<u64>>,
}

/// The place of the `index`th fact of a transaction.
pub(super) fn fresh(transaction: u64, index: usize) -> u64 {
    let index = u64::try_from(index).unwrap_or(u64::MAX);
    transaction.saturating_mul(PER_TRANSACTION).saturating_add(index)
}

impl Orders {
    /// For a transaction that is planned.
    pub(super) fn plan(&self) -> PlannedOrders<'_> {
        PlannedOrders { orders: self, changed: HashMap::new() }
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

impl<'a> PlannedOrders<'a> {
    /// Follows what is planned next, whose place is `fresh` unless it has one: a service that
    /// registers again under its id keeps its place, and loses it where it was gone in between.
    pub(super) fn follow(&mut self, change: &'a Change, fresh: u64) -> u64 {
        match change {
            Change::Registered { entry, .. } => {
                let id = &entry.service.id;
                let stored = || self.orders.0.get(id).copied();
                let order = self.changed.get(id).copied().unwrap_or_else(stored).unwrap_or(fresh);
                self.changed.insert(id, Some(order));
                order
            }
            Change::Deregistered { entry } | Change::Expired { entry, .. } => {
                self.changed.insert(&entry.service.id, None);
                fresh
            }
            _ => fresh,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::access::Origin;
    use crate::clock::{ListeningTime, Now, WallTime};
    use crate::json::Json;
    use crate::registry::{Epoch, Plan, Registry};
    use crate::service::{Parts, Registration, samples};

    fn registration(id: &str) -> Registration {
        samples::registration(id, Parts::new(id, "h", 1))
    }

    fn fact(change: &Change) -> Fact {
        match change {
            Change::Registered { entry, .. } => Fact::Registered {
                service: entry.service.clone(),
                service_info: Json::empty_object(),
            },
            Change::Deregistered { entry } => Fact::Deregistered { id: entry.service.id.clone() },
            other => panic!("{other:?} was not asked for"),
        }
    }

    #[test]
    fn the_places_that_are_stored_are_those_that_all_find_who_follow() {
        let wall = WallTime::from_unix_seconds(1);
        let now = Now { wall, listening: ListeningTime::START, pauses: 0 };
        let registry = Registry::new(Epoch::new("epoch"), false);
        let mut plan = Plan::new(&registry, now);
        let mut orders = Orders::default();
        let old = [plan.register(&registry, registration("a"), Uuid::nil())];
        orders.follow(1, &[fact(&old[0].changes[0])]);
        let a = ServiceId::new("a").unwrap();
        let changes: Vec<Change> = [
            plan.register(&registry, registration("a"), Uuid::nil()),
            plan.register(&registry, registration("b"), Uuid::nil()),
            plan.register(&registry, registration("c"), Uuid::nil()),
            plan.deregister(&registry, &a, Origin::default()),
            plan.register(&registry, registration("b"), Uuid::nil()),
            plan.register(&registry, registration("a"), Uuid::nil()),
            plan.register(&registry, registration("a"), Uuid::nil()),
        ]
        .into_iter()
        .flat_map(|planned| planned.changes)
        .collect();

        let mut planned = orders.plan();
        let stored: HashMap<ServiceId, u64> = changes
            .iter()
            .enumerate()
            .filter_map(|(index, change)| {
                let place = planned.follow(change, fresh(2, index));
                let Change::Registered { entry, .. } = change else { return None };
                Some((entry.service.id.clone(), place))
            })
            .collect();
        let facts: Vec<Fact> = changes.iter().map(fact).collect();
        orders.follow(2, &facts);

        assert_eq!(stored, orders.0);
        let place = |id: &str| stored[&ServiceId::new(id).unwrap()];
        assert!(place("b") < place("c") && place("c") < place("a"));
    }
}
