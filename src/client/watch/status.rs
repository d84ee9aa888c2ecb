//! The state of a watch.

use std::fmt;
use std::time::{Duration, Instant};

use crate::client::error::{ClientError, RefusalCode};

/// How a watch is kept up to date.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// match client.watch()?.status().mode {
///     WatchMode::Events => println!("every change is told"),
///     WatchMode::Lists { interval } => println!("looks every {interval:?}"),
///     _ => {}
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WatchMode {
    /// By events, whose numbers tell what is missing.
    Events,
    /// By lists, one in each interval: the registry does not number its events.
    Lists {
        /// From one list to the next.
        interval: Duration,
    },
}

/// The state of a watch.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let status = client.watch()?.status();
/// assert_eq!(status.mode, WatchMode::Events);
/// assert_eq!((status.silent_since, status.merged), (None, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchStatus {
    /// How it is kept up to date.
    pub mode: WatchMode,
    /// Since when the registry has not answered, or has refused to. None if it answers.
    pub silent_since: Option<Instant>,
    /// Why the registry refuses, or what is wrong with its answers. None if it answers properly, or
    /// not at all.
    pub trouble: Option<WatchTrouble>,
    /// How many changes were given only as part of another, because they were taken too slowly.
    pub merged: u64,
}

/// Why a registry that answers does not let a watch keep up to date.
///
/// ```
#[doc = include_str!("../registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let watch = client.watch()?;
/// match watch.status().trouble {
///     Some(trouble) if trouble.code == Some(RefusalCode::NotAllowed) => println!("ask for a key"),
///     Some(trouble) => println!("the registry does not tell: {trouble}"),
///     None => {}
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchTrouble {
    /// The kind of refusal. None if it is something else: what answers is not a registry, or the
    /// connection cannot be used.
    pub code: Option<RefusalCode>,
    /// The reason, in words for people.
    pub message: String,
}

impl WatchTrouble {
    /// What `error` says beyond that nobody answered. None where it says no more.
    pub(super) fn of(error: &ClientError) -> Option<Self> {
        match error {
            ClientError::Unreachable { .. } | ClientError::Closed => None,
            other => {
                let code = other.refusal().map(|refusal| refusal.code.clone());
                Some(Self { code, message: other.to_string() })
            }
        }
    }
}

impl fmt::Display for WatchTrouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}
