//! The settings of a server: what they are, their defaults and their limits.
//!
//! Each setting has one name everywhere. It is a key of `registry.yaml` ([`Config::from_yaml`]),
//! a flag of `service-registry start` ([`Config::set`]), and a field of [`Config`]. Finding the
//! file, reading arguments and printing belong to the program. It takes the feature `server`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use uuid::Uuid;

use crate::access::{AllowList, Ownership, Terminate};
use crate::address;
use crate::backend::{Durability, EtcdSettings};
use crate::limits::{InvalidLimits, Limits};

mod curve;
mod etcd;
mod file;
mod settings;

pub use address::BindAddress;
pub use curve::{Curve, InvalidCurve};
pub use etcd::InvalidEtcd;
pub use file::InvalidFile;
pub use log::LevelFilter as LogLevel;
pub use settings::InvalidSetting;

/// The shortest pause between two clean-ups. A shorter one costs more than it is worth: a time
/// to live is counted in whole seconds.
pub const CLEANUP_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// The longest pause between two clean-ups: a day.
pub const CLEANUP_INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// The settings of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the sockets listen.
    pub bind: BindAddress,
    /// Port for requests; 0 for one that the operating system picks.
    pub req_port: u16,
    /// Port for events; 0 for one that the operating system picks.
    pub pub_port: u16,
    /// Port for heartbeats; 0 for one that the operating system picks.
    pub hb_port: u16,
    /// Where metrics and a page are served over HTTP, if anywhere; port 0 for one that the
    /// operating system picks.
    pub http: Option<SocketAddr>,
    /// Who may connect.
    pub allow: AllowList,
    /// The keys of the registry, and those that it lets in; none where it takes no keys.
    pub curve: Option<Curve>,
    /// Who may stop the registry.
    pub terminate: Terminate,
    /// Who may deregister a living service, or replace its entry.
    pub ownership: Ownership,
    /// What keeps the registrations.
    pub backend: BackendKind,
    /// The database file of [`BackendKind::Sqlite`].
    pub db_path: PathBuf,
    /// What a commit to that file waits for.
    pub durability: Durability,
    /// The cluster of [`BackendKind::Etcd`].
    pub etcd: EtcdSettings,
    /// How often services are removed that have not been heard for their time to live.
    pub cleanup_interval: Duration,
    /// Whether a second service of a type is refused.
    pub enforce_unique_service_types: bool,
    /// What the registry takes at the most.
    pub limits: Limits,
    /// How much the program logs.
    pub log_level: LogLevel,
}

/// What keeps the registrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendKind {
    /// A database file: registrations survive a restart.
    Sqlite,
    /// Nothing: registrations end with the server.
    Memory,
    /// A cluster, in which registries on several hosts share them.
    Etcd,
}

/// Why settings that are right one by one make no server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// Two sockets cannot share a port.
    #[error("{first} and {second} must be different ports, not both {port}")]
    SharedPort {
        /// The key of one port.
        first: &'static str,
        /// The key of the other.
        second: &'static str,
        /// The port that both are.
        port: u16,
    },
    /// See [`CLEANUP_INTERVAL_MIN`] and [`CLEANUP_INTERVAL_MAX`].
    #[error(
        "cleanup_interval must be from {} to {} seconds, not {}",
        CLEANUP_INTERVAL_MIN.as_secs_f64(),
        CLEANUP_INTERVAL_MAX.as_secs_f64(),
        .0.as_secs_f64()
    )]
    CleanupInterval(Duration),
    /// Two limits exclude each other.
    #[error("limits: {0}")]
    Limits(#[from] InvalidLimits),
    /// A database needs a file.
    #[error("db_path must not be empty")]
    NoDatabaseFile,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: BindAddress::loopback(),
            req_port: 6100,
            pub_port: 6101,
            hb_port: 6102,
            http: None,
            allow: AllowList::everybody(),
            curve: None,
            terminate: Terminate::Loopback,
            ownership: Ownership::Open,
            backend: BackendKind::Sqlite,
            db_path: PathBuf::from("service_registry.db"),
            durability: Durability::Full,
            etcd: EtcdSettings::default(),
            cleanup_interval: Duration::from_secs(10),
            enforce_unique_service_types: true,
            limits: Limits::default(),
            log_level: LogLevel::Info,
        }
    }
}

impl Config {
    /// The settings in the `text` of a `registry.yaml`; what is not in it has its default.
    /// `path` stands in the errors.
    ///
    /// # Errors
    /// [`InvalidFile`], for the first mistake in the text.
    pub fn from_yaml(text: &str, path: &Path) -> Result<Self, InvalidFile> {
        file::parse(text, path)
    }

    /// Gives the setting `key` the value that `text` stands for.
    ///
    /// # Errors
    /// [`InvalidSetting`], after which nothing has changed.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), InvalidSetting> {
        settings::set_text(self, key, text)
    }

    /// The keys of all settings, in the order in which they are documented.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        settings::keys()
    }

    /// The keys of the settings that are others in `other`, in the order in which they are
    /// documented.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        settings::differences(self, other)
    }

    /// What this registry is called among those that share its list: the same after a restart.
    #[must_use]
    pub fn cluster_name(&self) -> String {
        let host = || {
            let name = nix::unistd::gethostname().ok();
            let name = name.map(|name| name.to_string_lossy().replace('/', "-"));
            match (name, self.req_port) {
                (Some(name), port) if port != 0 => format!("{name}:{port}"),
                // Nothing of it would be the same.
                (name, _) => format!("{}:{}", name.unwrap_or_default(), Uuid::new_v4()),
            }
        };
        self.etcd.name.clone().unwrap_or_else(host)
    }

    /// Checks what the types of the fields leave open.
    ///
    /// # Errors
    /// [`InvalidConfig`], for the first mistake.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let ports = [
            ("req_port", self.req_port),
            ("pub_port", self.pub_port),
            ("hb_port", self.hb_port),
            ("http", self.http.map_or(0, |address| address.port())),
        ];
        for (index, &(second, port)) in ports.iter().enumerate() {
            let shared = ports[..index].iter().find(|&&(_, earlier)| earlier == port && port != 0);
            if let Some(&(first, _)) = shared {
                return Err(InvalidConfig::SharedPort { first, second, port });
            }
        }
        if !(CLEANUP_INTERVAL_MIN..=CLEANUP_INTERVAL_MAX).contains(&self.cleanup_interval) {
            return Err(InvalidConfig::CleanupInterval(self.cleanup_interval));
        }
        self.limits.validate()?;
        if self.backend == BackendKind::Sqlite && self.db_path.as_os_str().is_empty() {
            return Err(InvalidConfig::NoDatabaseFile);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn two_sockets_cannot_share_a_port() {
        let config = Config { hb_port: 6100, ..Config::default() };

        let error = config.validate().unwrap_err().to_string();

        assert_eq!(error, "req_port and hb_port must be different ports, not both 6100");

        let http = Some(([127, 0, 0, 1], 6101).into());
        let error = Config { http, ..Config::default() }.validate().unwrap_err().to_string();

        assert_eq!(error, "pub_port and http must be different ports, not both 6101");
    }

    #[test]
    fn the_operating_system_may_pick_all_ports() {
        let config = Config { req_port: 0, pub_port: 0, hb_port: 0, ..Config::default() };

        assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn a_cleanup_interval_is_neither_a_spin_nor_forever() {
        for (milliseconds, valid) in
            [(99, false), (100, true), (86_400_000, true), (86_400_001, false)]
        {
            let cleanup_interval = Duration::from_millis(milliseconds);
            let config = Config { cleanup_interval, ..Config::default() };

            assert_eq!(config.validate().is_ok(), valid, "{milliseconds}");
        }
    }

    #[test]
    fn only_a_database_needs_a_file() {
        let config = Config { db_path: PathBuf::new(), ..Config::default() };
        assert_eq!(config.validate(), Err(InvalidConfig::NoDatabaseFile));

        let in_memory = Config { backend: BackendKind::Memory, ..config };
        assert_eq!(in_memory.validate(), Ok(()));
    }
}
