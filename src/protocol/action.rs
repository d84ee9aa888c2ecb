//! What can be asked of a registry, by name.

/// An action of the request socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Register a service.
    Register,
    /// Take a service out.
    Deregister,
    /// Say that a service lives.
    Renew,
    /// Look a service up by its id.
    Get,
    /// List services.
    List,
    /// Find a passing service by its type.
    Discover,
    /// Does the registry live?
    Health,
    /// What is the registry, and what does it hold?
    Info,
    /// Copy what is stored to a file.
    Backup,
    /// Stop.
    Terminate,
}

impl Action {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Self; 10] = [
        Self::Register,
        Self::Deregister,
        Self::Renew,
        Self::Get,
        Self::List,
        Self::Discover,
        Self::Health,
        Self::Info,
        Self::Backup,
        Self::Terminate,
    ];

    /// What it is called in a request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Deregister => "deregister",
            Self::Renew => "renew",
            Self::Get => "get",
            Self::List => "list",
            Self::Discover => "discover",
            Self::Health => "health",
            Self::Info => "info",
            Self::Backup => "backup",
            Self::Terminate => "terminate",
        }
    }

    /// The action of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_found_by_its_name_and_stands_where_its_number_says() {
        for (number, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!(Action::named(action.name()), Some(action));
            assert_eq!(action as usize, number);
        }
        assert_eq!(Action::named("Register"), None);
    }
}
