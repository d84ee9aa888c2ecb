//! How a member of etcd is, seen from a registry.

use thiserror::Error;

/// What was found at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its URL.
    pub endpoint: String,
    /// How it is.
    pub state: Result<MemberState, MemberTrouble>,
}

/// A member that answers for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    /// Which etcd it is.
    pub version: String,
    /// The revision of what it has.
    pub revision: u64,
    /// Whether it leads, or knows who does.
    pub leadership: Leadership,
    /// What it complains of, such as that its disk is full.
    pub alarms: Vec<String>,
    /// Why it does not do what a registry asks, where it does not.
    pub refusal: Option<MemberTrouble>,
}

/// What a member knows of the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leadership {
    /// It is the leader.
    Leads,
    /// Another one is.
    Follows,
    /// There is none.
    Unknown,
}

/// What is wrong with a member.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct MemberTrouble {
    /// Whether it answered, and said no: then it is about who asks.
    pub is_refusal: bool,
    /// What happened.
    pub reason: String,
}
