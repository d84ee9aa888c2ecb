//! What a client asks to register.

use uuid::Uuid;

use crate::access::Origin;
use crate::json::Json;
use crate::limits::{Exceeded, Limit, Limits};

use super::{Description, Parts, Service, ServiceId, TypePolicy};

/// The wish of a client to have a service registered, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The id that the client wants; without one the registry makes one from the name.
    pub id: Option<ServiceId>,
    /// What the service says of itself.
    pub description: Description,
    /// How many tags it brought. Its type is one more, where it is not among them.
    pub tags_brought: usize,
    /// May the type be shared?
    pub policy: TypePolicy,
    /// Who asks.
    pub from: Origin,
    /// The whole `service_info` as it was received; subscribers see fields in it that the
    /// registry neither knows nor stores.
    pub received: Json,
}

impl Registration {
    /// The registration of a service with these `parts`, of which `received` is what its client
    /// sent. It says nothing of sharing its type, and nobody knows yet who asks.
    #[must_use]
    pub fn new(id: Option<ServiceId>, parts: Parts<'_>, received: Json) -> Self {
        let tags_brought = parts.tags.count();
        let (policy, from) = (TypePolicy::Unspecified, Origin::default());
        Self { id, description: parts.into(), tags_brought, policy, from, received }
    }

    /// Refuses what is more than `limits` allow.
    ///
    /// # Errors
    /// [`Exceeded`], for the first limit.
    pub fn check(&self, limits: &Limits) -> Result<(), Exceeded> {
        let ttl = u64::from(self.description.ttl().seconds());
        if ttl < limits.get(Limit::TtlMin) {
            return Err(limits.exceeded(Limit::TtlMin));
        }
        if ttl > limits.get(Limit::TtlMax) {
            return Err(limits.exceeded(Limit::TtlMax));
        }
        limits.check(Limit::Tags, self.tags_brought)?;
        let id = match &self.id {
            Some(id) => id.as_str().len(),
            // What is made of the name must be short enough to be given the next time.
            None => ServiceId::generate(&self.description.name(), Uuid::nil()).as_str().len(),
        };
        limits.check(Limit::NameBytes, self.description.longest_name().max(id))?;
        limits.check(Limit::ServiceBytes, self.received.as_str().len())
    }

    /// The service that this registration makes under `id`, and what its client sent, with that.
    #[must_use]
    pub fn into_service(self, id: ServiceId) -> (Service, Json) {
        let Self { description, from, mut received, .. } = self;
        received.set_text("id", id.as_str());
        (Service { id, description, owner: from.address }, received)
    }
}
