//! Services for tests, which say only what matters there.

use crate::json::Json;

use super::{Parts, Registration, Service, ServiceId};

/// The service `id`, which nobody owns.
pub(crate) fn service(id: &str, parts: Parts<'_>) -> Service {
    Service { id: ServiceId::new(id).unwrap(), description: parts.into(), owner: None }
}

/// The wish to register the service `id`, from a client that sent nothing else.
pub(crate) fn registration(id: &str, parts: Parts<'_>) -> Registration {
    Registration::new(ServiceId::new(id).ok(), parts, Json::empty_object())
}
