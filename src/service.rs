//! A service and its parts, as checked types.
//!
//! What a client asks to register is a [`Registration`]; what the registry keeps is a
//! [`Service`]. Names, hosts and tags have no rules and are plain text; what has a rule is a
//! type of its own that cannot be made without passing its check.

use std::borrow::Borrow;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use thiserror::Error;
use uuid::Uuid;

use crate::access::Origin;
use crate::limits::{Exceeded, Limit, Limits};

/// The key under which a service's type stands in its metadata.
const TYPE_KEY: &str = "type";

/// Why a value is none of what its type stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// The empty text identifies nothing.
    #[error("must not be empty")]
    Empty,
    /// See [`Ttl`].
    #[error("must be a whole number of seconds from 1 to {}", u32::MAX)]
    TtlOutOfRange,
    /// See [`Metadata`].
    #[error("must be a JSON object")]
    NotAnObject,
}

/// What identifies a service. Not empty; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ServiceId(Arc<str>);

impl ServiceId {
    /// Checks `id`.
    ///
    /// # Errors
    /// [`InvalidValue::Empty`].
    pub fn new(id: &str) -> Result<Self, InvalidValue> {
        if id.is_empty() { Err(InvalidValue::Empty) } else { Ok(Self(id.into())) }
    }

    /// The id of a service that did not bring one: its name in lower case with `-` for each
    /// blank, then `-` and `unique`, as the Python registry makes them.
    #[must_use]
    pub fn generate(name: &str, unique: Uuid) -> Self {
        Self(format!("{}-{unique}", name.to_lowercase().replace(' ', "-")).into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ServiceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a service is looked up by, for example `CM_CS`. Not empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ServiceType(Box<str>);

impl ServiceType {
    /// Checks `service_type`.
    ///
    /// # Errors
    /// [`InvalidValue::Empty`].
    pub fn new(service_type: &str) -> Result<Self, InvalidValue> {
        if service_type.is_empty() {
            Err(InvalidValue::Empty)
        } else {
            Ok(Self(service_type.into()))
        }
    }

    /// The type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Time to live: for how many seconds after its last heartbeat a service counts as alive.
/// From 1 second to `u32::MAX` seconds (136 years).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ttl(u32);

impl Ttl {
    /// What a registration gets that names no ttl: 30 seconds, as the Python registry gives it.
    pub const DEFAULT: Self = Self(30);

    /// Checks `seconds`.
    ///
    /// # Errors
    /// [`InvalidValue::TtlOutOfRange`].
    pub fn from_seconds(seconds: u64) -> Result<Self, InvalidValue> {
        match u32::try_from(seconds) {
            Ok(seconds) if seconds > 0 => Ok(Self(seconds)),
            _ => Err(InvalidValue::TtlOutOfRange),
        }
    }

    /// The ttl in seconds.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

/// What else a service says of itself: a JSON object that the registry keeps as it came, every
/// value and the order of the keys. Held as compact JSON text, a fraction of a parsed tree's
/// size, because the registry itself reads only the key `type`, and that once.
#[derive(Clone)]
pub struct Metadata {
    json: Box<RawValue>,
    service_type: Option<ServiceType>,
}

impl Metadata {
    /// Reads the metadata from JSON text.
    ///
    /// # Errors
    /// [`InvalidValue::NotAnObject`], also where `json` is no JSON at all.
    pub fn from_json(json: &str) -> Result<Self, InvalidValue> {
        let object = serde_json::from_str(json).map_err(|_| InvalidValue::NotAnObject)?;
        Self::from_object(&object)
    }

    /// Takes over a JSON object.
    ///
    /// # Errors
    /// [`InvalidValue::NotAnObject`], where a value in it cannot be written as JSON.
    pub fn from_object(object: &Map<String, Value>) -> Result<Self, InvalidValue> {
        let json = serde_json::value::to_raw_value(object);
        Ok(Self {
            json: json.map_err(|_| InvalidValue::NotAnObject)?,
            service_type: object.get(TYPE_KEY).and_then(service_type_in),
        })
    }

    /// The compact JSON text of the object.
    #[must_use]
    pub fn json(&self) -> &str {
        self.json.get()
    }

    /// The same, as JSON that goes into JSON.
    #[cfg(feature = "etcd")]
    pub(crate) fn raw(&self) -> &RawValue {
        &self.json
    }

    /// The value of the key `type`, where it is a text that is not empty.
    #[must_use]
    pub const fn service_type(&self) -> Option<&ServiceType> {
        self.service_type.as_ref()
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.json() == other.json()
    }
}

impl Eq for Metadata {}

impl fmt::Debug for Metadata {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.json())
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

/// Whether a registration may share its type with other services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TypePolicy {
    /// As this id said before, else as the server is configured.
    #[default]
    Unspecified,
    /// As the server is configured.
    ServerDecides,
    /// Never (`singleton`), also where the server allows duplicates.
    Singleton,
    /// Always (`allow_duplicate_service_type`), also where the server wants types unique.
    AllowDuplicates,
}

/// What a client asks to register.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// The id that the client wants; without one the registry makes one from the name.
    pub id: Option<ServiceId>,
    /// For people; need not be unique.
    pub name: String,
    /// Host name or address under which the service is reached.
    pub host: String,
    /// Port under which the service is reached.
    pub port: u16,
    /// What the service is looked up by.
    pub service_type: Option<ServiceType>,
    /// Whatever else the service says of itself.
    pub metadata: Map<String, Value>,
    /// Further names under which the service is looked up.
    pub tags: Vec<String>,
    /// Time to live.
    pub ttl: Ttl,
    /// May the type be shared?
    pub policy: TypePolicy,
    /// Who asks.
    pub from: Origin,
    /// The whole `service_info` as it was received; subscribers see fields in it that the
    /// registry neither knows nor stores.
    pub received: Map<String, Value>,
}

impl Registration {
    /// The type that must be unique, if any: the one given, else the one in the metadata. Tags
    /// do not count here, although other services are found by theirs.
    #[must_use]
    pub fn unique_type(&self) -> Option<ServiceType> {
        self.service_type.clone().or_else(|| self.metadata.get(TYPE_KEY).and_then(service_type_in))
    }

    /// Refuses what is more than `limits` allow.
    ///
    /// # Errors
    /// [`Exceeded`], for the first limit.
    pub fn check(&self, limits: &Limits) -> Result<(), Exceeded> {
        let ttl = u64::from(self.ttl.seconds());
        if ttl < limits.get(Limit::TtlMin) {
            return Err(limits.exceeded(Limit::TtlMin));
        }
        if ttl > limits.get(Limit::TtlMax) {
            return Err(limits.exceeded(Limit::TtlMax));
        }
        limits.check(Limit::Tags, self.tags.len())?;
        let id = match &self.id {
            Some(id) => id.as_str().len(),
            // What is made of the name must be short enough to be given the next time.
            None => ServiceId::generate(&self.name, Uuid::nil()).as_str().len(),
        };
        let service_type = self.unique_type().map_or(0, |name| name.as_str().len());
        let tags = self.tags.iter().map(String::len);
        let names = [id, self.name.len(), self.host.len(), service_type].into_iter();
        limits.check(Limit::NameBytes, names.chain(tags).max().unwrap_or_default())?;
        limits.check(Limit::ServiceBytes, json_bytes(&self.received))
    }

    /// The service that this registration makes under `id`: its type stands among its tags and
    /// in its metadata.
    ///
    /// # Errors
    /// [`InvalidValue::NotAnObject`], where the metadata cannot be written as JSON.
    pub fn service(&self, id: ServiceId) -> Result<Service, InvalidValue> {
        let mut tags: Vec<Box<str>> = self.tags.iter().map(|tag| tag.as_str().into()).collect();
        let metadata = match &self.service_type {
            None => Metadata::from_object(&self.metadata)?,
            Some(service_type) => {
                if !self.tags.iter().any(|tag| tag == service_type.as_str()) {
                    tags.push(service_type.as_str().into());
                }
                let mut metadata = self.metadata.clone();
                metadata.insert(TYPE_KEY.to_owned(), service_type.as_str().into());
                Metadata::from_object(&metadata)?
            }
        };
        Ok(Service {
            id,
            name: self.name.as_str().into(),
            host: self.host.as_str().into(),
            port: self.port,
            metadata,
            ttl: self.ttl,
            tags: tags.into(),
            owner: self.from.address,
        })
    }
}

/// A service as the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What identifies it.
    pub id: ServiceId,
    /// For people; need not be unique.
    pub name: Box<str>,
    /// Host name or address under which it is reached.
    pub host: Box<str>,
    /// Port under which it is reached.
    pub port: u16,
    /// Whatever else it says of itself, with its type.
    pub metadata: Metadata,
    /// Time to live.
    pub ttl: Ttl,
    /// The names under which it is looked up, its type among them.
    pub tags: Box<[Box<str>]>,
    /// The address from which it was registered, where it is known.
    pub owner: Option<IpAddr>,
}

impl Service {
    /// What it says of itself, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let tags: usize = self.tags.iter().map(|tag| tag.len()).sum();
        let texts = self.id.as_str().len() + self.name.len() + self.host.len();
        texts + tags + self.metadata.json().len()
    }

    /// Every type under which this service is found, each once: its tags and the type in its
    /// metadata.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        let tags = self.tags.iter().map(|tag| &**tag);
        let in_metadata = self.metadata.service_type().map(ServiceType::as_str);
        tags.chain(in_metadata).enumerate().filter_map(|(index, name)| {
            let is_first = !self.tags.iter().take(index).any(|tag| **tag == *name);
            is_first.then_some(name)
        })
    }
}

/// How long `object` is as compact JSON.
fn json_bytes(object: &Map<String, Value>) -> usize {
    let mut counter = Counter(0);
    // Neither the object nor the counter can fail.
    let _ = serde_json::to_writer(&mut counter, object);
    counter.0
}

/// Counts what is written, and keeps nothing of it.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn service_type_in(value: &Value) -> Option<ServiceType> {
    ServiceType::new(value.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn registration(service_type: Option<&str>, metadata: Value, tags: &[&str]) -> Registration {
        let Value::Object(metadata) = metadata else { panic!("metadata is an object") };
        Registration {
            id: None,
            name: "My Power Supply".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 6110,
            service_type: service_type.map(|text| ServiceType::new(text).unwrap()),
            metadata,
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            ttl: Ttl::DEFAULT,
            policy: TypePolicy::ServerDecides,
            from: Origin::default(),
            received: Map::new(),
        }
    }

    fn service(registration: &Registration) -> Service {
        registration.service(ServiceId::new("id").unwrap()).unwrap()
    }

    fn types(service: &Service) -> Vec<&str> {
        service.types().collect()
    }

    #[test]
    fn a_generated_id_is_the_name_in_lower_case_with_dashes_and_a_uuid() {
        let id = ServiceId::generate("My Power Supply", Uuid::nil());

        assert_eq!(id.as_str(), "my-power-supply-00000000-0000-0000-0000-000000000000");
    }

    #[test]
    fn the_type_joins_the_tags_once_and_replaces_the_type_in_the_metadata() {
        let service =
            service(&registration(Some("A"), json!({"type": "OLD", "k": 1}), &["x", "x"]));

        assert_eq!(*service.tags, ["x".into(), "x".into(), "A".into()]);
        assert_eq!(service.metadata.json(), r#"{"type":"A","k":1}"#);
        assert_eq!(types(&service), ["x", "A"]);
    }

    #[test]
    fn a_type_in_the_metadata_alone_is_the_type_and_no_tag() {
        let registration = registration(None, json!({"type": "C"}), &[]);

        assert_eq!(registration.unique_type(), Some(ServiceType::new("C").unwrap()));
        assert!(service(&registration).tags.is_empty());
        assert_eq!(types(&service(&registration)), ["C"]);
    }

    #[test]
    fn a_metadata_type_that_is_no_text_is_a_value_like_any_other() {
        let registration = registration(None, json!({"type": 5}), &[]);

        assert_eq!(registration.unique_type(), None);
        assert_eq!(service(&registration).metadata.json(), r#"{"type":5}"#);
        assert!(types(&service(&registration)).is_empty());
    }

    #[test]
    fn metadata_keeps_every_digit_and_the_order_of_its_keys() {
        let json = r#"{"z":123456789012345678901234567890,"a":0.10000000000000000555,"m":1.50}"#;

        assert_eq!(Metadata::from_json(json).unwrap().json(), json);
    }

    #[test]
    fn a_ttl_has_at_least_a_second() {
        assert_eq!(Ttl::from_seconds(0), Err(InvalidValue::TtlOutOfRange));
        assert_eq!(Ttl::from_seconds(1).map(Ttl::seconds), Ok(1));
        assert_eq!(Ttl::from_seconds(1 << 32), Err(InvalidValue::TtlOutOfRange));
    }
}
