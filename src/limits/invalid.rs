//! What is wrong with limits that cannot be as they are asked for.

use thiserror::Error;

use super::Limit;

/// Why a limit cannot be as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidLimit {
    /// There is no limit of this name.
    #[error("{} is no limit; the limits are {}", .0.escape_debug(), names())]
    Unknown(String),
    /// The limit exists, and this is nothing that it can be.
    #[error(
        "{} must be a whole number from {} to {}, not {given}",
        limit.name(), limit.range().0, limit.range().1
    )]
    Impossible {
        /// The limit.
        limit: Limit,
        /// What it was given.
        given: String,
    },
    /// It is no list of limits.
    #[error("must be limits such as services=1000,tags=8, not {0}")]
    Form(String),
}

/// Two limits that exclude each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidLimits {
    /// One is inside the other.
    #[error(
        "{} must be at least {}, {smaller_value}, not {larger_value}",
        larger.name(), smaller.name()
    )]
    Order {
        /// The one that must not be the smaller.
        larger: Limit,
        /// What it is.
        larger_value: u64,
        /// The one that must not be the larger.
        smaller: Limit,
        /// What that is.
        smaller_value: u64,
    },
    /// The services that there may be leave no memory for clients.
    #[error(
        "memory_bytes must be at least {needed}, two and a half times registry_bytes, not {given}; \
         raise it, or lower registry_bytes"
    )]
    Memory {
        /// What it must be at the least.
        needed: u64,
        /// What it is.
        given: u64,
    },
}

fn names() -> String {
    Limit::ALL.map(Limit::name).join(", ")
}
