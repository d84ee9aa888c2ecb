//! `service-registry get`.

use super::asking::{Answer, asking_command};
use super::{Exit, services};

asking_command! {
    /// Show one service.
    #[argh(subcommand, name = "get", help_triggers("-h", "--help", "help"))]
    struct Get {
        /// the id of the service
        #[argh(positional, arg_name = "id")]
        service_id: String,
    }
}

impl Get {
    pub(super) fn run(&self) -> Exit {
        self.asking().run(|registry| {
            let reply = registry.ask_about("get", &self.service_id)?;
            let now = registry.now()?;
            let text = services::details(registry.service(&reply)?, now);
            Ok(Answer { reply, text })
        })
    }
}
