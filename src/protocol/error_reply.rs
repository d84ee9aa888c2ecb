//! The reply to a request that is not carried out: JSON, written.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::limits::Limit;

use super::code::Code;
use super::reply::encode;

/// What a client is told whose request is not carried out: `error` and `message` for people, the
/// rest for programs.
#[derive(Debug, Serialize)]
pub struct ErrorReply<'a> {
    success: bool,
    error: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    existing_service_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_limit")]
    limit: Option<Limit>,
    #[serde(serialize_with = "write_code")]
    code: Code,
}

impl<'a> ErrorReply<'a> {
    /// That this is wrong.
    pub(super) fn new(code: Code, error: impl Into<Cow<'a, str>>) -> Self {
        Self {
            success: false,
            error: error.into(),
            message: None,
            service_type: None,
            existing_service_id: None,
            limit: None,
            code,
        }
    }

    /// The same, with what there is to say about it.
    pub(super) fn with_message(self, message: impl Into<Cow<'a, str>>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// The same, because of this limit.
    pub(super) fn with_limit(self, limit: Limit) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// The same, because a service has the type that may not be shared.
    pub(super) fn with_holder(self, service_type: &'a str, service_id: &'a str) -> Self {
        Self { service_type: Some(service_type), existing_service_id: Some(service_id), ..self }
    }

    /// By which programs tell what is wrong.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The limit that is reached, if it is one.
    #[must_use]
    pub const fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// The body of the reply.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        encode(self)
    }
}

fn write_code<S: Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

fn write_limit<S: Serializer>(limit: &Option<Limit>, serializer: S) -> Result<S::Ok, S::Error> {
    limit.map(Limit::name).serialize(serializer)
}
