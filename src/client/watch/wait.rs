//! Waiting for a service, so that programs can be started in any order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use crate::client::error::ClientError;
use crate::client::service::Service;
use crate::client::settings::ClientSettings;

use super::{Watch, WhenSilent};

/// How long is waited at the least, so that a registry that is there can answer.
pub(in crate::client) const WAIT_MIN: Duration = Duration::from_millis(100);

/// Waits until a passing service of this type is there, or until `timeout` is over: None. The
/// registry itself may come up meanwhile; it is an error only where it is gone at the end.
pub(in crate::client) fn wait_for_service(
    settings: &ClientSettings,
    service_type: &str,
    timeout: Duration,
) -> Result<Option<Service>, ClientError> {
    let started = Instant::now();
    let remaining = || timeout.max(WAIT_MIN).saturating_sub(started.elapsed());
    let unreachable =
        || ClientError::unreachable(&settings.registries.request_endpoints(), timeout);
    let watching = Watch::begin(settings.clone(), Some(service_type.to_owned()), WhenSilent::Wait)?;
    let watch = watching.wait_timeout(remaining())?.ok_or_else(unreachable)?;
    loop {
        if let Some(service) = watch.discover(service_type) {
            return Ok(Some(Arc::unwrap_or_clone(service)));
        }
        // Any change may be the one.
        match watch.next_change(remaining()) {
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(ClientError::ThreadFailed),
            Err(RecvTimeoutError::Timeout) if watch.status().silent_since.is_some() => {
                return Err(unreachable());
            }
            Err(RecvTimeoutError::Timeout) => return Ok(None),
        }
    }
}
