//! What can be wrong with a request, and how a client is told: the only place where errors get
//! their words on the wire.
//!
//! Where the Python registry has a text for an error, it stands in `error`, to the letter; its
//! clients show it and some compare it. `code` is ours, for programs: it never changes.

use thiserror::Error;

use crate::access::Denial;
use crate::limits::Exceeded;
use crate::registry::Refusal;

use super::action::Action;
use super::code::Code;
use super::error_reply::ErrorReply;

const NOT_ALLOWED: &str = "Not allowed";
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

impl RequestFault {
    /// What the client is told.
    #[must_use]
    pub fn reply(&self) -> ErrorReply<'_> {
        let reply = |code| ErrorReply::new(code, self.to_string());
        match self {
            Self::MalformedMessage(_) => reply(Code::MalformedMessage),
            Self::InvalidJson => reply(Code::InvalidJson),
            Self::NotAnObject { .. } => reply(Code::NotAnObject),
            Self::MissingField { .. } => reply(Code::MissingField),
            Self::UnknownAction { known, .. } => {
                reply(Code::UnknownAction).with_message(known_actions(known))
            }
            Self::InvalidField { .. } => reply(Code::InvalidField),
            Self::ContradictoryPolicy => reply(Code::InvalidServiceTypePolicy)
                .with_message("singleton and allow_duplicate_service_type cannot both be true."),
            Self::Exceeded(exceeded) => limit_exceeded(*exceeded),
        }
    }
}

impl RequestFailure {
    /// What the client is told.
    #[must_use]
    pub fn reply(&self) -> ErrorReply<'_> {
        match self {
            Self::ServiceNotFound => ErrorReply::new(Code::ServiceNotFound, "Service not found"),
            Self::NothingToRenew => {
                let error = "Service not found or could not be renewed";
                ErrorReply::new(Code::ServiceNotFound, error)
            }
            Self::NoHealthyService { service_type } => {
                let error = format!("No healthy service of type {service_type} found");
                ErrorReply::new(Code::NoHealthyService, error)
            }
            Self::Refused(refusal) => refused(refusal),
            Self::RegistrationNotStored { reason } => {
                ErrorReply::new(Code::StorageFailed, NOT_REGISTERED).with_message(reason)
            }
            Self::DeregistrationNotStored { reason } => {
                ErrorReply::new(Code::StorageFailed, NOT_DEREGISTERED).with_message(reason)
            }
            Self::NotBackedUp { reason } => {
                let error = "Failed to back up the registry";
                ErrorReply::new(Code::BackupFailed, error).with_message(reason)
            }
            Self::NotOnThisHost => ErrorReply::new(Code::NotAllowed, NOT_ALLOWED).with_message(
                "A backup is a file on the registry's host, so only programs there may ask for it.",
            ),
            Self::NotAllowed(denial) => {
                ErrorReply::new(Code::NotAllowed, NOT_ALLOWED).with_message(denial.to_string())
            }
            Self::Exceeded(exceeded) => limit_exceeded(*exceeded),
            Self::Overloaded(Overload { exceeded, own, all }) => overloaded(*exceeded)
                .with_message(format!(
                    "{} {own} of what waits is yours, {all} is everybody's, and nobody may have \
                     more than is left for the others. Try again.",
                    limit_message(*exceeded)
                )),
            Self::ShortOfMemory(exceeded) => overloaded(*exceeded).with_message(format!(
                "Too much waits for clients that do not read. {} Try again.",
                limit_message(*exceeded)
            )),
        }
    }
}

/// That the rules of the registry refuse something.
fn refused(refusal: &Refusal) -> ErrorReply<'_> {
    match refusal {
        Refusal::NotRegistered => ErrorReply::new(Code::ServiceNotFound, NOT_DEREGISTERED),
        Refusal::NotOwner { owner } => {
            ErrorReply::new(Code::NotOwner, NOT_ALLOWED).with_message(format!(
                "The service is alive and was registered from {owner}; only from there can it be \
                 deregistered or replaced."
            ))
        }
        Refusal::DuplicateServiceType { service_type, existing } => {
            ErrorReply::new(Code::DuplicateServiceType, "duplicate_service_type")
                .with_holder(service_type.as_str(), existing.as_str())
                .with_message(format!(
                    "Service type '{service_type}' is already registered by service_id \
                     '{existing}'."
                ))
        }
        Refusal::Exceeded(exceeded) => limit_exceeded(*exceeded),
    }
}

fn limit_exceeded(exceeded: Exceeded) -> ErrorReply<'static> {
    ErrorReply::new(Code::LimitExceeded, RequestFault::Exceeded(exceeded).to_string())
        .with_message(limit_message(exceeded))
        .with_limit(exceeded.limit)
}

fn overloaded(exceeded: Exceeded) -> ErrorReply<'static> {
    ErrorReply::new(Code::Overloaded, "The registry is overloaded").with_limit(exceeded.limit)
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

fn limit_message(exceeded: Exceeded) -> String {
    format!("{exceeded} (see {} among the limits in registry.yaml).", exceeded.limit.name())
}

fn within(object: &Option<&'static str>) -> String {
    object.map_or_else(String::new, |name| format!(" in {name}"))
}
