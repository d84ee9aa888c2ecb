//! What a registry can be asked: each operation as the request that asks, and the reading of the
//! reply. Blocking and asynchronous clients differ in how they carry the one to the registry and
//! the other back, and in nothing else. Pure.

use serde_json::{Map, Value};

use super::error::{ClientError, Refusal, RefusalCode};
use super::registration::Registration;
use super::service::{HealthReport, ServerStatus, Service, ServiceList};

/// One thing to ask, whose answer is a `T`.
#[derive(Debug, Clone)]
pub(super) struct Operation<T> {
    pub(super) request: Map<String, Value>,
    pub(super) repetition: Repetition,
    read: fn(&Map<String, Value>) -> Option<T>,
    /// What is wrong with a reply that cannot be read.
    unreadable: &'static str,
    /// The refusal that only says that there is nothing, and the answer that it stands for.
    nothing: Option<(RefusalCode, T)>,
}

/// Whether a request may be asked again whose answer did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repetition {
    /// Anywhere and at any time: it changes nothing.
    Harmless,
    /// By another registry: whether it is carried out once or twice, the outcome is the same.
    Elsewhere,
    /// By nobody: it is meant for the registry that is asked.
    Never,
}

impl<T> Operation<T> {
    /// The answer in `reply`, which came from `endpoint`.
    pub(super) fn answer(
        self,
        reply: Map<String, Value>,
        endpoint: &str,
    ) -> Result<T, ClientError> {
        if reply.get("success") == Some(&Value::Bool(true)) {
            let reason = self.unreadable;
            let unreadable = || ClientError::NotARegistry { endpoint: endpoint.to_owned(), reason };
            return (self.read)(&reply).ok_or_else(unreadable);
        }
        let refusal = Refusal::from_reply(reply);
        match self.nothing {
            Some((code, answer)) if code == refusal.code => Ok(answer),
            _ => Err(ClientError::Refused(Box::new(refusal))),
        }
    }
}

/// Registers a service. The answer is its id.
pub(super) fn register(registration: &Registration) -> Operation<String> {
    Operation {
        request: registration.request(),
        repetition: Repetition::Elsewhere,
        read: |reply| reply.get("service_id")?.as_str().map(str::to_owned),
        unreadable: "its answer contains no service id",
        nothing: None,
    }
}

/// Removes a service. The answer is whether it was there.
pub(super) fn deregister(service_id: &str) -> Operation<bool> {
    Operation {
        request: request("deregister", &[("service_id", service_id)]),
        repetition: Repetition::Elsewhere,
        read: |_| Some(true),
        unreadable: "",
        nothing: Some((RefusalCode::ServiceNotFound, false)),
    }
}

/// Says that a service is alive. The answer is whether it is registered.
pub(super) fn renew(service_id: &str) -> Operation<bool> {
    Operation { request: request("renew", &[("service_id", service_id)]), ..deregister(service_id) }
}

/// Looks a service up by its id.
pub(super) fn get(service_id: &str) -> Operation<Option<Service>> {
    Operation {
        request: request("get", &[("service_id", service_id)]),
        repetition: Repetition::Harmless,
        read: |reply| Service::from_json(reply.get("service")?).map(Some),
        unreadable: "its answer contains no service",
        nothing: Some((RefusalCode::ServiceNotFound, None)),
    }
}

/// Finds a living service by its type.
pub(super) fn discover(service_type: &str) -> Operation<Option<Service>> {
    Operation {
        request: request("discover", &[("service_type", service_type)]),
        nothing: Some((RefusalCode::NoHealthyService, None)),
        ..get("")
    }
}

/// Lists the services of a type, or all.
pub(super) fn list(service_type: Option<&str>) -> Operation<ServiceList> {
    let fields = service_type.map(|service_type| ("service_type", service_type));
    Operation {
        request: request("list", fields.as_slice()),
        repetition: Repetition::Harmless,
        read: match service_type {
            Some("") => ServiceList::of_the_empty_type,
            _ => ServiceList::from_reply,
        },
        unreadable: "its answer contains no list of services",
        nothing: None,
    }
}

/// Asks whether the registry is well.
pub(super) fn health() -> Operation<HealthReport> {
    Operation {
        request: request("health", &[]),
        repetition: Repetition::Harmless,
        read: |reply| Some(HealthReport::from_reply(reply)),
        unreadable: "",
        nothing: None,
    }
}

/// Asks the registry about itself.
pub(super) fn status() -> Operation<ServerStatus> {
    Operation {
        request: request("info", &[]),
        repetition: Repetition::Harmless,
        read: ServerStatus::from_reply,
        unreadable: "its answer does not tell its ports and services",
        nothing: None,
    }
}

/// Asks the registry to end.
pub(super) fn terminate() -> Operation<()> {
    Operation {
        request: request("terminate", &[]),
        repetition: Repetition::Never,
        read: |_| Some(()),
        unreadable: "",
        nothing: None,
    }
}

fn request(action: &str, fields: &[(&str, &str)]) -> Map<String, Value> {
    let fields = [("action", action)].into_iter().chain(fields.iter().copied());
    fields.map(|(key, value)| (key.to_owned(), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer<T>(operation: Operation<T>, reply: Value) -> Result<T, ClientError> {
        let Value::Object(reply) = reply else { panic!("a reply is an object") };
        operation.answer(reply, "tcp://lab:6100")
    }

    fn refused(error: &str) -> Value {
        json!({"success": false, "error": error})
    }

    #[test]
    fn nothing_found_is_an_answer() {
        let error = refused("Service not found");
        assert!(matches!(answer(get("a"), error), Ok(None)));
        let error = refused("No healthy service of type X found");
        assert!(matches!(answer(discover("X"), error), Ok(None)));
        let error = refused("Service not found or could not be deregistered");
        assert!(matches!(answer(deregister("a"), error), Ok(false)));
        let error = refused("Service not found or could not be renewed");
        assert!(matches!(answer(renew("a"), error), Ok(false)));
    }

    #[test]
    fn any_other_refusal_is_an_error() {
        let error = answer(discover("X"), refused("Service not found")).unwrap_err();
        assert!(error.is_refused_as(&RefusalCode::ServiceNotFound));
        let error = answer(list(None), refused("Service not found")).unwrap_err();
        assert!(error.is_refused_as(&RefusalCode::ServiceNotFound));
    }

    #[test]
    fn a_success_without_its_answer_comes_from_no_registry() {
        let error = answer(discover("X"), json!({"success": true})).unwrap_err();

        assert_eq!(
            error.to_string(),
            "what answers at tcp://lab:6100 is not a registry: its answer contains no service"
        );
    }

    #[test]
    fn a_type_without_letters_is_one_that_hardly_a_service_has() {
        let service = json!({"id": "a", "name": "A", "host": "lab", "port": 1});
        let reply = json!({"success": true, "services": [service]});

        assert_eq!(answer(list(Some("")), reply.clone()).unwrap().services, []);
        assert_eq!(answer(list(None), reply).unwrap().services.len(), 1);
    }

    #[test]
    fn requests_are_the_protocols() {
        let body = |request: Map<String, Value>| Value::Object(request).to_string();

        assert_eq!(body(list(None).request), r#"{"action":"list"}"#);
        assert_eq!(body(list(Some("X")).request), r#"{"action":"list","service_type":"X"}"#);
        assert_eq!(body(renew("a").request), r#"{"action":"renew","service_id":"a"}"#);
        assert_eq!(body(status().request), r#"{"action":"info"}"#);
    }
}
