//! `service-registry stop`.

use super::Exit;
use super::asking::{Answer, asking_command};

asking_command! {
    #[host("host name or address of the registry, not more than one (default: \
        $SERVICE_REGISTRY_HOST, or localhost)")]
    /// Stop a registry. Everything that it has accepted is stored first.
    #[argh(subcommand, name = "stop", help_triggers("-h", "--help", "help"))]
    struct Stop {}
}

impl Stop {
    pub(super) fn run(&self) -> Exit {
        let asking = self.asking();
        asking.run(|registry| {
            // Who asks one of several in turn could end one too many.
            asking.only()?;
            let reply = registry.ask("terminate", &[])?;
            let text = format!("the registry at {} is stopping", registry.endpoint());
            Ok(Answer { reply, text })
        })
    }
}
