//! `service-registry health`.

use super::Exit;
use super::asking::{Answer, asking_command};

asking_command! {
    /// Ask a registry whether it is well.
    #[argh(subcommand, name = "health", help_triggers("-h", "--help", "help"))]
    struct Health {}
}

impl Health {
    pub(super) fn run(&self) -> Exit {
        self.asking().run(|registry| {
            let reply = registry.ask("health", &[])?;
            let text = format!("the registry at {} is well", registry.endpoint());
            Ok(Answer { reply, text })
        })
    }
}
