//! Taking the whole list from etcd: everything as it stood at one revision.

use std::collections::HashMap;

use serde::Deserialize;

use crate::backend::shared::{Beat, Picture};
use crate::backend::{BackendError, StoredService};
use crate::clock::WallTime;
use crate::registry::{Epoch, Sequence};
use crate::service::{ServiceId, TypePolicy};

use super::api::{Bytes, KeyValue, Number, Range, RangeAnswer};
use super::head::Found;
use super::keys::{Feed, behind};
use super::orders::Orders;
use super::record::{self, BeatRecord, PolicyRecord, ServiceRecord};
use super::store::EtcdStore;

/// How many keys are asked for at once.
const PAGE: u64 = 500;

/// The same of beats, which may be long.
const BEATS_PAGE: u64 = 64;

/// A service, with the name of the registry that heard it last.
type HeardService = (StoredService, Box<str>);

impl EtcdStore {
    /// All that belongs to the head that was found, which is known from then on.
    pub(super) fn load_behind(&mut self, found: Found) -> Result<Picture, BackendError> {
        let Found { head, since, revision, .. } = found;
        let (services, orders) = self.load_services(revision)?;
        let policies = self.load_policies(revision)?;
        let registries = self.load_registries(revision)?;
        // Only now that all of it is there: what follows is asked for from here on.
        (self.head, self.since, self.orders) = (head, since, orders);
        let sequence = Sequence { epoch: Epoch::new(&self.head.epoch), seq: self.head.seq };
        Ok(Picture { sequence, services, policies, registries, revision: revision.0 })
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
