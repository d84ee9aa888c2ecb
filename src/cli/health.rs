//! `service-registry health`.

use super::Exit;
use super::asking::{Answer, asking_command};
use super::failure::Failure;

asking_command! {
    /// Check whether a registry answers and can store registrations.
    #[argh(
        subcommand,
        name = "health",
        help_triggers("-h", "--help", "help"),
        note = "The exit code is 1 if the registry answers but cannot store changes: it then \
            refuses registrations."
    )]
    struct Health {}
}

impl Health {
    pub(super) fn run(&self) -> Exit {
        self.asking().run(|registry| {
            let reply = registry.ask("health", &[])?;
            let endpoint = registry.endpoint();
            let trouble = reply["trouble"].as_str().map(str::to_owned);
            let trouble = trouble.or_else(|| (reply["in_contact"] == false).then(out_of_contact));
            match trouble {
                Some(trouble) => {
                    Err(Failure::Unwell { endpoint: endpoint.to_owned(), trouble, reply })
                }
                None => Ok(Answer { reply, text: format!("the registry at {endpoint} is well") }),
            }
        })
    }
}

fn out_of_contact() -> String {
    "it is out of contact with those that share its list".to_owned()
}
