//! `service-registry export`.

use std::path::PathBuf;

use argh::FromArgs;
use log::LevelFilter;
use serde_json::json;

use super::asking::{Answer, tell};
use super::failure::Failure;
use super::transfer::{Flags, Place, TransferError, file};
use super::{Exit, logging, output};

/// Write all that a registry keeps to a file, from which `import` takes it to another backend.
#[derive(argh::ArgsInfo, FromArgs)]
#[argh(
    subcommand,
    name = "export",
    help_triggers("-h", "--help", "help"),
    note = "It reads the database or the etcd of registry.yaml, or of the flags, and changes \
        nothing there. A database must not be in use; etcd may be."
)]
pub(super) struct Export {
    /// the file to write
    #[argh(positional, arg_name = "file")]
    file: PathBuf,

    /// overwrite the file where there is one
    #[argh(switch)]
    force: bool,

    /// the registry.yaml to read (default: $SERVICE_REGISTRY_CONFIG, ./registry.yaml, or
    /// /etc/service-registry/registry.yaml)
    #[argh(option)]
    config: Option<PathBuf>,

    /// what keeps the registrations: sqlite or etcd (default: as registry.yaml says)
    #[argh(option)]
    backend: Option<String>,

    /// the database file of sqlite (default: as registry.yaml says)
    #[argh(option)]
    db_path: Option<String>,

    /// the cluster of etcd as registry.yaml explains it, in JSON (default: as registry.yaml says)
    #[argh(option)]
    etcd: Option<String>,

    /// print the outcome as one line of JSON, failures too
    #[argh(switch)]
    json: bool,
}

impl Export {
    pub(super) fn run(&self) -> Exit {
        tell(&self.export(), self.json)
    }

    fn export(&self) -> Result<Answer, Failure> {
        let place = Place::find(&Flags {
            config: self.config.as_deref(),
            backend: self.backend.as_deref(),
            db_path: self.db_path.as_deref(),
            etcd: self.etcd.as_deref(),
        })?;
        // What cannot be read is left out, and told as a registry tells it.
        let _log = logging::start(LevelFilter::Warn).map_err(TransferError::Log)?;
        let contents = place.read()?;
        file::write(&self.file, &contents, self.force)?;
        let (services, policies) = (contents.services.len(), contents.policies.len());
        let file = self.file.display().to_string();
        Ok(Answer {
            text: output::harmless(&format!(
                "{services} services and {policies} policies of {place} are written to {file}"
            )),
            reply: json!({
                "success": true, "file": file, "services": services, "policies": policies,
            }),
        })
    }
}
