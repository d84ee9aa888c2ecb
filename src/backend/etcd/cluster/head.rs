//! The head: how far everything has come, and whether that goes on from what is known.
//!
//! An etcd that is restored from a snapshot, or that is another one, is behind what registries and
//! their subscribers know, or has gone on in another way. Then the list begins another epoch, so
//! that nobody takes what comes for what it knows.

use crate::backend::BackendError;

use super::api::{
    Bytes, Compare, KeyValue, Number, Operation, Put, Range, RangeAnswer, Txn, TxnAnswer,
};
use super::gateway::Gateway;
use super::keys::Keys;
use super::load::{shown, unusable};
use super::record::{self, FORMAT, HeadRecord, LogRecord, unique};
use super::store::EtcdStore;

/// How often others may be first while another epoch begins.
const EPOCH_TRIES: usize = 20;

/// The head as it stands.
pub(super) struct Found {
    pub(super) head: HeadRecord,
    /// The revision in which it came to be so.
    pub(super) since: Number,
    /// The revision of all etcd.
    pub(super) revision: Number,
    /// Which etcd it is.
    pub(super) cluster: u64,
}

impl EtcdStore {
    /// The head, which goes on from what is known, or begins something else.
    pub(super) fn find_continuation(&mut self) -> Result<Found, BackendError> {
        for _ in 0..EPOCH_TRIES {
            let found = self.load_head()?;
            if found.head.cluster == found.cluster && self.is_continued_by(&found.head)? {
                return Ok(found);
            }
            log::warn!(
                "etcd was set back, or is another one: the list begins again, in another epoch"
            );
            self.begin_epoch(&found)?;
        }
        Err(BackendError::new("others change the list all the time; try again"))
    }

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
        find(&mut self.gateway, &self.keys)
    }

    /// Should another registry be first, its head is the one.
    fn make_head(&mut self) -> Result<(), BackendError> {
        let range = Range { key: self.keys.head(), ..Range::default() };
        let answer: RangeAnswer = self.gateway.ask_all("kv/range", &range)?;
        let head = HeadRecord::new(answer.header.cluster_id.0);
        let put = Put { key: self.keys.head(), value: record::write(&head), lease: None };
        let txn = Txn {
            compare: [Compare::is_absent(self.keys.head())],
            success: vec![Operation::Put(put)],
            failure: Vec::new(),
        };
        let _: TxnAnswer = self.gateway.ask_all("kv/txn", &txn)?;
        Ok(())
    }

    /// Whether what is known comes before `head`, as far as that can be told: not where it is
    /// beyond the reach of the log.
    fn is_continued_by(&mut self, head: &HeadRecord) -> Result<bool, BackendError> {
        let known = &self.head;
        if head.epoch != known.epoch {
            return Ok(true);
        }
        if head.entry <= known.entry {
            return Ok(head.entry == known.entry && head.nonce == known.nonce);
        }
        let next = known.entry + 1;
        let range = Range { key: self.keys.log_of(next), ..Range::default() };
        let answer: RangeAnswer = self.gateway.ask_all("kv/range", &range)?;
        let log = |found: &KeyValue| record::read::<LogRecord>(&found.value).ok();
        let found = answer.kvs.first().and_then(log).filter(|log| log.entry == next);
        Ok(found.is_none_or(|log| log.behind == self.head.nonce))
    }

    /// Begins another epoch after `found`, unless somebody changes that meanwhile. All who follow
    /// are told by a transaction of that epoch, which changes nothing else.
    fn begin_epoch(&mut self, found: &Found) -> Result<(), BackendError> {
        let before = &found.head;
        let (epoch, nonce, entry) = (unique(), unique(), before.entry + 1);
        let log = LogRecord {
            epoch: epoch.clone(),
            entry,
            by: self.name.clone(),
            nonce: nonce.clone(),
            behind: before.nonce.clone(),
            at: 0,
            facts: Vec::new(),
        };
        let head = HeadRecord { epoch, cluster: found.cluster, nonce, entry, ..before.clone() };
        let put = |key, value| Operation::Put(Put { key, value, lease: None });
        let txn = Txn {
            compare: [Compare::holds(self.keys.head(), record::write(before))],
            success: vec![
                put(self.keys.head(), record::write(&head)),
                put(self.keys.log_of(entry), record::write(&log)),
            ],
            failure: Vec::new(),
        };
        let _: TxnAnswer = self.gateway.ask_all("kv/txn", &txn)?;
        Ok(())
    }
}

/// The head, where there is one.
pub(super) fn find(gateway: &mut Gateway, keys: &Keys) -> Result<Option<Found>, BackendError> {
    let range = Range { key: keys.head(), ..Range::default() };
    let answer: RangeAnswer = gateway.ask_all("kv/range", &range)?;
    let [head] = answer.kvs.as_slice() else { return Ok(None) };
    let record: HeadRecord =
        record::read(&head.value).map_err(|reason| unusable(&head.key, &reason))?;
    if record.format > FORMAT {
        return Err(BackendError::new(format!(
            "{} is of format {}, and this version knows formats up to {FORMAT}; install the newer \
             version here, too",
            shown(&head.key),
            record.format
        )));
    }
    let (since, revision) = (head.mod_revision, answer.header.revision);
    let cluster = answer.header.cluster_id.0;
    Ok(Some(Found { head: record, since, revision, cluster }))
}

/// That what stands under `head` is no list yet.
pub(super) fn unfinished(head: &Bytes) -> BackendError {
    BackendError::new(format!(
        "{} says that an import is under way, or was interrupted: wait until it is done, or do it \
         again with `service-registry import --force`",
        shown(head)
    ))
}
