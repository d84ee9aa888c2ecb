//! `service-registry list-services`.

use super::asking::{Answer, asking_command};
use super::{Exit, services};

asking_command! {
    /// List the registered services, including critical ones.
    #[argh(subcommand, name = "list-services", help_triggers("-h", "--help", "help"))]
    struct ListServices {
        /// list only services of this type
        #[argh(option, from_str_fn(super::asking::service_type))]
        service_type: Option<String>,
    }
}

impl ListServices {
    pub(super) fn run(&self) -> Exit {
        self.asking().run(|registry| {
            let service_type = self.service_type.as_deref().map(|it| ("service_type", it));
            let reply = registry.ask("list", service_type.as_slice())?;
            let now = registry.now()?;
            let text = match registry.services(&reply)? {
                [] => "no services".to_owned(),
                listed => services::table(listed, now),
            };
            Ok(Answer { reply, text })
        })
    }
}
