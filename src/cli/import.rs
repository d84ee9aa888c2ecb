//! `service-registry import`.

use std::path::PathBuf;

use argh::FromArgs;
use log::LevelFilter;
use serde_json::json;
use service_registry::backend::Existing;

use super::asking::{Answer, tell};
use super::failure::Failure;
use super::transfer::{Flags, Place, TransferError, file};
use super::{Exit, logging, output};

/// Take what `export` wrote into the database or the etcd of another registry.
#[derive(argh::ArgsInfo, FromArgs)]
#[argh(
    subcommand,
    name = "import",
    help_triggers("-h", "--help", "help"),
    note = "No registry may run on it. A database gets all of it or nothing; etcd takes much in \
        several pieces, and an import that was interrupted says so and is done again with --force.",
    note = "Run it as the registry's user: a database that is not there is made."
)]
pub(super) struct Import {
    /// the file that `export` wrote
    #[argh(positional, arg_name = "file")]
    file: PathBuf,

    /// take out everything that is there before
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

impl Import {
    pub(super) fn run(&self) -> Exit {
        tell(&self.import(), self.json)
    }

    fn import(&self) -> Result<Answer, Failure> {
        let place = Place::find(&Flags {
            config: self.config.as_deref(),
            backend: self.backend.as_deref(),
            db_path: self.db_path.as_deref(),
            etcd: self.etcd.as_deref(),
        })?;
        // All of it, before anything is touched.
        let contents = file::read(&self.file)?;
        let _log = logging::start(LevelFilter::Warn).map_err(TransferError::Log)?;
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        place.replace(&contents, existing)?;
        let (services, policies) = (contents.services.len(), contents.policies.len());
        let file = self.file.display().to_string();
        Ok(Answer {
            text: output::harmless(&format!(
                "{services} services and {policies} policies of {file} are in {place}"
            )),
            reply: json!({
                "success": true, "file": file, "services": services, "policies": policies,
            }),
        })
    }
}
