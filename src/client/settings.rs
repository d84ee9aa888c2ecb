//! The settings that every part of a client needs: registries, timeouts, client id and keys.

use std::time::Duration;

use super::curve_keys::CurveKeys;
use super::registries::Registries;

/// How long a request may take: a registry answers at once, so a program learns soon that it is
/// gone.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_millis(500);

/// How long the answer to a health check may take. Longer, because who asks wants to know about
/// a slow registry too.
pub(super) const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the answer to a heartbeat may take.
pub(super) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a registry may take to say that it will terminate.
pub(super) const TERMINATE_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time that a deadline can lie ahead: for ever, to a program.
pub(super) const TIMEOUT_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// For how long a registry that is in contact with those that share its list may be behind another,
/// before it is taken for one whose list was set back.
pub(super) const BEHIND_MAX: Duration = Duration::from_secs(10);

/// What a client calls itself where its program does not say.
const CLIENT_ID: &str = "registry-client";

/// The settings of one client; each of its parts has a copy.
#[derive(Debug, Clone)]
pub(crate) struct ClientSettings {
    pub(crate) registries: Registries,
    pub(crate) request_timeout: Duration,
    pub(crate) health_timeout: Duration,
    pub(crate) heartbeat_timeout: Duration,
    /// For the logs of a registry. What tells connections apart is added to it.
    pub(crate) client_id: String,
    /// None for a registry that asks for none.
    pub(crate) keys: Option<CurveKeys>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            registries: Registries::default(),
            request_timeout: REQUEST_TIMEOUT,
            health_timeout: HEALTH_TIMEOUT,
            heartbeat_timeout: HEARTBEAT_TIMEOUT,
            client_id: CLIENT_ID.to_owned(),
            keys: None,
        }
    }
}
