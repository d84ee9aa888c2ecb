//! The same as `etcd/cluster.rs`, in a program that was built without it: all of it is refused.

use crate::backend::shared::SharedStore;
use crate::backend::{BackendError, Contents, Existing, ImportError};
use crate::clock::WallTime;

use super::{EtcdSettings, Member};

/// The parts of a registry on etcd.
///
/// # Errors
/// [`BackendError`], always.
pub fn open(_settings: &EtcdSettings, _name: &str) -> Result<SharedStore, BackendError> {
    Err(absent())
}

/// All that registries keep in etcd.
///
/// # Errors
/// [`BackendError`], always.
pub fn export(_settings: &EtcdSettings) -> Result<Contents, BackendError> {
    Err(absent())
}

/// Makes `contents` all that registries keep in etcd.
///
/// # Errors
/// [`ImportError`], always.
pub fn import(
    _settings: &EtcdSettings,
    _name: &str,
    _contents: &Contents,
    _existing: Existing,
    _now: WallTime,
) -> Result<(), ImportError> {
    Err(absent().into())
}

/// How the members of etcd are.
///
/// # Errors
/// [`BackendError`], always.
pub fn examine(_settings: &EtcdSettings) -> Result<Vec<Member>, BackendError> {
    Err(absent())
}

fn absent() -> BackendError {
    BackendError::new(
        "this program was built without etcd; install the package, or build it with the feature \
         `etcd`",
    )
}
