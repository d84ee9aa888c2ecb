//! What `export` and `import` share: their flags, where a registry keeps what it keeps, what they
//! say when they are done, and what can go wrong. The file between the two is in
//! `transfer/file.rs`, its lines in `transfer/line.rs`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use service_registry::backend::{
    BackendError, Contents, EtcdSettings, Existing, ImportError, SqliteBackend, SqliteError, etcd,
};
use service_registry::clock::Clock;
use service_registry::config::BackendKind;
use thiserror::Error;

use super::asking::Answer;
use super::configuration::{self, ConfigurationError};
use super::failure::Failure;
use super::output::{self, counted};

pub(super) mod file;
mod line;

pub(super) use line::InvalidLine;

/// Defines a command that moves a registry: its own arguments, and those that both have, which
/// argh cannot share between structs.
macro_rules! moving_command {
    ($(#[$about:meta])* struct $command:ident { $($arguments:tt)* }) => {
        #[derive(argh::ArgsInfo, argh::FromArgs)]
        $(#[$about])*
        pub(super) struct $command {
            $($arguments)*

            /// the registry.yaml to read (default: $SERVICE_REGISTRY_CONFIG, ./registry.yaml, or
            /// /etc/service-registry/registry.yaml)
            #[argh(option)]
            config: Option<std::path::PathBuf>,

            /// what keeps the registrations: sqlite or etcd (default: as registry.yaml says)
            #[argh(option)]
            backend: Option<String>,

            /// the database file of sqlite (default: as registry.yaml says)
            #[argh(option)]
            db_path: Option<String>,

            /// how to reach etcd, in JSON, as registry.yaml explains (default: as registry.yaml
            /// says)
            #[argh(option)]
            etcd: Option<String>,

            /// print the result as one line of JSON, also on failure
            #[argh(switch)]
            json: bool,
        }

        impl $command {
            fn place(&self) -> Result<super::transfer::Place, super::failure::Failure> {
                super::transfer::Place::find(&super::transfer::Flags {
                    config: self.config.as_deref(),
                    backend: self.backend.as_deref(),
                    db_path: self.db_path.as_deref(),
                    etcd: self.etcd.as_deref(),
                })
            }
        }
    };
}

pub(super) use moving_command;

/// The flags that name a place, as they were given.
pub(super) struct Flags<'a> {
    pub(super) config: Option<&'a Path>,
    pub(super) backend: Option<&'a str>,
    pub(super) db_path: Option<&'a str>,
    pub(super) etcd: Option<&'a str>,
}

/// Where a registry keeps what it keeps.
pub(super) enum Place {
    /// In a file.
    Database(PathBuf),
    /// In etcd; with the name of the registry of this host.
    Etcd(Box<EtcdSettings>, String),
}

/// Why a registry was not moved.
#[derive(Debug, Error)]
pub(super) enum TransferError {
    #[error("there is a file {} already; --force overwrites it", .0.display())]
    FileExists(PathBuf),
    #[error("cannot write {}", path.display())]
    NotWritten { path: PathBuf, source: io::Error },
    #[error("cannot read {}", path.display())]
    NotRead { path: PathBuf, source: io::Error },
    #[error("{}, {reason}; nothing was imported", path.display())]
    Invalid { path: PathBuf, reason: InvalidLine },
    #[error("cannot export {place}")]
    NotExported { place: String, source: BackendError },
    #[error("cannot import into {place}")]
    NotImported { place: String, source: ImportError },
    #[error("cannot begin the log")]
    Log(#[source] io::Error),
}

impl TransferError {
    /// What scripts are told.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::FileExists(_) => "file_exists",
            Self::NotWritten { .. } | Self::Log(_) => "output_failed",
            Self::NotRead { .. } => "not_readable",
            Self::Invalid { .. } => "invalid_file",
            Self::NotImported { source: ImportError::NotEmpty { .. }, .. } => "not_empty",
            Self::NotImported {
                source: ImportError::InUse(_) | ImportError::Database(SqliteError::Locked { .. }),
                ..
            } => "in_use",
            Self::NotExported { .. } | Self::NotImported { .. } => "storage_failed",
        }
    }
}

impl Place {
    /// What `flags` name, or else `registry.yaml`.
    pub(super) fn find(flags: &Flags<'_>) -> Result<Self, Failure> {
        let mut config = configuration::source(flags.config).load()?;
        for (key, text) in
            [("backend", flags.backend), ("db_path", flags.db_path), ("etcd", flags.etcd)]
        {
            let Some(text) = text else { continue };
            config.set(key, text).map_err(|problem| {
                Failure::Usage(format!("--{}: {problem}", key.replace('_', "-")))
            })?;
        }
        config.validate().map_err(ConfigurationError::from)?;
        match config.backend {
            BackendKind::Sqlite => Ok(Self::Database(config.db_path)),
            BackendKind::Etcd => {
                let name = config.cluster_name();
                Ok(Self::Etcd(Box::new(config.etcd), name))
            }
            BackendKind::Memory => Err(Failure::Usage(
                "`backend: memory` keeps nothing that could be moved; name another with --backend"
                    .to_owned(),
            )),
        }
    }

    /// All that is kept there. Nothing of it is changed.
    pub(super) fn read(&self) -> Result<Contents, Failure> {
        match self {
            Self::Database(path) => {
                let found = SqliteBackend::examine(path)?;
                for row in &found.unusable_rows {
                    let (label, table) = (&row.label, row.table);
                    output::complain(&output::harmless(&format!(
                        "row {label} of {table} is left out: {}",
                        row.reason
                    )));
                }
                Ok(Contents { services: found.services, policies: found.policies })
            }
            Self::Etcd(settings, _) => Ok(etcd::export(settings).map_err(|source| {
                TransferError::NotExported { place: self.to_string(), source }
            })?),
        }
    }

    /// Makes `contents` all that is kept there.
    pub(super) fn replace(&self, contents: &Contents, existing: Existing) -> Result<(), Failure> {
        let imported = match self {
            Self::Database(path) => SqliteBackend::import(path, contents, existing),
            Self::Etcd(settings, name) => {
                let now = Clock::start().now().wall;
                etcd::import(settings, name, contents, existing, now)
            }
        };
        Ok(imported
            .map_err(|source| TransferError::NotImported { place: self.to_string(), source })?)
    }
}

/// What a command says that has moved `contents`: how many they are, `and_where`, and the `file`.
pub(super) fn moved(contents: &Contents, and_where: &str, file: &Path) -> Answer {
    let (services, policies) = (contents.services.len(), contents.policies.len());
    let counts = counts((services, policies));
    Answer {
        text: output::harmless(&format!("{counts} {and_where}")),
        reply: json!({
            "success": true,
            "file": file.display().to_string(),
            "services": services,
            "policies": policies,
        }),
    }
}

/// How many services and policies there are.
fn counts((services, policies): (usize, usize)) -> String {
    let services = counted(services, "service", "services");
    format!("{services} and {}", counted(policies, "policy", "policies"))
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(path) => write!(formatter, "the database {}", path.display()),
            Self::Etcd(settings, _) => {
                let (prefix, endpoints) = (&settings.prefix, settings.endpoints.join(", "));
                write!(formatter, "{prefix} of etcd at {endpoints}")
            }
        }
    }
}
