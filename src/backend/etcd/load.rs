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
use super::orders::Orders;
use super::record::{self, BeatRecord, FORMAT, HeadRecord, PolicyRecord, ServiceRecord};
use super::store::Store;

/// How many keys are asked for at once.
const PAGE: u64 = 500;

/// The same of beats, which may be long.
const BEATS_PAGE: u64 = 64;

/// A service, with the name of the registry that heard it last.
type HeardService = (StoredService, Box<str>);

/// The head as it stands.
pub(super) struct Found {
    pub(super) head: HeadRecord,
    /// The revision in which it came to be so.
    pub(super) since: Number,
    /// The revision of all etcd.
    pub(super) revision: Number,
}

impl Store {
    /// The head; makes one where there is none.
    pub(super) fn load_head(&mut self) -> Result<Found, BackendError> {
        if let Some(found) = self.find_head()? {
            return Ok(found);
        }
        self.make_head()?;
        self.find_head()?.ok_or_else(|| BackendError::new("etcd does not keep what it is given"))
    }

    /// The head, where there is one.
    pub(super) fn find_head(&mut self) -> Result<Option<Found>, BackendError> {
        let range = Range { key: self.keys.head(), ..Range::default() };
        let answer: RangeAnswer = self.gateway.ask_all("kv/range", &range)?;
        let [head] = answer.kvs.as_slice() else { return Ok(None) };
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
        let (since, revision) = (head.mod_revision, answer.header.revision);
        Ok(Some(Found { head: record, since, revision }))
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

    /// All that stands under `folder`, as it stood at `revision`, so many keys at once.
    fn folder(
        &mut self,
        folder: &Bytes,
        revision: Number,
        page: u64,
    ) -> Result<Vec<KeyValue>, BackendError> {
        let mut all: Vec<KeyValue> = Vec::new();
        let mut key = folder.clone();
        loop {
            let range = Range {
                key,
                range_end: Some(behind(folder)),
                limit: Some(Number(page)),
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

    /// The services in their order, each with who heard it last, and their places in it.
    pub(super) fn load_services(
        &mut self,
        revision: Number,
    ) -> Result<(Vec<HeardService>, Orders), BackendError> {
        let folder = self.keys.services();
        let mut records: Vec<ServiceRecord> =
            self.folder(&folder, revision, PAGE)?.iter().filter_map(usable).collect();
        records.sort_by_key(|record| record.order);
        let heard = self.load_heard(revision)?;
        let (mut services, mut orders) = (Vec::new(), Orders::default());
        for record in records {
            let Ok(mut stored) = record.stored() else { continue };
            orders.note(stored.service.id.clone(), record.order);
            let mut home = record.by;
            if let Some((time, by)) = heard.get(&stored.service.id)
                && *time >= stored.last_heartbeat
            {
                stored.last_heartbeat = *time;
                home.clone_from(by);
            }
            services.push((stored, home));
        }
        Ok((services, orders))
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
        let mut found = self.folder(&folder, revision, BEATS_PAGE)?;
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
        let found = self.folder(&folder, revision, PAGE)?;
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
        let found = self.folder(&folder, revision, PAGE)?;
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
