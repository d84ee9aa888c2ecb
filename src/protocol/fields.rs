//! Reading the fields of a JSON object, with an error that names the field and what it must be.
//!
//! Null counts as absent for a field that may be absent, as it does for the Python registry.

use serde_json::{Map, Value};

use super::fault::RequestFault;
use super::object::Object;

/// A JSON object whose fields are being read.
pub(super) struct Fields<'a, O> {
    /// What errors call the object; none for the request itself.
    name: Option<&'static str>,
    values: &'a O,
}

impl<'a, O: Object> Fields<'a, O> {
    pub(super) const fn of_request(values: &'a O) -> Self {
        Self { name: None, values }
    }

    pub(super) const fn of_object(name: &'static str, values: &'a O) -> Self {
        Self { name: Some(name), values }
    }

    /// Refuses the object if `field` is not in it. Null is in it.
    pub(super) fn require(&self, field: &'static str) -> Result<&'a Value, RequestFault> {
        self.values.get(field).ok_or(RequestFault::MissingField { object: self.name, field })
    }

    /// A text that must be there and may be empty.
    pub(super) fn text(&self, field: &'static str) -> Result<&'a str, RequestFault> {
        let value = self.require(field)?;
        value.as_str().ok_or_else(|| self.invalid(field, "a string", value))
    }

    /// A text that must be there; null and the empty text count as absent.
    pub(super) fn non_empty_text(&self, field: &'static str) -> Result<&'a str, RequestFault> {
        self.optional_text(field)?.ok_or(RequestFault::MissingField { object: self.name, field })
    }

    /// A text that may be absent; the empty text counts as absent.
    pub(super) fn optional_text(
        &self,
        field: &'static str,
    ) -> Result<Option<&'a str>, RequestFault> {
        self.optional(field, "a string", Value::as_str)
            .map(|text| text.filter(|text| !text.is_empty()))
    }

    /// True or false, or neither where it is absent.
    pub(super) fn flag(&self, field: &'static str) -> Result<Option<bool>, RequestFault> {
        self.optional(field, "true or false", Value::as_bool)
    }

    /// An object; empty, where it is absent.
    pub(super) fn object(&self, field: &'static str) -> Result<Map<String, Value>, RequestFault> {
        let object = self.optional(field, "an object", Value::as_object)?;
        Ok(object.cloned().unwrap_or_default())
    }

    /// A list of texts; empty, where it is absent.
    pub(super) fn texts(&self, field: &'static str) -> Result<Vec<String>, RequestFault> {
        const EXPECTED: &str = "a list of strings";

        let items = self.optional(field, EXPECTED, Value::as_array)?;
        let texts = items.into_iter().flatten().map(|item| match item {
            Value::String(text) => Ok(text.clone()),
            other => Err(RequestFault::InvalidField {
                object: self.name,
                field,
                expected: EXPECTED,
                found: format!("a list with {}", describe(other)),
            }),
        });
        texts.collect()
    }

    /// A value that may be absent.
    pub(super) fn optional<T>(
        &self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, RequestFault> {
        match self.values.get(field) {
            None | Some(Value::Null) => Ok(None),
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
        value: &Value,
    ) -> RequestFault {
        let found = match value {
            // A number can be of the right kind and out of range: then it helps to see it.
            Value::Number(number) => number.to_string().chars().take(40).collect(),
            other => describe(other).to_owned(),
        };
        RequestFault::InvalidField { object: self.name, field, expected, found }
    }
}

/// What kind of JSON value this is, as a part of a sentence.
pub(super) const fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(true) => "true",
        Value::Bool(false) => "false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
