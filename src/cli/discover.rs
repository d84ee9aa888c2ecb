//! `service-registry discover`.

use super::asking::{Answer, asking_command};
use super::{Exit, services};

asking_command! {
    /// Find a healthy service of a type. If there are several, one is picked at random.
    #[argh(subcommand, name = "discover", help_triggers("-h", "--help", "help"))]
    struct Discover {
        /// the type of the service
        #[argh(positional, arg_name = "type")]
        service_type: String,
    }
}

impl Discover {
    pub(super) fn run(&self) -> Exit {
        self.asking().run(|registry| {
            let reply = registry.ask("discover", &[("service_type", &self.service_type)])?;
            let now = registry.now()?;
            let text = services::details(registry.service(&reply)?, now);
            Ok(Answer { reply, text })
        })
    }
}
