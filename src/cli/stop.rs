//! `service-registry stop`.

use super::Exit;
use super::asking::{Answer, asking_command};

asking_command! {
    #[host("where the registry runs: a host name or an address, and no more than one (default: \
        $SERVICE_REGISTRY_HOST, or localhost)")]
    /// Stop a registry. It first answers and keeps what it has accepted.
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
            let text = format!("the registry at {} acknowledged and stops", registry.endpoint());
            Ok(Answer { reply, text })
        })
    }
}
