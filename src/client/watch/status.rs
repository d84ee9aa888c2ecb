//! How a watch is doing.

use std::fmt;
use std::time::{Duration, Instant};

use crate::client::error::{ClientError, RefusalCode};

/// How a watch is kept true.
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

/// How a watch is doing.
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
    /// How it is kept true.
    pub mode: WatchMode,
    /// Since when the registry does not answer, or not with what is asked of it. None where it
    /// does.
    pub silent_since: Option<Instant>,
    /// Why the registry does not tell what it is asked, though it is there. None where it tells, or
    /// is silent.
    pub trouble: Option<WatchTrouble>,
    /// How many changes were told only as part of another, because they were taken too slowly.
    pub merged: u64,
}

/// Why a registry that is there does not tell a watch what is true.
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
    /// The kind of refusal. None where it is none: what answers is no registry, or its connection
    /// cannot be used.
    pub code: Option<RefusalCode>,
    /// For people.
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
