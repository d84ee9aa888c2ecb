//! What can be wrong with a request, and how a client is told: the only place where errors get
//! their words on the wire.
//!
//! Where the Python registry has a text for an error, it stands in `error`, to the letter; its
//! clients show it and some compare it. `code` is ours, for programs: it never changes.

use serde::Serialize;
use thiserror::Error;

use crate::access::Denial;
use crate::registry::Refusal;

use super::reply::encode;

/// What is wrong with a request, before the registry's rules are asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// The frames are none of the protocol's.
    #[error("Malformed message: {0}")]
    MalformedMessage(String),
    /// The body is no JSON, or no UTF-8.
    #[error("Invalid JSON format")]
    InvalidJson,
    /// The body is JSON, but no object.
    #[error("Request must be a JSON object, not {found}")]
    NotAnObject {
        /// What it is instead.
        found: &'static str,
    },
    /// A field is missing that the action needs.
    #[error("Missing required field{}: {field}", within(.object))]
    MissingField {
        /// Where the field is missing: the object's name, or none for the request itself.
        object: Option<&'static str>,
        /// The field.
        field: &'static str,
    },
    /// No such action.
    #[error("Unknown action: {action}")]
    UnknownAction {
        /// What stood in its place.
        action: String,
        /// The actions that the socket knows.
        known: &'static str,
    },
    /// A field is of the wrong kind, or its value is none that it can have.
    #[error("Invalid field{}: {field} must be {expected}, not {found}", within(.object))]
    InvalidField {
        /// Where the field stands: the object's name, or none for the request itself.
        object: Option<&'static str>,
        /// The field.
        field: &'static str,
        /// What the field can be.
        expected: &'static str,
        /// What it was.
        found: String,
    },
    /// The two wishes contradict each other.
    #[error("invalid_service_type_policy")]
    ContradictoryPolicy,
}

/// Why a request was not carried out, although nothing is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No service has the id that `get` asked for.
    ServiceNotFound,
    /// No service has the id that `renew` asked for.
    NothingToRenew,
    /// No living service matches the type.
    NoHealthyService {
        /// The type.
        service_type: String,
    },
    /// The registry's rules forbid the registration or deregistration.
    Refused(Refusal),
    /// A registration could not be stored.
    RegistrationNotStored {
        /// Why.
        reason: String,
    },
    /// A deregistration could not be stored.
    DeregistrationNotStored {
        /// Why.
        reason: String,
    },
    /// A backup could not be made.
    NotBackedUp {
        /// Why.
        reason: String,
    },
    /// Only a program on the registry's own host may ask for this.
    NotOnThisHost,
    /// Who asks for it may not.
    NotAllowed(Denial),
    /// Too many requests wait to be stored.
    Overloaded {
        /// How many wait at the most.
        limit: usize,
    },
}

#[derive(Serialize)]
struct FailureBody<'a> {
    success: bool,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    existing_service_id: Option<&'a str>,
    code: &'a str,
}

impl RequestFault {
    /// The body of the reply.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let (code, message) = match self {
            Self::MalformedMessage(_) => ("malformed_message", None),
            Self::InvalidJson => ("invalid_json", None),
            Self::NotAnObject { .. } => ("not_an_object", None),
            Self::MissingField { .. } => ("missing_field", None),
            Self::UnknownAction { known, .. } => {
                ("unknown_action", Some(format!("The actions are {known}.")))
            }
            Self::InvalidField { .. } => ("invalid_field", None),
            Self::ContradictoryPolicy => {
                let message = "singleton and allow_duplicate_service_type cannot both be true.";
                ("invalid_service_type_policy", Some(message.to_owned()))
            }
        };
        encode(&FailureBody { message: message.as_deref(), ..failure(code, &self.to_string()) })
    }
}

impl Failure {
    /// The body of the reply.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        const NOT_DEREGISTERED: &str = "Service not found or could not be deregistered";
        const NOT_REGISTERED: &str = "Failed to register service";

        let body = match self {
            Self::ServiceNotFound => failure("service_not_found", "Service not found"),
            Self::NothingToRenew => {
                failure("service_not_found", "Service not found or could not be renewed")
            }
            Self::NoHealthyService { service_type } => {
                let error = format!("No healthy service of type {service_type} found");
                return encode(&failure("no_healthy_service", &error));
            }
            Self::Refused(Refusal::NotRegistered) => failure("service_not_found", NOT_DEREGISTERED),
            Self::Refused(Refusal::NotOwner { owner }) => {
                let message = format!(
                    "The service is alive and was registered from {owner}; only from there can it \
                     be deregistered or replaced."
                );
                return encode(&FailureBody {
                    message: Some(&message),
                    ..failure("not_owner", "Not allowed")
                });
            }
            Self::Refused(Refusal::DuplicateServiceType { service_type, existing }) => {
                let message = format!(
                    "Service type '{service_type}' is already registered by service_id \
                     '{existing}'."
                );
                return encode(&FailureBody {
                    message: Some(&message),
                    service_type: Some(service_type.as_str()),
                    existing_service_id: Some(existing.as_str()),
                    ..failure("duplicate_service_type", "duplicate_service_type")
                });
            }
            Self::Refused(Refusal::InvalidService(error)) => {
                let message = format!("The service's metadata {error}.");
                let body = failure("invalid_field", NOT_REGISTERED);
                return encode(&FailureBody { message: Some(&message), ..body });
            }
            Self::RegistrationNotStored { reason } => {
                FailureBody { message: Some(reason), ..failure("storage_failed", NOT_REGISTERED) }
            }
            Self::DeregistrationNotStored { reason } => {
                FailureBody { message: Some(reason), ..failure("storage_failed", NOT_DEREGISTERED) }
            }
            Self::NotBackedUp { reason } => FailureBody {
                message: Some(reason),
                ..failure("backup_failed", "Failed to back up the registry")
            },
            Self::NotOnThisHost => {
                let message = "A backup is a file on the registry's host, so only programs there \
                    may ask for it.";
                FailureBody { message: Some(message), ..failure("not_allowed", "Not allowed") }
            }
            Self::NotAllowed(denial) => {
                let body = failure("not_allowed", "Not allowed");
                return encode(&FailureBody { message: Some(&denial.to_string()), ..body });
            }
            Self::Overloaded { limit } => {
                let message = format!(
                    "{limit} requests are waiting to be stored, which is the limit. Try again."
                );
                let body = failure("overloaded", "The registry is overloaded");
                return encode(&FailureBody { message: Some(&message), ..body });
            }
        };
        encode(&body)
    }
}

const fn failure<'a>(code: &'a str, error: &'a str) -> FailureBody<'a> {
    FailureBody {
        success: false,
        error,
        message: None,
        service_type: None,
        existing_service_id: None,
        code,
    }
}

fn within(object: &Option<&'static str>) -> String {
    object.map_or_else(String::new, |name| format!(" in {name}"))
}
