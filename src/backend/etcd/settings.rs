//! How etcd is reached, and what is kept there.

use std::path::PathBuf;
use std::time::Duration;

/// The settings of the etcd backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdSettings {
    /// The URLs of the members, which are tried in turn.
    pub endpoints: Vec<String>,
    /// What stands before all keys. It ends with a slash.
    pub prefix: String,
    /// What this registry is called in its cluster; without one, its host and port.
    pub name: Option<String>,
    /// As whom it asks, and the file with the password; none where etcd asks for neither.
    pub user: Option<(String, PathBuf)>,
    /// The certificates by which members are known, in PEM; the well-known ones without it.
    pub ca_file: Option<PathBuf>,
    /// The files with the certificate and the key by which this registry is known, in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// How long a member may take to answer.
    pub request_timeout: Duration,
    /// How long the services of a registry that vanished are left to it.
    pub grace: Duration,
}

impl Default for EtcdSettings {
    fn default() -> Self {
        Self {
            endpoints: vec!["http://127.0.0.1:2379".to_owned()],
            prefix: "/service-registry/".to_owned(),
            name: None,
            user: None,
            ca_file: None,
            identity: None,
            request_timeout: Duration::from_secs(2),
            grace: Duration::from_secs(60),
        }
    }
}
