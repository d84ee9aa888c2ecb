//! `service-registry deregister`.

use serde_json::{Map, Value, json};

use super::asking::{Answer, asking_command};
use super::failure::Failure;
use super::registry::Registry;
use super::{Exit, output};

asking_command! {
    /// Deregister one service, or all services of a type.
    #[argh(
        subcommand,
        name = "deregister",
        help_triggers("-h", "--help", "help"),
        note = "A service that is still running may register again with its next heartbeat."
    )]
    struct Deregister {
        /// the id of the service
        #[argh(positional, arg_name = "id")]
        service_id: Option<String>,

        /// deregister all services of this type
        #[argh(option, from_str_fn(super::asking::service_type))]
        service_type: Option<String>,
    }
}

impl Deregister {
    pub(super) fn run(&self) -> Exit {
        self.asking().run(|registry| match (&self.service_id, &self.service_type) {
            (Some(id), None) => one(registry, id),
            (None, Some(service_type)) => all_of_type(registry, service_type),
            _ => Err(Failure::Usage("deregister takes an id or a --service-type".to_owned())),
        })
    }
}

fn one(registry: &mut Registry, id: &str) -> Result<Answer, Failure> {
    let reply = registry.ask_about("deregister", id)?;
    Ok(Answer { reply, text: format!("deregistered {}", output::harmless(id)) })
}

/// The protocol deregisters by id alone, so the services are listed and taken one by one.
fn all_of_type(registry: &mut Registry, service_type: &str) -> Result<Answer, Failure> {
    let reply = registry.ask("list", &[("service_type", service_type)])?;
    let ids = registry.services(&reply)?.iter().filter_map(|service| service["id"].as_str());
    let mut deregistered = Vec::new();
    let mut refused = Map::new();
    for id in ids {
        match registry.ask("deregister", &[("service_id", id)]) {
            Ok(_) => deregistered.push(id),
            Err(Failure::Refused(reply)) => {
                refused.insert(id.to_owned(), reply);
            }
            Err(failure) => return Err(failure),
        }
    }
    outcome(service_type, &deregistered, refused)
}

/// Done, where there was something to do and nothing was refused.
fn outcome(
    service_type: &str,
    deregistered: &[&str],
    refused: Map<String, Value>,
) -> Result<Answer, Failure> {
    let done = deregistered.len();
    let (error, code) = match (done, refused.len()) {
        (0, 0) => (format!("No service of type {service_type} found"), "service_not_found"),
        (_, 0) => {
            let services = output::counted(done, "service", "services");
            let ids = deregistered.join(", ");
            let text = format!("deregistered {services} of type {service_type}: {ids}");
            let reply = json!({"success": true, "deregistered": deregistered});
            return Ok(Answer { reply, text: output::harmless(&text) });
        }
        (_, left) => {
            let all = done + left;
            let error = format!("{left} of {all} services of type {service_type} are still there");
            (error, "not_all_deregistered")
        }
    };
    Err(Failure::Refused(json!({
        "success": false,
        "error": error,
        "code": code,
        "deregistered": deregistered,
        "refused": refused,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_services_of_a_type_are_counted_and_named() {
        let answer = outcome("PSU", &["a", "b"], Map::new()).unwrap();

        assert_eq!(answer.text, "deregistered 2 services of type PSU: a, b");
        assert_eq!(answer.reply, json!({"success": true, "deregistered": ["a", "b"]}));
    }

    #[test]
    fn a_type_without_services_is_a_refusal() {
        let failure = outcome("PSU", &[], Map::new()).err().unwrap();

        assert_eq!(failure.to_string(), "No service of type PSU found");
        assert_eq!(failure.exit(), Exit::Refused);
    }

    #[test]
    fn services_that_are_left_make_it_a_refusal_that_tells_both() {
        let refusal = json!({"success": false, "error": "disk full"});
        let refused = Map::from_iter([("b".to_owned(), refusal)]);

        let failure = outcome("PSU", &["a"], refused).err().unwrap();

        assert_eq!(failure.to_string(), "1 of 2 services of type PSU are still there");
        assert_eq!(failure.reply()["deregistered"], json!(["a"]));
        assert_eq!(failure.reply()["refused"]["b"]["error"], "disk full");
    }
}
