//! What can go wrong between a program and a registry, and what a registry says when it refuses.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

use super::connection::ConnectionError;

/// Why a client could not do what it was asked to.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
/// RegistryClient::with_endpoints(endpoints.clone()).register(&camera)?;
///
/// match RegistryClient::with_endpoints(endpoints).register(&camera) {
///     Ok(_) => panic!("the type is taken"),
///     Err(ClientError::Refused(refusal)) => {
///         assert_eq!(refusal.code, RefusalCode::DuplicateServiceType);
///     }
///     Err(ClientError::Unreachable { endpoint, .. }) => panic!("nobody is at {endpoint}"),
///     Err(other) => return Err(other.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nothing came back. A registry that is busy may have carried out the request all the same.
    #[error(
        "no answer from {endpoint} within {} s; check that the registry runs there",
        after.as_secs_f64()
    )]
    Unreachable {
        /// Where the registry was asked; of several, all places.
        endpoint: String,
        /// How long the answer was waited for.
        after: Duration,
    },
    /// The registry answered, and refused.
    #[error("the registry refused: {0}")]
    Refused(Box<Refusal>),
    /// Something came back that no registry sends.
    #[error("what answers at {endpoint} is not a registry: {reason}")]
    NotARegistry {
        /// Where the registry was asked.
        endpoint: String,
        /// What is wrong with the answer.
        reason: &'static str,
    },
    /// The call is about this client's own service, and it has registered none.
    #[error("this client has registered no service; register one first")]
    NothingRegistered,
    /// This process could not use a socket.
    #[error("cannot use a connection to {endpoint}: {source}")]
    Socket {
        /// Where the registry was to be asked.
        endpoint: String,
        /// What ZeroMQ says.
        source: zmq::Error,
    },
    /// The operating system refused a thread or a pipe.
    #[error("cannot start a thread of the client; the limits on threads or files are too low: {0}")]
    Resources(#[from] io::Error),
    /// More than 65536 requests of an asynchronous client wait for their turn, so this one would
    /// come too late. Send fewer at a time.
    #[error("too many requests wait for their turn; send fewer at a time")]
    TooManyRequests,
    /// The asynchronous client was closed before there was an answer.
    #[error("the client was closed before the registry answered")]
    Closed,
    /// A thread of the client that does what was asked for has failed.
    #[error("a thread of the client failed; the log says why")]
    ThreadFailed,
}

/// What a registry says when it refuses. Shown, it is the registry's own words.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let camera = Registration::new("Camera", "localhost", 6110).service_type("CM_CS");
/// client.register(&camera.clone().service_id("camera-1"))?;
///
/// let error = client.register(&camera).expect_err("the type is taken");
/// let refusal = error.refusal().ok_or("the registry answers")?;
/// assert_eq!(refusal.code, RefusalCode::DuplicateServiceType);
/// assert_eq!(refusal.reply["existing_service_id"], "camera-1");
/// println!("{refusal}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// Which refusal it is, for programs.
    pub code: RefusalCode,
    /// Which refusal it is, in the registry's words.
    pub error: String,
    /// What the registry adds for people.
    pub message: Option<String>,
    /// The whole reply, with whatever else it says.
    pub reply: Map<String, Value>,
}

/// The kinds of refusal. The Python registry sends no codes; there the kind is recognised by the
/// text of the error.
///
/// ```
/// use service_registry::client::RefusalCode;
///
/// assert_eq!(RefusalCode::DuplicateServiceType.as_str(), "duplicate_service_type");
/// assert_eq!(RefusalCode::Overloaded.to_string(), "overloaded");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalCode {
    /// The frames are none of the protocol's.
    MalformedMessage,
    /// The body is no JSON.
    InvalidJson,
    /// The body is JSON, but no object.
    NotAnObject,
    /// A field is missing.
    MissingField,
    /// A field is of the wrong kind or out of range.
    InvalidField,
    /// The registry does not know the action.
    UnknownAction,
    /// A living service has the type, which it does not share.
    DuplicateServiceType,
    /// The wishes about sharing the type contradict each other.
    InvalidServiceTypePolicy,
    /// No service has this id.
    ServiceNotFound,
    /// No living service has this type.
    NoHealthyService,
    /// The registry does not let this client do it.
    NotAllowed,
    /// The service is alive, and another host registered it.
    NotOwner,
    /// The registry could not store the change, and did not make it.
    StorageFailed,
    /// The copy of the database could not be made.
    BackupFailed,
    /// It is more than a limit of the registry allows; `limit` in the reply names it.
    LimitExceeded,
    /// Too many requests wait. Try again.
    Overloaded,
    /// The registry made a mistake of its own, and cannot say more.
    Internal,
    /// A code that this client does not know, or a refusal without one.
    Other(String),
}

/// Each code with the beginning of the Python registry's words for it, where it has some.
const KNOWN: [(RefusalCode, &str, Option<&str>); 17] = [
    (RefusalCode::MalformedMessage, "malformed_message", None),
    (RefusalCode::InvalidJson, "invalid_json", Some("Invalid JSON format")),
    (RefusalCode::NotAnObject, "not_an_object", None),
    (RefusalCode::MissingField, "missing_field", Some("Missing required field")),
    (RefusalCode::InvalidField, "invalid_field", None),
    (RefusalCode::UnknownAction, "unknown_action", Some("Unknown action")),
    (RefusalCode::DuplicateServiceType, "duplicate_service_type", Some("duplicate_service_type")),
    (
        RefusalCode::InvalidServiceTypePolicy,
        "invalid_service_type_policy",
        Some("invalid_service_type_policy"),
    ),
    (RefusalCode::ServiceNotFound, "service_not_found", Some("Service not found")),
    (RefusalCode::NoHealthyService, "no_healthy_service", Some("No healthy service")),
    (RefusalCode::NotAllowed, "not_allowed", None),
    (RefusalCode::NotOwner, "not_owner", None),
    (RefusalCode::StorageFailed, "storage_failed", Some("Failed to register service")),
    (RefusalCode::BackupFailed, "backup_failed", None),
    (RefusalCode::LimitExceeded, "limit_exceeded", None),
    (RefusalCode::Overloaded, "overloaded", None),
    (RefusalCode::Internal, "internal", None),
];

impl ClientError {
    /// Nothing came back from any of these `endpoints`.
    pub(super) fn unreachable<E: fmt::Display>(endpoints: &[E], after: Duration) -> Self {
        let all: Vec<String> = endpoints.iter().map(E::to_string).collect();
        Self::Unreachable { endpoint: all.join(", "), after }
    }

    /// What the registry said, where it refused. There is an example at [`Refusal`].
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether nothing came back. Trying again may help.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// server.stop()?;
    /// let error = client.list_services(None).expect_err("nobody is there");
    /// assert!(error.is_unreachable());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether the registry refused with this code.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let immortal = Registration::new("Camera", "localhost", 6110).ttl(0);
    /// let error = client.register(&immortal).expect_err("a ttl is at least 1");
    /// assert!(error.is_refused_as(&RefusalCode::InvalidField));
    /// assert!(!error.is_unreachable());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_refused_as(&self, code: &RefusalCode) -> bool {
        self.refusal().is_some_and(|refusal| refusal.code == *code)
    }
}

impl From<ConnectionError> for ClientError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Unreachable { endpoint, after } => {
                Self::Unreachable { endpoint, after }
            }
            ConnectionError::NotARegistry { endpoint, reason } => {
                Self::NotARegistry { endpoint, reason }
            }
            ConnectionError::Socket { endpoint, source } => Self::Socket { endpoint, source },
        }
    }
}

impl Refusal {
    /// The refusal in a reply whose `success` is false.
    #[must_use]
    pub(super) fn from_reply(reply: Map<String, Value>) -> Self {
        let text = |key: &str| reply.get(key).and_then(Value::as_str).map(str::to_owned);
        let error = text("error").unwrap_or_else(|| "no reason given".to_owned());
        let code = match text("code") {
            Some(code) => RefusalCode::from_wire(code),
            None => RefusalCode::from_words(&error),
        };
        Self { code, error, message: text("message"), reply }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.error)?;
        match &self.message {
            Some(message) => write!(formatter, ": {message}"),
            None => Ok(()),
        }
    }
}

impl RefusalCode {
    /// The code as it stands in a reply, and nothing where there was none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(code) => code,
            known => KNOWN.iter().find(|(code, ..)| code == known).map_or("", |known| known.1),
        }
    }

    fn from_wire(text: String) -> Self {
        let known = KNOWN.iter().find(|known| known.1 == text);
        known.map_or(Self::Other(text), |known| known.0.clone())
    }

    fn from_words(error: &str) -> Self {
        let known =
            KNOWN.iter().find(|known| known.2.is_some_and(|words| error.starts_with(words)));
        known.map_or_else(|| Self::Other(String::new()), |known| known.0.clone())
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_code_of_this_registry_is_known() {
        for code in crate::protocol::code::Code::ALL {
            let known = RefusalCode::from_wire(code.as_str().to_owned());
            assert!(!matches!(known, RefusalCode::Other(_)), "{code:?}");
            assert_eq!(known.as_str(), code.as_str());
        }
    }

    fn refusal(reply: Value) -> Refusal {
        let Value::Object(reply) = reply else { panic!("a reply is an object") };
        Refusal::from_reply(reply)
    }

    #[test]
    fn the_code_of_a_refusal_is_the_registrys() {
        let told = refusal(json!({"success": false, "error": "e", "code": "overloaded"}));
        assert_eq!(told.code, RefusalCode::Overloaded);

        let told = refusal(json!({"success": false, "error": "e", "code": "of_the_future"}));
        assert_eq!(told.code, RefusalCode::Other("of_the_future".to_owned()));
        assert_eq!(told.code.as_str(), "of_the_future");
    }

    #[test]
    fn a_registry_without_codes_is_understood_by_its_words() {
        let code = |error: &str| refusal(json!({"success": false, "error": error})).code;

        assert_eq!(code("Service not found or could not be renewed"), RefusalCode::ServiceNotFound);
        assert_eq!(code("No healthy service of type X found"), RefusalCode::NoHealthyService);
        assert_eq!(code("Missing required field: service_id"), RefusalCode::MissingField);
        assert_eq!(code("duplicate_service_type"), RefusalCode::DuplicateServiceType);
        assert_eq!(code("the dog ate it"), RefusalCode::Other(String::new()));
    }

    #[test]
    fn a_refusal_is_told_in_the_registrys_words() {
        let told = refusal(json!({"success": false, "error": "taken", "message": "By another."}));

        assert_eq!(
            ClientError::Refused(Box::new(told)).to_string(),
            "the registry refused: taken: By another."
        );
    }

    #[test]
    fn every_code_has_its_own_text() {
        for (code, text, _) in KNOWN {
            assert_eq!(code.as_str(), text);
            assert_eq!(RefusalCode::from_wire(text.to_owned()), code);
        }
    }
}
