//! All that was committed, as the plainest backend keeps it. `fuzz` has it from here, too.

use service_registry::backend::{Contents, Record, StoredService};

/// What `contents` becomes by `record`.
pub(crate) fn commit(contents: &mut Contents, record: &Record<'_>) {
    let Contents { services, policies } = contents;
    match *record {
        Record::Stored { service, last_heartbeat } => {
            let new = StoredService { service: service.clone(), last_heartbeat };
            match services.iter_mut().find(|known| known.service.id == service.id) {
                Some(known) => *known = new,
                None => services.push(new),
            }
        }
        Record::Renewed { id, last_heartbeat } => {
            let known = services.iter_mut().filter(|known| known.service.id == *id);
            known.for_each(|known| known.last_heartbeat = last_heartbeat);
        }
        Record::Removed { id } => services.retain(|known| known.service.id != *id),
        Record::PolicyStored { id, policy } => {
            policies.retain(|(known, _)| known != id);
            policies.push((id.clone(), policy));
        }
        Record::PolicyRemoved { id } => policies.retain(|(known, _)| known != id),
    }
}
