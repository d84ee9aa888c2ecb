//! Waiting for a service, so that programs can be started in any order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::error::ClientError;
use crate::client::service::Service;
use crate::client::settings::ClientSettings;

use super::Watch;

/// What even the last attempt is given, so that a registry that is there can answer it.
pub(in crate::client) const ATTEMPT_MIN: Duration = Duration::from_millis(100);

/// Waits until a passing service of this type is there, or until `timeout` is over: None. The
/// registry itself may come up meanwhile; it is an error only where it is gone at the end.
pub(in crate::client) fn wait_for_service(
    settings: &ClientSettings,
    service_type: &str,
    timeout: Duration,
) -> Result<Option<Service>, ClientError> {
    let started = Instant::now();
    loop {
        let remaining = timeout.saturating_sub(started.elapsed());
        let is_last = remaining.is_zero();
        match attempt(settings, service_type, remaining.max(ATTEMPT_MIN)) {
            Ok(None) | Err(ClientError::Unreachable { .. }) if !is_last => {}
            Err(ClientError::Unreachable { endpoint, .. }) => {
                return Err(ClientError::Unreachable { endpoint, after: started.elapsed() });
            }
            outcome => return outcome.map(|service| service.map(Arc::unwrap_or_clone)),
        }
    }
}

/// Waits as long as the watch lasts, but not longer than `timeout`.
fn attempt(
    settings: &ClientSettings,
    service_type: &str,
    timeout: Duration,
) -> Result<Option<Arc<Service>>, ClientError> {
    let started = Instant::now();
    let mut settings = settings.clone();
    settings.request_timeout = settings.request_timeout.min(timeout);
    let watch = Watch::start(settings, Some(service_type.to_owned()))?;
    loop {
        if let Some(service) = watch.discover(service_type) {
            return Ok(Some(service));
        }
        // Any change may be the one.
        if watch.next_change(timeout.saturating_sub(started.elapsed())).is_err() {
            return Ok(None);
        }
    }
}
