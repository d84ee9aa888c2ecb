//! `service-registry register`.

use serde_json::json;

use super::asking::{Answer, tell};
use super::failure::Failure;
use super::registering::registering_command;
use super::{Exit, output};

registering_command! {
    /// Register a service once, without heartbeats.
    #[argh(
        subcommand,
        name = "register",
        help_triggers("-h", "--help", "help"),
        note = "The service expires after its --ttl unless it sends heartbeats or is registered \
            again with its --id. `service-registry run` keeps a command registered while it runs.",
        example = "{command_name} --name 'Power Supply' --type PSU --port 40123 --ttl 3600"
    )]
    struct Register {
        /// print the reply as one line of JSON, also on failure
        #[argh(switch)]
        json: bool,
    }
}

impl Register {
    pub(super) fn run(&self) -> Exit {
        tell(&self.register(), self.json)
    }

    fn register(&self) -> Result<Answer, Failure> {
        let asking = self.asking(self.json);
        let said = self.said();
        let registration = said.registration(&asking)?;
        let id = asking.client()?.register(&registration)?;
        said.warn_of_loopback(&registration);
        let text = format!("registered {id} for {} s", self.ttl);
        let reply = json!({"success": true, "service_id": id});
        Ok(Answer { reply, text: output::harmless(&text) })
    }
}
