//! Reading the fields of a JSON object, with an error that names the field and what it must be.
//!
//! Null counts as absent for a field that may be absent, as it does for the Python registry.

use std::borrow::Cow;

use crate::json;
use crate::service::{Metadata, Tags};

use super::fault::RequestFault;
use super::object::Object;

/// A JSON object whose fields are being read.
pub(super) struct Fields<'a> {
    /// What errors call the object; none for the request itself.
    name: Option<&'static str>,
    values: &'a Object<'a>,
}

impl<'a> Fields<'a> {
    pub(super) const fn of_request(values: &'a Object<'a>) -> Self {
        Self { name: None, values }
    }

    pub(super) const fn of_object(name: &'static str, values: &'a Object<'a>) -> Self {
        Self { name: Some(name), values }
    }

    /// Refuses the object if `field` is not in it. Null is in it.
    pub(super) fn require(&self, field: &'static str) -> Result<&'a str, RequestFault> {
        self.values.get(field).ok_or(RequestFault::MissingField { object: self.name, field })
    }

    /// A text that must be there and may be empty.
    pub(super) fn text(&self, field: &'static str) -> Result<Cow<'a, str>, RequestFault> {
        let value = self.require(field)?;
        json::text(value).ok_or_else(|| self.invalid(field, "a string", value))
    }

    /// A text that must be there; null and the empty text count as absent.
    pub(super) fn non_empty_text(&self, field: &'static str) -> Result<Cow<'a, str>, RequestFault> {
        self.optional_text(field)?.ok_or(RequestFault::MissingField { object: self.name, field })
    }

    /// A text that may be absent; the empty text counts as absent.
    pub(super) fn optional_text(
        &self,
        field: &'static str,
    ) -> Result<Option<Cow<'a, str>>, RequestFault> {
        let text = self.optional(field, "a string", json::text)?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// True or false, or neither where it is absent.
    pub(super) fn flag(&self, field: &'static str) -> Result<Option<bool>, RequestFault> {
        self.optional(field, "true or false", |value| value.parse().ok())
    }

    /// An object; empty, where it is absent.
    pub(super) fn metadata(&self, field: &'static str) -> Result<Metadata<'a>, RequestFault> {
        let metadata = self.optional(field, "an object", |value| Metadata::of(value).ok())?;
        Ok(metadata.unwrap_or_default())
    }

    /// A list of texts; empty, where it is absent.
    pub(super) fn tags(&self, field: &'static str) -> Result<Tags<'a>, RequestFault> {
        const EXPECTED: &str = "a list of strings";

        let is_list = |value: &'a str| value.starts_with('[').then_some(value);
        let Some(list) = self.optional(field, EXPECTED, is_list)? else {
            return Ok(Tags::default());
        };
        Tags::of(list).map_err(|_| {
            let other = json::items(list).find(|item| !item.starts_with('"'));
            RequestFault::InvalidField {
                object: self.name,
                field,
                expected: EXPECTED,
                found: format!("a list with {}", other.map_or("nothing", describe)),
            }
        })
    }

    /// A value that may be absent.
    pub(super) fn optional<T>(
        &self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<Option<T>, RequestFault> {
        match self.values.get(field) {
            None | Some("null") => Ok(None),
            Some(value) => {
                read(value).map(Some).ok_or_else(|| self.invalid(field, expected, value))
            }
        }
    }

    /// The error that `field` is not what it must be.
    pub(super) fn invalid(
        &self,
        field: &'static str,
        expected: &'static str,
        value: &str,
    ) -> RequestFault {
        let found = match describe(value) {
            // A number can be of the right kind and out of range: then it helps to see it.
            NUMBER => value.chars().take(40).collect(),
            other => other.to_owned(),
        };
        RequestFault::InvalidField { object: self.name, field, expected, found }
    }
}

const NUMBER: &str = "a number";

/// What kind of JSON value this is, as a part of a sentence.
pub(super) fn describe(value: &str) -> &'static str {
    match value.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't') => "true",
        Some(b'f') => "false",
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        _ => NUMBER,
    }
}
