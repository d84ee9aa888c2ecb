//! What `export` and `import` share: where a registry keeps what it keeps, and what can go wrong
//! on the way from there or to there. The file between the two is in `transfer/file.rs`, its lines
//! in `transfer/line.rs`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use service_registry::backend::{
    BackendError, Contents, EtcdSettings, Existing, ImportError, SqliteBackend, SqliteError, etcd,
};
use service_registry::clock::Clock;
use service_registry::config::BackendKind;
use thiserror::Error;

use super::configuration::{self, ConfigurationError};
use super::failure::Failure;
use super::output;

pub(super) mod file;
mod line;

pub(super) use line::InvalidLine;

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
