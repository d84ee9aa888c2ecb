//! The parts of which a description is made.

use std::borrow::Cow;

use crate::json::{self, Json};

use super::{InvalidValue, Ttl};

/// What a service says of itself, in parts.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    /// For people; need not be unique.
    pub name: Cow<'a, str>,
    /// Host name or address under which it is reached.
    pub host: Cow<'a, str>,
    /// Port under which it is reached.
    pub port: u16,
    /// Its type, which then stands in its metadata and among its tags, whether it is there
    /// already or not. Without one, both stay as they are.
    pub service_type: Option<Cow<'a, str>>,
    /// Whatever else it says.
    pub metadata: Metadata<'a>,
    /// Time to live.
    pub ttl: Ttl,
    /// Further names under which it is looked up.
    pub tags: Tags<'a>,
}

impl<'a> Parts<'a> {
    /// A service that says no more than this, under the usual ttl.
    #[must_use]
    pub fn new(name: &'a str, host: &'a str, port: u16) -> Self {
        Self {
            name: name.into(),
            host: host.into(),
            port,
            service_type: None,
            metadata: Metadata::default(),
            ttl: Ttl::DEFAULT,
            tags: Tags::default(),
        }
    }
}

/// What else a service says of itself: a JSON object that the registry keeps: every value
/// to its last digit, and the order of the keys. The registry itself reads only the key `type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata<'a>(Cow<'a, str>);

/// The names under which a service is looked up: a JSON list of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags<'a>(Cow<'a, str>);

impl Metadata<'static> {
    /// Reads the metadata from JSON text.
    ///
    /// # Errors
    /// [`InvalidValue::NotAnObject`], also where `json` is no JSON at all.
    pub fn from_json(json: &str) -> Result<Self, InvalidValue> {
        let json = Json::read(json.as_bytes()).map_err(|_| InvalidValue::NotAnObject)?;
        Metadata::of(json.as_str())?;
        Ok(Self(Cow::Owned(json.into())))
    }
}

impl<'a> Metadata<'a> {
    /// The same of text that is compact already.
    pub(crate) fn of(json: &'a str) -> Result<Self, InvalidValue> {
        if json.starts_with('{') { Ok(Self(json.into())) } else { Err(InvalidValue::NotAnObject) }
    }

    /// The compact JSON text of the object.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.0
    }
}

impl Default for Metadata<'_> {
    fn default() -> Self {
        Self("{}".into())
    }
}

impl Tags<'static> {
    /// Reads the tags from JSON text.
    ///
    /// # Errors
    /// [`InvalidValue::NotTexts`], also where `json` is no JSON at all.
    pub fn from_json(json: &str) -> Result<Self, InvalidValue> {
        let json = Json::read(json.as_bytes()).map_err(|_| InvalidValue::NotTexts)?;
        Tags::of(json.as_str())?;
        Ok(Self(Cow::Owned(json.into())))
    }

    /// These texts.
    pub fn from_texts<'b>(texts: impl IntoIterator<Item = &'b str>) -> Self {
        let mut json = "[".to_owned();
        for (index, text) in texts.into_iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            json::write_text(&mut json, text);
        }
        json.push(']');
        Self(json.into())
    }
}

impl<'a> Tags<'a> {
    /// The same of text that is compact already.
    pub(crate) fn of(json: &'a str) -> Result<Self, InvalidValue> {
        let are_texts = json::items(json).all(|item| item.starts_with('"'));
        if json.starts_with('[') && are_texts {
            Ok(Self(json.into()))
        } else {
            Err(InvalidValue::NotTexts)
        }
    }

    /// The compact JSON text of the list.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.0
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        json::items(&self.0).count()
    }
}

impl Default for Tags<'_> {
    fn default() -> Self {
        Self("[]".into())
    }
}
