//! Whether what speaks ZeroMQ is a registry, and whether it wants to speak with us.

use serde_json::Value;
use service_registry::client::ConnectionError;

use super::finding::Finding;
use crate::cli::failure::Failure;
use crate::cli::registry::Registry;

const CHECK: &str = "protocol";

/// What the registry tells of itself, where it does.
pub(super) fn check(registry: &mut Registry) -> (Option<Value>, Finding) {
    let endpoint = registry.endpoint().to_owned();
    match registry.ask("info", &[]) {
        Ok(info) if info["services"].is_array() => {
            let status = info["status"].as_str().unwrap_or("not telling how it is");
            let finding = Finding::ok(CHECK, &format!("the registry at {endpoint} is {status}"));
            (Some(info), finding)
        }
        Ok(_) => (None, no_registry(&format!("what answers at {endpoint} tells no services"))),
        Err(failure) => (None, judge(&endpoint, &failure)),
    }
}

fn judge(endpoint: &str, failure: &Failure) -> Finding {
    match failure {
        Failure::Connection(ConnectionError::NotARegistry { .. }) => no_registry(&failure.chain()),
        Failure::Refused(reply) if reply["code"] == "not_allowed" => {
            Finding::problem(CHECK, &failure.chain(), "add this host to `allow` of the registry")
        }
        Failure::Connection(ConnectionError::Unreachable { .. }) => Finding::problem(
            CHECK,
            &format!("{endpoint} is open, and does not answer a request"),
            "its `allow` may not have this host, or it wants other keys (its log says so); this \
             may be its port for events or heartbeats; or it is overloaded: try --timeout 20",
        ),
        _ => Finding::problem(CHECK, &failure.chain(), "look at the log of the registry"),
    }
}

fn no_registry(found: &str) -> Finding {
    Finding::problem(CHECK, found, "give the registry's request port, or stop the other program")
}
