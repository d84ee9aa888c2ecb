//! `service-registry backup`.

use std::fs;
use std::io::ErrorKind;
use std::net::ToSocketAddrs;
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path};

use serde_json::{Map, Value, json};

use super::asking::{Answer, Asking, Timeout, asking_command, tell};
use super::failure::Failure;
use super::hosts::Asked;
use super::{Exit, host, output};

asking_command! {
    #[host("host name or address of the registry, not more than one (default: \
        $SERVICE_REGISTRY_HOST, or localhost)")]
    #[timeout("how many seconds to wait for the copy (default: 60)")]
    /// Copy the database of a running registry on this host to a file.
    #[argh(
        subcommand,
        name = "backup",
        help_triggers("-h", "--help", "help"),
        note = "The registry itself writes the file, so its user must be allowed to. Registrations \
            wait until it is done; everything else goes on. `service-registry check` verifies a \
            copy, and a registry can be started on it."
    )]
    struct Backup {
        /// the file to write
        #[argh(positional, arg_name = "file")]
        destination: String,

        /// overwrite the file if it exists; it must be a database of a registry, or empty
        #[argh(switch)]
        force: bool,
    }
}

impl Backup {
    pub(super) fn run(&self) -> Exit {
        tell(&self.back_up(), self.json)
    }

    fn back_up(&self) -> Result<Answer, Failure> {
        let asking = self.asking();
        // The file is written by one of them, on its host.
        let asked = asking.only()?;
        let destination = absolute(&self.destination)?;
        // That nobody is there is told at once, and not after the time that a backup may take.
        asking.registry()?.ask("health", &[])?;
        let timeout = self.timeout.unwrap_or(Timeout::FOR_BACKUP);
        let mut registry = Asking { timeout, ..asking }.registry()?;
        let before = Seen::at(&destination);
        let reply = registry.send(request(&destination, self.force))?;
        if is_here(&asked) && !before.has_become(&Seen::at(&destination)) {
            return Err(Failure::CopyElsewhere { destination });
        }
        let text = format!(
            "the registry at {} is backed up to {}",
            registry.endpoint(),
            output::harmless(&destination)
        );
        Ok(Answer { reply, text })
    }
}

/// What stands at a path, as this process sees it.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    /// A file, with its device and its number there.
    File(u64, u64),
    /// This user may not look.
    Hidden,
}

impl Seen {
    fn at(path: &str) -> Self {
        match fs::metadata(path) {
            Ok(file) => Self::File(file.dev(), file.ino()),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::Nothing,
            Err(_) => Self::Hidden,
        }
    }

    /// Whether a copy may have been put here, as far as can be seen: one is always a new file.
    fn has_become(&self, after: &Self) -> bool {
        match after {
            Self::Nothing => false,
            Self::File(..) => self != after,
            Self::Hidden => true,
        }
    }
}

/// Whether the registry is on this host, so that its files could be seen from here.
fn is_here(asked: &Asked) -> bool {
    let addresses = (asked.host.to_string(), asked.port.get());
    addresses
        .to_socket_addrs()
        .is_ok_and(|mut addresses| addresses.any(|address| host::is_own(address.ip())))
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
