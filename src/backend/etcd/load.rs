//! Taking the whole list from etcd: everything as it stood at one revision.

use std::collections::HashMap;

use serde::Deserialize;
use uuid::Uuid;

use crate::backend::shared::Beat;
use crate::backend::{BackendError, StoredService};
use crate::clock::WallTime;
use crate::service::{ServiceId, TypePolicy};

use super::api::{
    Bytes, Compare, KeyValue, Number, Operation, Put, Range, RangeAnswer, Txn, TxnAnswer,
};
use super::keys::{Feed, behind};
use super::record::{self, BeatRecord, FORMAT, HeadRecord, PolicyRecord, ServiceRecord};
use super::store::Store;

/// How many keys are asked for at once.
const PAGE: u64 = 500;

impl Store {
    /// The head, and the revision of all etcd; makes one where there is none.
    pub(super) fn load_head(&mut self) -> Result<Number, BackendError> {
        let range = Range { key: self.keys.head(), ..Range::default() };
        let mut answer: RangeAnswer = self.gateway.ask_all("kv/range", &range)?;
        if answer.kvs.is_empty() {
            self.make_head()?;
            answer = self.gateway.ask_all("kv/range", &range)?;
        }
        let [head] = answer.kvs.as_slice() else {
            return Err(BackendError::new("etcd does not keep what it is given"));
        };
        let record: HeadRecord =
            record::read(&head.value).map_err(|reason| unusable(&head.key, &reason))?;
        if record.format > FORMAT {
            return Err(BackendError::new(format!(
                "{} is of format {}, and this version knows formats up to {FORMAT}; install the \
                 newer version here, too",
                shown(&head.key),
                record.format
            )));
        }
        (self.head, self.revision) = (record, head.mod_revision);
        Ok(answer.header.revision)
    }

    /// Should another registry be first, its head is the one.
    fn make_head(&mut self) -> Result<(), BackendError> {
        let epoch = Uuid::new_v4().to_string();
        let head = HeadRecord { format: FORMAT, epoch, seq: 0, entry: 0 };
        let put = Put { key: self.keys.head(), value: record::write(&head), lease: None };
        let txn = Txn {
            compare: [Compare::unchanged(self.keys.head(), Number(0))],
            success: vec![Operation::Put(put)],
            failure: Vec::new(),
        };
        let _: TxnAnswer = self.gateway.ask_all("kv/txn", &txn)?;
        Ok(())
    }

    /// All that stands under `folder`, as it stood at `revision`.
    pub(super) fn folder(
        &mut self,
        folder: &Bytes,
        revision: Number,
    ) -> Result<Vec<KeyValue>, BackendError> {
        let mut all: Vec<KeyValue> = Vec::new();
        let mut key = folder.clone();
        loop {
            let range = Range {
                key,
                range_end: Some(behind(folder)),
                limit: Some(Number(PAGE)),
                revision: Some(revision),
                ..Range::default()
            };
            let answer: RangeAnswer = self.gateway.ask_all("kv/range", &range)?;
            let last = answer.kvs.last().map(|last| last.key.clone());
            all.extend(answer.kvs);
            match last {
                Some(last) if answer.more => {
                    key = last;
                    key.0.push(0);
                }
                _ => return Ok(all),
            }
        }
    }

    /// The services in their order, each with who heard it last.
    pub(super) fn load_services(
        &mut self,
        revision: Number,
    ) -> Result<Vec<(StoredService, Box<str>)>, BackendError> {
        let folder = self.keys.services();
        let mut records: Vec<ServiceRecord> =
            self.folder(&folder, revision)?.iter().filter_map(usable).collect();
        records.sort_by_key(|record| record.order);
        let heard = self.load_heard(revision)?;
        self.orders.clear();
        let mut services = Vec::new();
        for record in records {
            let Ok(mut stored) = record.stored() else { continue };
            self.orders.note(stored.service.id.clone(), record.order);
            let mut home = record.by;
            if let Some((time, by)) = heard.get(&stored.service.id)
                && *time >= stored.last_heartbeat
            {
                stored.last_heartbeat = *time;
                home.clone_from(by);
            }
            services.push((stored, home));
        }
        Ok(services)
    }

    /// Who heard each service last, and when.
    fn load_heard(
        &mut self,
        revision: Number,
    ) -> Result<HashMap<ServiceId, (WallTime, Box<str>)>, BackendError> {
        let mut all = HashMap::new();
        for beat in self.load_beats(revision)? {
            for (id, time) in beat.heard {
                all.insert(id, (time, beat.by.clone()));
            }
        }
        Ok(all)
    }

    /// The last beats in which something was heard, in their order.
    pub(super) fn load_beats(&mut self, revision: Number) -> Result<Vec<Beat>, BackendError> {
        let folder = self.keys.heard();
        let mut found = self.folder(&folder, revision)?;
        found.sort_by_key(|beat| beat.mod_revision);
        let beat = |found: &KeyValue| {
            let Feed::Heard { by } = self.keys.read_feed(&found.key)? else { return None };
            let record: BeatRecord = usable(found)?;
            Some(Beat { by: by.into(), own: None, heard: record.heard().collect() })
        };
        Ok(found.iter().filter_map(beat).collect())
    }

    /// What ids said about sharing their type, in the order in which they said it.
    pub(super) fn load_policies(
        &mut self,
        revision: Number,
    ) -> Result<Vec<(ServiceId, TypePolicy)>, BackendError> {
        let folder = self.keys.policies();
        let found = self.folder(&folder, revision)?;
        let mut records: Vec<PolicyRecord> = found.iter().filter_map(usable).collect();
        records.sort_by_key(|record| record.order);
        Ok(records.iter().filter_map(|record| record.stored().ok()).collect())
    }

    /// The names of the registries that are there.
    pub(super) fn load_registries(
        &mut self,
        revision: Number,
    ) -> Result<Vec<Box<str>>, BackendError> {
        let folder = self.keys.registries();
        let found = self.folder(&folder, revision)?;
        let name = |found: &KeyValue| match self.keys.read_feed(&found.key) {
            Some(Feed::Registry { name }) => Some(name.into()),
            _ => None,
        };
        Ok(found.iter().filter_map(name).collect())
    }
}

/// The record in `found`. One that is none stays where it is: it may be of use to whoever wrote
/// it.
fn usable<'a, Record: Deserialize<'a>>(found: &'a KeyValue) -> Option<Record> {
    match record::read(&found.value) {
        Ok(record) => Some(record),
        Err(reason) => {
            log::warn!("{} is left out: {reason}; correct or delete it", shown(&found.key));
            None
        }
    }
}

/// The key as text, with its quotes and escapes: it has ids in it, which come from clients.
pub(super) fn shown(key: &Bytes) -> String {
    format!("{:?} in etcd", String::from_utf8_lossy(&key.0))
}

/// That nothing can be made of what stands under `key`.
pub(super) fn unusable(key: &Bytes, reason: &str) -> BackendError {
    BackendError::new(format!("{} is none of this registry's: {reason}", shown(key)))
}
