//! `service-registry deregister`.

use serde_json::{Map, Value, json};

use super::asking::{Answer, Registry, asking_command};
use super::failure::Failure;
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
        /// which service
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
    let reply = registry.ask("deregister", &[("service_id", id)])?;
    Ok(Answer { reply, text: format!("deregistered {}", output::harmless(id)) })
}

/// The protocol deregisters by id alone. So the services are listed and taken one by one; one
/// that goes by itself meanwhile is not counted.
fn all_of_type(registry: &mut Registry, service_type: &str) -> Result<Answer, Failure> {
    let reply = registry.ask("list", &[("service_type", service_type)])?;
    let ids: Vec<String> = registry
        .services(&reply)?
        .iter()
        .filter_map(|service| service["id"].as_str().map(str::to_owned))
        .collect();
    let mut deregistered = Vec::new();
    let mut refused = Map::new();
    for id in ids {
        match registry.ask("deregister", &[("service_id", &id)]) {
            Ok(_) => deregistered.push(id),
            Err(Failure::Refused(reply)) => {
                refused.insert(id, reply.into());
            }
            Err(failure) => return Err(failure),
        }
    }
    outcome(service_type, &deregistered, refused)
}

fn outcome(
    service_type: &str,
    deregistered: &[String],
    refused: Map<String, Value>,
) -> Result<Answer, Failure> {
    let count = deregistered.len();
    let problem = match (count, refused.len()) {
        (0, 0) => format!("No service of type {service_type} found"),
        (_, 0) => {
            let services = if count == 1 { "service" } else { "services" };
            let ids = deregistered.join(", ");
            let text = format!("deregistered {count} {services} of type {service_type}: {ids}");
            let reply = Map::from_iter([
                ("success".to_owned(), true.into()),
                ("deregistered".to_owned(), json!(deregistered)),
            ]);
            return Ok(Answer { reply, text: output::harmless(&text) });
        }
        (_, left) => format!("{left} of {} services were not deregistered", count + left),
    };
    Err(Failure::Refused(Map::from_iter([
        ("success".to_owned(), false.into()),
        ("error".to_owned(), problem.into()),
        ("deregistered".to_owned(), json!(deregistered)),
        ("refused".to_owned(), refused.into()),
    ])))
}
