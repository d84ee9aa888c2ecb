//! `service-registry health`.

use super::Exit;
use super::asking::{Answer, asking_command};
use super::failure::Failure;

asking_command! {
    /// Ask a registry whether it is well.
    #[argh(
        subcommand,
        name = "health",
        help_triggers("-h", "--help", "help"),
        note = "Ends with 1 where the registry answers, and says that it cannot store what \
            changes: then it refuses registrations."
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
