//! What stands in etcd: the values of the keys, in JSON.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::backend::StoredService;
use crate::backend::shared::Transaction;
use crate::clock::{ListeningTime, WallTime};
use crate::json::Json;
use crate::registry::{Change, Epoch, Fact};
use crate::service::{Metadata, Parts, Service, ServiceId, Tags, Ttl, TypePolicy};

use super::api::Bytes;

/// How what stands there is written. A registry that knows only lower ones must leave it alone.
pub(super) const FORMAT: u32 = 1;

/// How far everything has come. Etcd compares it as it is written, so whoever writes this format
/// writes these fields in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeadRecord {
    pub(super) format: u32,
    pub(super) epoch: Box<str>,
    /// In which cluster of etcd the epoch began.
    pub(super) cluster: u64,
    /// The nonce of the last transaction.
    pub(super) nonce: Box<str>,
    /// The number of the last event.
    pub(super) seq: u64,
    /// The number of the last transaction.
    pub(super) entry: u64,
    /// Whether there is more to come before this is a list: somebody imports one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_unfinished: bool,
}

impl HeadRecord {
    /// That of a list that begins now, in `cluster`.
    pub(super) fn new(cluster: u64) -> Self {
        Self {
            format: FORMAT,
            epoch: unique(),
            cluster,
            nonce: unique(),
            seq: 0,
            entry: 0,
            is_unfinished: false,
        }
    }

    /// What a registry has that knows nothing yet.
    pub(super) fn of_nothing() -> Self {
        Self { epoch: "".into(), nonce: "".into(), ..Self::new(0) }
    }
}

/// A text that nobody else has.
pub(super) fn unique() -> Box<str> {
    Uuid::new_v4().to_string().into()
}

/// A service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ServiceRecord {
    id: Box<str>,
    name: Box<str>,
    host: Box<str>,
    port: u16,
    metadata: Json,
    ttl: u32,
    tags: Json,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    owner: Option<IpAddr>,
    /// Its place in the order of registration.
    pub(super) order: u64,
    registered: u64,
    /// The name of the registry that registered it.
    pub(super) by: Box<str>,
}

/// What an id said about sharing its type.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PolicyRecord {
    id: Box<str>,
    policy: PolicyWord,
    /// Its place in the order in which ids said it.
    pub(super) order: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PolicyWord {
    Singleton,
    AllowDuplicates,
}

/// A transaction.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LogRecord {
    pub(super) epoch: Box<str>,
    pub(super) entry: u64,
    pub(super) by: Box<str>,
    /// Tells it from every other, of the same number, too.
    pub(super) nonce: Box<str>,
    /// The nonce of the transaction before.
    pub(super) behind: Box<str>,
    pub(super) at: u64,
    pub(super) facts: Vec<FactRecord>,
}

/// One thing that a transaction changes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FactRecord {
    Registered { service: ServiceRecord, service_info: Json },
    Deregistered { id: Box<str> },
    Expired { id: Box<str>, silent_ms: u64, restarted: bool, paused: bool },
    PolicyRemembered(PolicyRecord),
    PolicyForgotten { id: Box<str> },
}

/// A sign of life.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BeatRecord {
    /// Of which process.
    pub(super) instance: Box<str>,
    listening_ms: u64,
    pauses: u64,
    heard: Vec<(Box<str>, u64)>,
}

/// A registry that is there.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PresenceRecord<'a> {
    /// Which process.
    pub(super) instance: &'a str,
    pub(super) version: &'a str,
}

/// The value that `record` is written as.
pub(super) fn write(record: &impl Serialize) -> Bytes {
    // Nothing here can fail to be JSON.
    Bytes(serde_json::to_vec(record).unwrap_or_default())
}

/// The record in `value`; why it is none, otherwise.
pub(super) fn read<'a, Record: Deserialize<'a>>(value: &'a Bytes) -> Result<Record, String> {
    serde_json::from_slice(&value.0).map_err(|error| error.to_string())
}

impl ServiceRecord {
    pub(super) fn new(service: &Service, registered: WallTime, order: u64, by: &str) -> Self {
        let description = &service.description;
        Self {
            id: service.id.as_str().into(),
            name: description.name().into(),
            host: description.host().into(),
            port: description.port(),
            metadata: Json::of_part(description.metadata()),
            ttl: description.ttl().seconds(),
            tags: Json::of_part(description.tags()),
            owner: service.owner,
            order,
            registered: registered.unix_seconds(),
            by: by.into(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn stored(&self) -> Result<StoredService, String> {
        let parts = Parts {
            name: (&*self.name).into(),
            host: (&*self.host).into(),
            port: self.port,
            // It stands in the metadata.
            service_type: None,
            metadata: Metadata::of(self.metadata.as_str())
                .map_err(|error| format!("metadata {error}"))?,
            ttl: Ttl::from_seconds(self.ttl.into()).map_err(|error| format!("ttl {error}"))?,
            tags: Tags::of(self.tags.as_str()).map_err(|error| format!("tags {error}"))?,
        };
        let service = Service { id: id(&self.id)?, description: parts.into(), owner: self.owner };
        let last_heartbeat = WallTime::from_unix_seconds(self.registered);
        Ok(StoredService { service, last_heartbeat })
    }
}

impl PolicyRecord {
    pub(super) fn new(id: &ServiceId, policy: TypePolicy, order: u64) -> Self {
        let policy = match policy {
            TypePolicy::Singleton => PolicyWord::Singleton,
            // The other two are never remembered.
            _ => PolicyWord::AllowDuplicates,
        };
        Self { id: id.as_str().into(), policy, order }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn stored(&self) -> Result<(ServiceId, TypePolicy), String> {
        let policy = match self.policy {
            PolicyWord::Singleton => TypePolicy::Singleton,
            PolicyWord::AllowDuplicates => TypePolicy::AllowDuplicates,
        };
        Ok((id(&self.id)?, policy))
    }
}

impl FactRecord {
    /// The fact that `change` is, by the registry `by`; none, where it is none that others must
    /// be told. `order` is for what has no place in an order yet.
    pub(super) fn new(change: &Change, order: u64, by: &str) -> Option<Self> {
        Some(match change {
            Change::Registered { entry, service_info } => {
                let registered = entry.lease.last_heartbeat();
                let service = ServiceRecord::new(&entry.service, registered, order, by);
                Self::Registered { service, service_info: service_info.clone() }
            }
            Change::Deregistered { entry } => {
                Self::Deregistered { id: entry.service.id.as_str().into() }
            }
            Change::Expired { entry, silence } => Self::Expired {
                id: entry.service.id.as_str().into(),
                silent_ms: u64::try_from(silence.duration.as_millis()).unwrap_or(u64::MAX),
                restarted: silence.restarted,
                paused: silence.paused,
            },
            Change::PolicyRemembered { id, policy } => {
                Self::PolicyRemembered(PolicyRecord::new(id, *policy, order))
            }
            Change::PolicyForgotten { id } => Self::PolicyForgotten { id: id.as_str().into() },
            Change::Heard { .. } => return None,
        })
    }

    fn fact(self) -> Result<Fact, String> {
        Ok(match self {
            Self::Registered { service_info, .. } if !service_info.is_object() => {
                return Err("service_info must be a JSON object".to_owned());
            }
            Self::Registered { service, service_info } => {
                Fact::Registered { service: service.stored()?.service, service_info }
            }
            Self::Deregistered { id: name } => Fact::Deregistered { id: id(&name)? },
            Self::Expired { id: name, silent_ms, restarted, paused } => {
                let silent = Duration::from_millis(silent_ms);
                Fact::Expired { id: id(&name)?, silent, restarted, paused }
            }
            Self::PolicyRemembered(record) => {
                let (id, policy) = record.stored()?;
                Fact::PolicyRemembered { id, policy }
            }
            Self::PolicyForgotten { id: name } => Fact::PolicyForgotten { id: id(&name)? },
        })
    }
}

impl LogRecord {
    /// What was stored in `revision`.
    pub(super) fn transaction(self, revision: u64) -> Result<Transaction, String> {
        let facts = self.facts.into_iter().map(FactRecord::fact);
        Ok(Transaction {
            epoch: Epoch::new(&self.epoch),
            number: self.entry,
            mark: self.nonce,
            behind: self.behind,
            revision,
            by: self.by,
            at: WallTime::from_unix_seconds(self.at),
            facts: facts.collect::<Result<_, _>>()?,
        })
    }
}

impl BeatRecord {
    pub(super) fn new(
        instance: &str,
        listening: ListeningTime,
        pauses: u64,
        heard: &[(&ServiceId, WallTime)],
    ) -> Self {
        let heard = heard.iter().map(|(id, time)| (id.as_str().into(), time.unix_seconds()));
        Self {
            instance: instance.into(),
            listening_ms: listening.milliseconds(),
            pauses,
            heard: heard.collect(),
        }
    }

    /// When it was given, by the clock of its process.
    pub(super) const fn given(&self) -> (ListeningTime, u64) {
        (ListeningTime::from_milliseconds(self.listening_ms), self.pauses)
    }

    pub(super) fn heard(&self) -> impl Iterator<Item = (ServiceId, WallTime)> {
        self.heard.iter().filter_map(|(name, time)| {
            Some((ServiceId::new(name).ok()?, WallTime::from_unix_seconds(*time)))
        })
    }
}

fn id(text: &str) -> Result<ServiceId, String> {
    ServiceId::new(text).map_err(|error| format!("id {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service() -> Service {
        let parts = Parts {
            metadata: Metadata::from_json(r#"{"z":1.50,"a":123456789012345678901}"#).unwrap(),
            tags: Tags::from_texts(["x"]),
            ..Parts::new("Name", "::1", 6_110)
        };
        let owner = Some([127, 0, 0, 1].into());
        Service { id: ServiceId::new("a/b ü").unwrap(), description: parts.into(), owner }
    }

    #[test]
    fn a_service_comes_back_as_it_was_every_digit_of_it() {
        let time = WallTime::from_unix_seconds(1_700_000_000);

        let value = write(&ServiceRecord::new(&service(), time, 7, "host:6100"));
        let record: ServiceRecord = read(&value).unwrap();

        let expected = StoredService { service: service(), last_heartbeat: time };
        assert_eq!(record.stored(), Ok(expected));
        assert_eq!((record.order, &*record.by), (7, "host:6100"));
    }

    #[test]
    fn a_transaction_comes_back_as_it_was() {
        let id = ServiceId::new("a").unwrap();
        let time = WallTime::from_unix_seconds(1_700_000_000);
        let service_info = Json::from(&json!({"name": "Name", "extra": [1.10]}));
        let registered = FactRecord::Registered {
            service: ServiceRecord::new(&service(), time, 1, "x"),
            service_info: service_info.clone(),
        };
        let policy = PolicyRecord::new(&id, TypePolicy::Singleton, 2);
        let record = LogRecord {
            epoch: "e".into(),
            entry: 9,
            by: "x".into(),
            nonce: "n".into(),
            behind: "m".into(),
            at: time.unix_seconds(),
            facts: vec![registered, FactRecord::PolicyRemembered(policy)],
        };

        let read: LogRecord = read(&write(&record)).unwrap();

        let transaction = read.transaction(5).unwrap();
        assert_eq!((transaction.number, transaction.at), (9, time));
        assert_eq!(transaction.epoch, Epoch::new("e"));
        assert_eq!((&*transaction.mark, &*transaction.behind), ("n", "m"));
        let policy = TypePolicy::Singleton;
        assert_eq!(
            transaction.facts,
            [
                Fact::Registered { service: service(), service_info },
                Fact::PolicyRemembered { id, policy }
            ]
        );
    }

    #[test]
    fn what_is_no_record_is_no_record() {
        assert!(read::<HeadRecord>(&Bytes::from("{}")).is_err());
        assert!(read::<LogRecord>(&Bytes::from("")).is_err());
    }
}
