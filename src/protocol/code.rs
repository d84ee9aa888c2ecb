//! The codes by which programs tell refusals apart.

/// Why a request was refused, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The frames are none of the protocol's.
    MalformedMessage,
    /// The body is no JSON.
    InvalidJson,
    /// The body is JSON, and no object.
    NotAnObject,
    /// A field is missing.
    MissingField,
    /// A field is of the wrong kind or out of range.
    InvalidField,
    /// There is no such action.
    UnknownAction,
    /// The service says that its type is unique, and that it is not.
    InvalidServiceTypePolicy,
    /// A passing service has the type.
    DuplicateServiceType,
    /// No service has the id.
    ServiceNotFound,
    /// No passing service matches the type.
    NoHealthyService,
    /// The change could not be stored.
    StorageFailed,
    /// The backup could not be made.
    BackupFailed,
    /// Who asks may not.
    NotAllowed,
    /// The service belongs to another host.
    NotOwner,
    /// The request is more than a limit of the registry allows.
    LimitExceeded,
    /// The registry has too much to do just now.
    Overloaded,
    /// The registry made a mistake.
    Internal,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::MalformedMessage,
        Self::InvalidJson,
        Self::NotAnObject,
        Self::MissingField,
        Self::InvalidField,
        Self::UnknownAction,
        Self::InvalidServiceTypePolicy,
        Self::DuplicateServiceType,
        Self::ServiceNotFound,
        Self::NoHealthyService,
        Self::StorageFailed,
        Self::BackupFailed,
        Self::NotAllowed,
        Self::NotOwner,
        Self::LimitExceeded,
        Self::Overloaded,
        Self::Internal,
    ];

    /// How it stands in a reply. It never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedMessage => "malformed_message",
            Self::InvalidJson => "invalid_json",
            Self::NotAnObject => "not_an_object",
            Self::MissingField => "missing_field",
            Self::InvalidField => "invalid_field",
            Self::UnknownAction => "unknown_action",
            Self::InvalidServiceTypePolicy => "invalid_service_type_policy",
            Self::DuplicateServiceType => "duplicate_service_type",
            Self::ServiceNotFound => "service_not_found",
            Self::NoHealthyService => "no_healthy_service",
            Self::StorageFailed => "storage_failed",
            Self::BackupFailed => "backup_failed",
            Self::NotAllowed => "not_allowed",
            Self::NotOwner => "not_owner",
            Self::LimitExceeded => "limit_exceeded",
            Self::Overloaded => "overloaded",
            Self::Internal => "internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_where_its_number_says() {
        for (number, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, number);
        }
    }
}
