//! What can be wrong with a request, and how a client is told: the only place where errors get
//! their words on the wire.
//!
//! Where the Python registry has a text for an error, it stands in `error`, to the letter; its
//! clients show it and some compare it. `code` is ours, for programs: it never changes.

use serde::Serialize;
use thiserror::Error;

use crate::access::Denial;
use crate::limits::{Exceeded, Limit};
use crate::registry::Refusal;

use super::action::Action;
use super::code::Code;
use super::reply::encode;

const OVERLOADED: &str = "The registry is overloaded";
const NOT_REGISTERED: &str = "Failed to register service";
const NOT_DEREGISTERED: &str = "Service not found or could not be deregistered";

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
        known: &'static [Action],
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
    /// It is more than the registry takes.
    #[error("Limit exceeded: {}", .0.limit.name())]
    Exceeded(Exceeded),
}

/// Why a request was not carried out, although nothing is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFailure {
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
    /// There is no room for it.
    Exceeded(Exceeded),
    /// Too many requests wait to be stored.
    Overloaded(Overload),
    /// So much waits for clients which do not read that nothing more is kept for this one.
    ShortOfMemory(Exceeded),
}

/// What waits to be stored, where that is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// The limit that is reached, and what it allows.
    pub exceeded: Exceeded,
    /// How much of it this client has.
    pub own: usize,
    /// How much of it all clients have.
    pub all: usize,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<&'a str>,
    code: &'a str,
}

impl RequestFault {
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::MalformedMessage(_) => Code::MalformedMessage,
            Self::InvalidJson => Code::InvalidJson,
            Self::NotAnObject { .. } => Code::NotAnObject,
            Self::MissingField { .. } => Code::MissingField,
            Self::UnknownAction { .. } => Code::UnknownAction,
            Self::InvalidField { .. } => Code::InvalidField,
            Self::ContradictoryPolicy => Code::InvalidServiceTypePolicy,
            Self::Exceeded(_) => Code::LimitExceeded,
        }
    }

    /// The limit that is exceeded, if it is one.
    #[must_use]
    pub const fn limit(&self) -> Option<Limit> {
        match self {
            Self::Exceeded(exceeded) => Some(exceeded.limit),
            _ => None,
        }
    }

    /// The body of the reply.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let message = match self {
            Self::UnknownAction { known, .. } => Some(known_actions(known)),
            Self::ContradictoryPolicy => {
                let message = "singleton and allow_duplicate_service_type cannot both be true.";
                Some(message.to_owned())
            }
            Self::Exceeded(exceeded) => Some(limit_message(exceeded)),
            _ => None,
        };
        encode(&FailureBody {
            message: message.as_deref(),
            limit: self.limit().map(Limit::name),
            ..failure(self.code(), &self.to_string())
        })
    }
}

impl RequestFailure {
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::ServiceNotFound
            | Self::NothingToRenew
            | Self::Refused(Refusal::NotRegistered) => Code::ServiceNotFound,
            Self::NoHealthyService { .. } => Code::NoHealthyService,
            Self::Refused(Refusal::NotOwner { .. }) => Code::NotOwner,
            Self::Refused(Refusal::DuplicateServiceType { .. }) => Code::DuplicateServiceType,
            Self::RegistrationNotStored { .. } | Self::DeregistrationNotStored { .. } => {
                Code::StorageFailed
            }
            Self::NotBackedUp { .. } => Code::BackupFailed,
            Self::NotOnThisHost | Self::NotAllowed(_) => Code::NotAllowed,
            Self::Exceeded(_) | Self::Refused(Refusal::Exceeded(_)) => Code::LimitExceeded,
            Self::Overloaded(_) | Self::ShortOfMemory(_) => Code::Overloaded,
        }
    }

    /// The limit that was reached, if it was one.
    #[must_use]
    pub const fn limit(&self) -> Option<Limit> {
        match self {
            Self::Exceeded(exceeded)
            | Self::Refused(Refusal::Exceeded(exceeded))
            | Self::ShortOfMemory(exceeded) => Some(exceeded.limit),
            Self::Overloaded(overload) => Some(overload.exceeded.limit),
            _ => None,
        }
    }

    /// The body of the reply.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let code = self.code();
        let body = match self {
            Self::ServiceNotFound => failure(code, "Service not found"),
            Self::NothingToRenew => failure(code, "Service not found or could not be renewed"),
            Self::NoHealthyService { service_type } => {
                let error = format!("No healthy service of type {service_type} found");
                return encode(&failure(code, &error));
            }
            Self::Refused(refusal) => return refused(refusal, code),
            Self::RegistrationNotStored { reason } => {
                FailureBody { message: Some(reason), ..failure(code, NOT_REGISTERED) }
            }
            Self::DeregistrationNotStored { reason } => {
                FailureBody { message: Some(reason), ..failure(code, NOT_DEREGISTERED) }
            }
            Self::NotBackedUp { reason } => FailureBody {
                message: Some(reason),
                ..failure(code, "Failed to back up the registry")
            },
            Self::NotOnThisHost => {
                let message = "A backup is a file on the registry's host, so only programs there \
                    may ask for it.";
                FailureBody { message: Some(message), ..failure(code, "Not allowed") }
            }
            Self::NotAllowed(denial) => {
                let body = failure(code, "Not allowed");
                return encode(&FailureBody { message: Some(&denial.to_string()), ..body });
            }
            Self::Exceeded(exceeded) => return RequestFault::Exceeded(*exceeded).body(),
            Self::Overloaded(overload) => return overload.body(code),
            Self::ShortOfMemory(exceeded) => {
                let message = format!(
                    "Too much waits for clients that do not read. {} Try again.",
                    limit_message(exceeded)
                );
                return encode(&FailureBody {
                    message: Some(&message),
                    limit: Some(exceeded.limit.name()),
                    ..failure(code, OVERLOADED)
                });
            }
        };
        encode(&body)
    }
}

impl Overload {
    fn body(&self, code: Code) -> Vec<u8> {
        let Self { exceeded, own, all } = self;
        let message = format!(
            "{} {own} of what waits is yours, {all} is everybody's, and nobody may have more than \
             is left for the others. Try again.",
            limit_message(exceeded)
        );
        encode(&FailureBody {
            message: Some(&message),
            limit: Some(exceeded.limit.name()),
            ..failure(code, OVERLOADED)
        })
    }
}

/// The body of a reply that says why the rules of the registry refuse something.
fn refused(refusal: &Refusal, code: Code) -> Vec<u8> {
    match refusal {
        Refusal::NotRegistered => encode(&failure(code, NOT_DEREGISTERED)),
        Refusal::NotOwner { owner } => {
            let message = format!(
                "The service is alive and was registered from {owner}; only from there can it be \
                 deregistered or replaced."
            );
            let body = failure(code, "Not allowed");
            encode(&FailureBody { message: Some(&message), ..body })
        }
        Refusal::DuplicateServiceType { service_type, existing } => {
            let message = format!(
                "Service type '{service_type}' is already registered by service_id '{existing}'."
            );
            encode(&FailureBody {
                message: Some(&message),
                service_type: Some(service_type.as_str()),
                existing_service_id: Some(existing.as_str()),
                ..failure(code, "duplicate_service_type")
            })
        }
        Refusal::Exceeded(exceeded) => RequestFault::Exceeded(*exceeded).body(),
    }
}

fn known_actions(known: &[Action]) -> String {
    let names: Vec<&str> = known.iter().map(|action| action.name()).collect();
    match names.as_slice() {
        [before @ .., last] if !before.is_empty() => {
            format!("The actions are {} and {last}.", before.join(", "))
        }
        only => format!("The only action here is {}.", only.concat()),
    }
}

fn limit_message(exceeded: &Exceeded) -> String {
    format!("{exceeded} (see {} among the limits in registry.yaml).", exceeded.limit.name())
}

const fn failure(code: Code, error: &str) -> FailureBody<'_> {
    FailureBody {
        success: false,
        error,
        message: None,
        service_type: None,
        existing_service_id: None,
        limit: None,
        code: code.as_str(),
    }
}

fn within(object: &Option<&'static str>) -> String {
    object.map_or_else(String::new, |name| format!(" in {name}"))
}
