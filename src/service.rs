//! A service and its parts, as checked types.
//!
//! What a client asks to register is a [`Registration`]; what the registry keeps is a
//! [`Service`]. Names, hosts and tags have no rules and are plain text; what has a rule is a
//! type of its own that cannot be made without passing its check.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use thiserror::Error;
use uuid::Uuid;

mod description;
mod parts;
mod registration;

pub use description::Description;
pub use parts::{Metadata, Parts, Tags};
pub use registration::Registration;

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
    /// See [`Tags`].
    #[error("must be a JSON list of texts")]
    NotTexts,
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

/// A service as the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What identifies it.
    pub id: ServiceId,
    /// What it says of itself.
    pub description: Description,
    /// The address from which it was registered, where it is known.
    pub owner: Option<IpAddr>,
}

impl Service {
    /// What it says of itself, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.id.as_str().len() + self.description.bytes()
    }

    /// Every type under which this service is found, see [`Description::types`].
    pub fn types(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.description.types()
    }
}

#[cfg(test)]
pub(crate) mod samples;

#[cfg(test)]
mod tests {
    use super::*;

    fn service(service_type: Option<&str>, metadata: &str, tags: &[&str]) -> Description {
        Description::from(Parts {
            service_type: service_type.map(Cow::from),
            metadata: Metadata::from_json(metadata).unwrap(),
            tags: Tags::from_texts(tags.iter().copied()),
            ..Parts::new("My Power Supply", "127.0.0.1", 6110)
        })
    }

    fn types(service: &Description) -> Vec<Cow<'_, str>> {
        service.types().collect()
    }

    #[test]
    fn a_generated_id_is_the_name_in_lower_case_with_dashes_and_a_uuid() {
        let id = ServiceId::generate("My Power Supply", Uuid::nil());

        assert_eq!(id.as_str(), "my-power-supply-00000000-0000-0000-0000-000000000000");
    }

    #[test]
    fn the_type_joins_the_tags_once_and_replaces_the_type_in_the_metadata() {
        let service = service(Some("A"), r#"{"type": "OLD", "k": 1}"#, &["x", "x"]);

        assert_eq!(service.tags(), r#"["x","x","A"]"#);
        assert_eq!(service.metadata(), r#"{"type":"A","k":1}"#);
        assert_eq!(types(&service), ["x", "x", "A"]);
    }

    #[test]
    fn a_type_in_the_metadata_alone_is_the_type_and_no_tag() {
        let service = service(None, r#"{"type": "C"}"#, &[]);

        assert_eq!(service.service_type(), Some(ServiceType::new("C").unwrap()));
        assert_eq!(service.tags(), "[]");
        assert_eq!(types(&service), ["C"]);
    }

    #[test]
    fn a_metadata_type_that_is_no_text_is_a_value_like_any_other() {
        let service = service(None, r#"{"type": 5}"#, &[]);

        assert_eq!(service.service_type(), None);
        assert_eq!(service.metadata(), r#"{"type":5}"#);
        assert!(types(&service).is_empty());
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
