//! `service-registry backup`.

use std::path::{self, Path};

use serde_json::{Map, Value, json};

use super::asking::{Answer, Asking, Timeout, asking_command};
use super::failure::Failure;
use super::{Exit, output};

asking_command! {
    /// Copy the database of a running registry on this host to a file.
    #[argh(
        subcommand,
        name = "backup",
        help_triggers("-h", "--help", "help"),
        note = "The registry writes the file, with its rights. Registrations wait until it is \
            done; everything else goes on. `service-registry check` verifies a copy, and a \
            registry can be started on it."
    )]
    struct Backup {
        /// the file to write
        #[argh(positional, arg_name = "dest")]
        destination: String,

        /// overwrite the file where there is one, which must be a registry's database or empty
        #[argh(switch)]
        force: bool,
    }
}

impl Backup {
    pub(super) fn run(&self) -> Exit {
        let timeout = self.timeout.unwrap_or(Timeout::FOR_BACKUP);
        let asking = Asking { timeout, ..self.asking() };
        asking.run(|registry| {
            // The file is written by one of them, on its host.
            asking.only()?;
            let destination = absolute(&self.destination)?;
            let reply = registry.send(request(&destination, self.force))?;
            let text = format!(
                "the registry at {} is backed up to {}",
                registry.endpoint(),
                output::harmless(&destination)
            );
            Ok(Answer { reply, text })
        })
    }
}

/// The registry runs in a directory of its own, where a relative path would lead elsewhere.
fn absolute(destination: &str) -> Result<String, Failure> {
    let unusable = |reason: &str| {
        Failure::Usage(format!("{destination:?} cannot be made an absolute path: {reason}"))
    };
    path::absolute(Path::new(destination))
        .map_err(|error| unusable(&error.to_string()))?
        .into_os_string()
        .into_string()
        .map_err(|_| unusable("the name of the current directory is not UTF-8"))
}

fn request(destination: &str, force: bool) -> Map<String, Value> {
    let fields =
        [("action", json!("backup")), ("destination", json!(destination)), ("force", json!(force))];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
