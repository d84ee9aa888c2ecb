//! The half of the etcd backend that keeps the list.

use std::collections::HashMap;

use crate::backend::BackendError;
use crate::backend::shared::{
    Lives, Missed, Picture, Proposal, SharedBackend, SignOfLife, Standing, Transaction,
    TransactionPlace,
};
use crate::clock::WallTime;
use crate::registry::{Change, Fact};

use super::api::{
    Bytes, Compare, Delete, KeyValue, Number, Operation, Put, Range, RangeAnswer, Txn, TxnAnswer,
};
use super::gateway::{CallError, Gateway};
use super::head::unfinished;
use super::keys::{Keys, behind};
use super::load::unusable;
use super::orders::{Orders, fresh};
use super::record::{self, FactRecord, HeadRecord, LogRecord, unique};

/// How many transactions that were missed are asked for at once.
const MISSED_MAX: u64 = 64;

/// What etcd takes in one transaction unless it is told otherwise, but for the head and the log.
pub(super) const CHANGES_MAX: usize = 126;

/// The list in etcd, as far as this registry has followed it.
pub(super) struct EtcdStore {
    pub(super) gateway: Gateway,
    pub(super) keys: Keys,
    pub(super) name: Box<str>,
    /// How far this registry has followed.
    pub(super) head: HeadRecord,
    /// The revision in which the head came to be so.
    pub(super) since: Number,
    pub(super) orders: Orders,
}

/// A transaction that is ready to be sent.
pub(super) struct PreparedTransaction {
    txn: Txn,
    /// What comes of it.
    head: HeadRecord,
    facts: Vec<Fact>,
}

impl EtcdStore {
    pub(super) fn new(gateway: Gateway, keys: Keys, name: Box<str>) -> Self {
        let (head, orders) = (HeadRecord::of_nothing(), Orders::default());
        Self { gateway, keys, name, head, since: Number(0), orders }
    }

    /// The question for what was stored since.
    fn missed_range(&self) -> Range {
        Range {
            key: self.keys.log(),
            range_end: Some(behind(&self.keys.log())),
            limit: Some(Number(MISSED_MAX)),
            min_mod_revision: Some(Number(self.since.0 + 1)),
            sort_order: Some("ASCEND"),
            sort_target: Some("MOD"),
            ..Range::default()
        }
    }

    /// The transactions among `found`, which stand in their order; too much, where the first of
    /// them is not the next one, or one of them does not go on from the one before.
    fn read_missed(&self, found: &[KeyValue]) -> Result<Missed, BackendError> {
        let mut transactions: Vec<Transaction> = Vec::new();
        for (number, found) in (self.head.entry + 1..).zip(found) {
            let transaction = read_transaction(found)?;
            let before = transactions.last().map_or(&self.head.nonce, |before| &before.mark);
            if transaction.number != number
                || *transaction.epoch.as_str() != *self.head.epoch
                || transaction.behind != *before
            {
                return Ok(Missed::TooMuch);
            }
            transactions.push(transaction);
        }
        Ok(Missed::Transactions(transactions))
    }

    /// The transaction that makes `changes` true.
    fn prepare(
        &self,
        changes: &[&Change],
        at: WallTime,
    ) -> Result<PreparedTransaction, BackendError> {
        let entry = self.head.entry + 1;
        let mut records = Vec::new();
        let mut orders = self.orders.plan();
        for change in changes {
            let order = orders.follow(change, fresh(entry, records.len()));
            records.extend(FactRecord::new(change, order, &self.name));
        }
        self.prepare_records(records, at, false)
    }

    /// The transaction that makes `records` true, in their order, whether there is more to come
    /// before all of it is a list or not.
    pub(super) fn prepare_records(
        &self,
        records: Vec<FactRecord>,
        at: WallTime,
        is_unfinished: bool,
    ) -> Result<PreparedTransaction, BackendError> {
        let entry = self.head.entry + 1;
        // Etcd takes one change of a key: the last one is what comes of them all.
        let operations: HashMap<_, _> = records.iter().map(|record| self.kept(record)).collect();
        check_size(operations.len())?;
        let nonce = unique();
        let log = LogRecord {
            epoch: self.head.epoch.clone(),
            entry,
            by: self.name.clone(),
            nonce: nonce.clone(),
            behind: self.head.nonce.clone(),
            at: at.unix_seconds(),
            facts: records,
        };
        let log_value = record::write(&log);
        let unusable = |reason: String| unusable(&self.keys.log_of(entry), &reason);
        let facts = log.transaction(0).map_err(unusable)?.facts;
        let head = HeadRecord {
            nonce,
            seq: self.head.seq + events(&facts),
            entry,
            is_unfinished,
            ..self.head.clone()
        };
        let mut success = vec![
            put(self.keys.head(), record::write(&head)),
            put(self.keys.log_of(entry), log_value),
        ];
        success.extend(operations.into_iter().map(|(key, value)| match value {
            Some(value) => put(key, value),
            None => Operation::Delete(Delete { key }),
        }));
        let compare = [Compare::holds(self.keys.head(), record::write(&self.head))];
        let failure = vec![Operation::Range(self.missed_range())];
        Ok(PreparedTransaction { txn: Txn { compare, success, failure }, head, facts })
    }

    /// What stands in etcd because of a fact: a value under a key, or none any more.
    fn kept(&self, fact: &FactRecord) -> (Bytes, Option<Bytes>) {
        match fact {
            FactRecord::Registered { service, .. } => {
                (self.keys.service(service.id()), Some(record::write(service)))
            }
            FactRecord::Deregistered { id } | FactRecord::Expired { id, .. } => {
                (self.keys.service(id), None)
            }
            FactRecord::PolicyRemembered(policy) => {
                (self.keys.policy(policy.id()), Some(record::write(policy)))
            }
            FactRecord::PolicyForgotten { id } => (self.keys.policy(id), None),
        }
    }

    /// The same transaction can be sent again and again: it changes the head that it must find,
    /// so it happens once at the most.
    pub(super) fn send(
        &mut self,
        prepared: &PreparedTransaction,
    ) -> Result<Proposal, BackendError> {
        let mut is_in_doubt = false;
        let mut reason = String::new();
        for _ in 0..self.gateway.members().max(2) {
            match self.gateway.ask::<TxnAnswer>("kv/txn", &prepared.txn) {
                Ok(answer) if answer.succeeded => {
                    self.advance(prepared.head.clone(), answer.header.revision, &prepared.facts);
                    return Ok(Proposal::Stored);
                }
                Ok(answer) => {
                    let range =
                        answer.responses.into_iter().find_map(|answer| answer.response_range);
                    return self
                        .settle(prepared, &range.map(|range| range.kvs).unwrap_or_default());
                }
                Err(CallError::NotAsked(text)) => reason = text,
                Err(CallError::InDoubt(text)) => (is_in_doubt, reason) = (true, text),
                Err(CallError::Refused(text)) => {
                    reason = text;
                    break;
                }
                Err(error @ CallError::TooLarge(_)) => return Err(error.into()),
            }
        }
        Err(BackendError::new(if is_in_doubt {
            format!("{reason}; whether it was stored is not known, and will show")
        } else {
            reason
        }))
    }

    /// What became of `prepared`, whose comparison failed: it was stored all the same, where an
    /// earlier try of it was, whose answer was lost.
    fn settle(
        &mut self,
        prepared: &PreparedTransaction,
        found: &[KeyValue],
    ) -> Result<Proposal, BackendError> {
        if let Some(first) = found.first() {
            let log: LogRecord =
                record::read(&first.value).map_err(|reason| unusable(&first.key, &reason))?;
            if log.nonce == prepared.head.nonce {
                self.advance(prepared.head.clone(), first.mod_revision, &prepared.facts);
                return Ok(Proposal::Stored);
            }
        }
        match self.read_missed(found)? {
            // The head is another one, and nobody wrote down why.
            Missed::Transactions(none) if none.is_empty() => {
                Ok(Proposal::Overtaken(Missed::TooMuch))
            }
            missed => Ok(Proposal::Overtaken(missed)),
        }
    }

    /// Notes what came of the transaction that was stored next.
    fn advance(&mut self, head: HeadRecord, since: Number, facts: &[Fact]) {
        self.orders.follow(head.entry, facts);
        (self.head, self.since) = (head, since);
    }
}

impl SharedBackend for EtcdStore {
    fn load(&mut self) -> Result<Picture, BackendError> {
        let found = self.find_continuation()?;
        if found.head.is_unfinished {
            return Err(unfinished(&self.keys.head()));
        }
        self.load_behind(found)
    }

    fn propose(&mut self, changes: &[&Change], at: WallTime) -> Result<Proposal, BackendError> {
        let prepared = self.prepare(changes, at)?;
        if prepared.facts.is_empty() {
            return Ok(Proposal::Stored);
        }
        self.send(&prepared)
    }

    fn missed(&mut self) -> Result<Missed, BackendError> {
        let Some(found) = self.find_head()? else { return Ok(Missed::TooMuch) };
        let is_same = found.head.epoch == self.head.epoch;
        let more = found.head.entry.checked_sub(self.head.entry).filter(|_| is_same);
        match more {
            // It was set up anew, or goes on from an older state.
            None => return Ok(Missed::TooMuch),
            Some(0) if found.head == self.head => return Ok(Missed::Transactions(Vec::new())),
            Some(0) => return Ok(Missed::TooMuch),
            Some(_) => {}
        }
        let range = self.missed_range();
        let answer: RangeAnswer = self.gateway.ask_all("kv/range", &range)?;
        match self.read_missed(&answer.kvs)? {
            Missed::Transactions(none) if none.is_empty() => Ok(Missed::TooMuch),
            missed => Ok(missed),
        }
    }

    fn lives(&mut self) -> Result<Lives, BackendError> {
        let range = Range { key: self.keys.head(), ..Range::default() };
        let answer: RangeAnswer = self.gateway.ask_all("kv/range", &range)?;
        let revision = answer.header.revision;
        let heard = self.load_beats(revision)?;
        Ok(Lives { heard, registries: self.load_registries(revision)? })
    }

    fn follow(&mut self, transaction: &Transaction) -> TransactionPlace {
        let is_other = *transaction.epoch.as_str() != *self.head.epoch;
        if !is_other && transaction.number <= self.head.entry {
            return TransactionPlace::Known;
        }
        let is_next = transaction.number == self.head.entry + 1;
        if is_other || !is_next || transaction.behind != self.head.nonce {
            return TransactionPlace::Beyond;
        }
        let head = HeadRecord {
            nonce: transaction.mark.clone(),
            seq: self.head.seq + events(&transaction.facts),
            entry: transaction.number,
            ..self.head.clone()
        };
        self.advance(head, Number(transaction.revision), &transaction.facts);
        TransactionPlace::Next
    }

    fn knows_all_of(&self, standing: &Standing) -> bool {
        *standing.epoch.as_str() == *self.head.epoch
            && standing.number == self.head.entry
            && standing.mark == self.head.nonce
    }

    fn number(&self) -> u64 {
        self.head.entry
    }

    fn show_life(&mut self, sign: SignOfLife) {
        self.gateway.show_life(sign);
    }
}

/// The transaction that stands in the log as `found`.
pub(super) fn read_transaction(found: &KeyValue) -> Result<Transaction, BackendError> {
    record::read(&found.value)
        .and_then(|log: LogRecord| log.transaction(found.mod_revision.0))
        .map_err(|reason| unusable(&found.key, &reason))
}

fn put(key: Bytes, value: Bytes) -> Operation {
    Operation::Put(Put { key, value, lease: None })
}

fn events(facts: &[Fact]) -> u64 {
    facts.iter().map(|fact| u64::from(fact.is_event())).sum()
}

fn check_size(changes: usize) -> Result<(), BackendError> {
    if changes <= CHANGES_MAX {
        return Ok(());
    }
    Err(BackendError::too_large(format!(
        "it takes {changes} changes at once, and etcd takes {CHANGES_MAX}; try again when services \
         that fell silent are cleaned up"
    )))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::backend::etcd::EtcdSettings;
    use crate::registry::Epoch;

    /// A store whose etcd gives these answers, and none behind them.
    fn store(answers: Vec<(&'static str, String)>) -> EtcdStore {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for (status, body) in answers {
                let mut connection = BufReader::new(listener.accept().unwrap().0);
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    connection.read_line(&mut line).unwrap();
                    if line.trim().is_empty() {
                        break;
                    }
                    let line = line.to_ascii_lowercase();
                    if let Some(value) = line.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
                connection.read_exact(&mut vec![0; length]).unwrap();
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
                let answer = format!("{head}Content-Length: {length}\r\n\r\n{body}");
                connection.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        let settings = EtcdSettings { endpoints: vec![url], ..EtcdSettings::default() };
        let gateway = Gateway::open(&settings, None).unwrap();
        EtcdStore::new(gateway, Keys::new("/lab/"), "a".into())
    }

    fn head(epoch: &str, entry: u64, nonce: &str) -> (&'static str, String) {
        let (epoch, nonce) = (epoch.into(), nonce.into());
        let record = HeadRecord { epoch, nonce, seq: entry, entry, ..HeadRecord::new(0) };
        let since = entry * 10;
        let key = serde_json::to_string(&Keys::new("/lab/").head()).unwrap();
        let value = serde_json::to_string(&record::write(&record)).unwrap();
        let kv = format!(r#"{{"key":{key},"value":{value},"mod_revision":"{since}"}}"#);
        ("200 OK", format!(r#"{{"header":{{"revision":"{since}"}},"kvs":[{kv}]}}"#))
    }

    fn nothing() -> (&'static str, String) {
        ("200 OK", r#"{"header":{"revision":"99"}}"#.to_owned())
    }

    /// One that has loaded an empty list.
    fn loaded(mut answers: Vec<(&'static str, String)>) -> EtcdStore {
        let mut all = vec![head("e", 3, "n"), nothing(), nothing(), nothing(), nothing()];
        all.append(&mut answers);
        let mut store = store(all);
        store.load().unwrap();
        assert_eq!((store.number(), store.since), (3, Number(30)));
        store
    }

    #[test]
    fn a_list_that_could_not_be_taken_whole_leaves_what_is_known_as_it_was() {
        let refused = ("403 Forbidden", r#"{"code":7,"message":"no"}"#.to_owned());
        let mut store = loaded(vec![head("e", 9, "o"), nothing(), refused]);

        assert!(store.load().is_err());

        assert_eq!((store.number(), store.since), (3, Number(30)));
    }

    #[test]
    fn a_list_that_was_set_up_anew_or_set_back_must_be_taken_whole() {
        let none = Missed::Transactions(Vec::new());
        for (answers, expected) in [
            (vec![head("e", 3, "n")], none),
            (vec![nothing()], Missed::TooMuch),
            (vec![head("another", 3, "n")], Missed::TooMuch),
            (vec![head("e", 2, "m")], Missed::TooMuch),
            (vec![head("e", 3, "another")], Missed::TooMuch),
            (vec![head("e", 5, "p"), nothing()], Missed::TooMuch),
        ] {
            assert_eq!(loaded(answers).missed().unwrap(), expected);
        }
    }

    #[test]
    fn a_transaction_of_another_list_or_behind_another_is_none_of_this_one() {
        let mut store = loaded(Vec::new());
        let transaction = |epoch, number, behind: &str| Transaction {
            epoch: Epoch::new(epoch),
            number,
            mark: "o".into(),
            behind: behind.into(),
            revision: 40,
            by: "b".into(),
            at: WallTime::from_unix_seconds(1),
            facts: Vec::new(),
        };

        assert_eq!(store.follow(&transaction("e", 3, "m")), TransactionPlace::Known);
        assert_eq!(store.follow(&transaction("another", 3, "m")), TransactionPlace::Beyond);
        assert_eq!(store.follow(&transaction("another", 4, "n")), TransactionPlace::Beyond);
        assert_eq!(store.follow(&transaction("e", 4, "another")), TransactionPlace::Beyond);
        assert_eq!(store.follow(&transaction("e", 4, "n")), TransactionPlace::Next);
        assert_eq!(store.follow(&transaction("e", 5, "o")), TransactionPlace::Next);
    }

    #[test]
    fn a_store_that_stands_elsewhere_or_came_there_in_another_way_is_not_known() {
        let store = loaded(Vec::new());
        let known = |epoch, number, mark: &str| {
            store.knows_all_of(&Standing { epoch: Epoch::new(epoch), number, mark: mark.into() })
        };

        assert!(known("e", 3, "n"));
        assert!(!known("e", 2, "n") && !known("e", 4, "n"));
        assert!(!known("e", 3, "another") && !known("another", 3, "n"));
    }
}
