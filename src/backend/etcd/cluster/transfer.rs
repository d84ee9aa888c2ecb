//! Moving the list from and to elsewhere.

use serde_json::json;

use crate::backend::shared::Proposal;
use crate::backend::{BackendError, Contents, Existing, ImportError, Record};
use crate::clock::WallTime;
use crate::json::Json;
use crate::service::Service;

use super::head::unfinished;
use super::orders::fresh;
use super::record::{FactRecord, PolicyRecord, ServiceRecord};
use super::store::{CHANGES_MAX, EtcdStore};

/// How many bytes of services go into one transaction. Each stands in it three times, and etcd
/// takes 1.5 MiB unless it is told otherwise.
const BYTES_MAX: usize = 256 * 1024;

impl EtcdStore {
    /// All that is kept, as it stands at one moment.
    pub(super) fn export(&mut self) -> Result<Contents, BackendError> {
        let found = self.find_head()?.ok_or_else(|| {
            BackendError::new("no registry has used etcd under this prefix; correct `etcd: prefix`")
        })?;
        if found.head.is_unfinished {
            return Err(unfinished(&self.keys.head()));
        }
        let picture = self.load_behind(found)?;
        let services = picture.services.into_iter().map(|(stored, _)| stored).collect();
        Ok(Contents { services, policies: picture.policies })
    }

    /// Makes `contents` all that is kept, in as many transactions as that takes. Until the last of
    /// them, what is there is no list: no registry starts on it, and nobody can export it.
    pub(super) fn import(
        &mut self,
        contents: &Contents,
        existing: Existing,
        now: WallTime,
    ) -> Result<(), ImportError> {
        let found = self.find_continuation()?;
        let is_unfinished = found.head.is_unfinished;
        let picture = self.load_behind(found)?;
        if !picture.registries.is_empty() {
            return Err(ImportError::InUse(picture.registries));
        }
        let services = picture.services.into_iter().map(|(stored, _)| stored).collect();
        let before = Contents { services, policies: picture.policies };
        if existing == Existing::Keep && is_unfinished {
            return Err(unfinished(&self.keys.head()).into());
        }
        if existing == Existing::Keep && !before.is_empty() {
            let (services, policies) = (before.services.len(), before.policies.len());
            return Err(ImportError::NotEmpty { services, policies });
        }
        let all = contents.in_place_of(&before);
        let mut done = 0;
        // Once more even for nothing, where an import was interrupted.
        while done < all.len() || self.head.is_unfinished {
            let piece = &all[done..done + piece_length(&all[done..])];
            let is_unfinished = done + piece.len() < all.len();
            self.import_piece(piece, now, is_unfinished)
                .map_err(|reason| ImportError::Interrupted { done, all: all.len(), reason })?;
            done += piece.len();
        }
        Ok(())
    }

    fn import_piece(
        &mut self,
        piece: &[Record<'_>],
        now: WallTime,
        is_unfinished: bool,
    ) -> Result<(), BackendError> {
        let entry = self.head.entry + 1;
        let facts = piece
            .iter()
            .enumerate()
            .filter_map(|(index, record)| fact(record, fresh(entry, index), &self.name));
        let prepared = self.prepare_records(facts.collect(), now, is_unfinished)?;
        match self.send(&prepared)? {
            Proposal::Stored => Ok(()),
            Proposal::Overtaken(_) => Err(BackendError::new(
                "a registry that was started meanwhile stores there, too; stop it first",
            )),
        }
    }
}

/// How many of `records` go into one transaction: at least one, where there is one.
fn piece_length(records: &[Record<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |record: &&Record<'_>| {
        bytes += match record {
            Record::Stored { service, .. } => service.bytes(),
            _ => 0,
        };
        bytes <= BYTES_MAX
    };
    records.iter().take(CHANGES_MAX).take_while(fits).count().max(1).min(records.len())
}

/// The fact that `record` is; none, where it is none that others must be told.
fn fact(record: &Record<'_>, order: u64, by: &str) -> Option<FactRecord> {
    Some(match *record {
        Record::Stored { service, last_heartbeat } => FactRecord::Registered {
            service: ServiceRecord::new(service, last_heartbeat, order, by),
            service_info: service_info(service),
        },
        Record::Renewed { .. } => return None,
        Record::Removed { id } => FactRecord::Deregistered { id: id.as_str().into() },
        Record::PolicyStored { id, policy } => {
            FactRecord::PolicyRemembered(PolicyRecord::new(id, policy, order))
        }
        Record::PolicyRemoved { id } => FactRecord::PolicyForgotten { id: id.as_str().into() },
    })
}

/// What a client would have sent to register `service`.
fn service_info(service: &Service) -> Json {
    let (before, behind) = service.description.halves();
    Json::of_fields([&format!(r#""id":{}"#, json!(service.id)), before, behind])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Metadata, Parts, ServiceId, samples};

    fn service(metadata_bytes: usize) -> Service {
        let metadata = json!({"x": "x".repeat(metadata_bytes)}).to_string();
        let metadata = Metadata::from_json(&metadata).unwrap();
        samples::service("a", Parts { metadata, ..Parts::new("a", "h", 1) })
    }

    #[test]
    fn a_transaction_has_as_much_as_etcd_takes() {
        let last_heartbeat = WallTime::from_unix_seconds(0);
        for (bytes, expected) in
            [(0, CHANGES_MAX), (BYTES_MAX / 4, 3), (BYTES_MAX, 1), (2 * BYTES_MAX, 1)]
        {
            let service = service(bytes);
            let records = vec![Record::Stored { service: &service, last_heartbeat }; 200];

            assert_eq!(piece_length(&records), expected, "{bytes}");
        }
        let id = ServiceId::new("a").unwrap();
        assert_eq!(piece_length(&[Record::Removed { id: &id }; 7]), 7);
    }
}
