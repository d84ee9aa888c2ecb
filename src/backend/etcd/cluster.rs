//! What a program does with a cluster.

use uuid::Uuid;

use crate::backend::shared::SharedStore;
use crate::backend::{BackendError, Contents, Existing, ImportError};
use crate::clock::WallTime;

use super::EtcdSettings;
use super::follower::EtcdFollower;
use super::gateway::Gateway;
use super::herald::EtcdHerald;
use super::keys::Keys;
use super::store::EtcdStore;

/// The parts of a registry called `name` on etcd.
///
/// # Errors
/// [`BackendError`], where a file that `settings` name cannot be used. Etcd itself is not asked
/// yet.
pub fn open(settings: &EtcdSettings, name: &str) -> Result<SharedStore, BackendError> {
    let keys = Keys::new(&settings.prefix);
    let instance: Box<str> = Uuid::new_v4().to_string().into();
    let follower = EtcdFollower::open(settings, keys.clone(), name.into(), instance.clone())?;
    let gateway = Gateway::open(settings, None)?;
    Ok(SharedStore {
        name: name.into(),
        backend: Box::new(store(settings, name)?),
        follower: Box::new(follower),
        herald: Box::new(EtcdHerald::new(gateway, keys, name.into(), instance)),
    })
}

/// All that registries keep under the prefix of `settings`, as it stands at one moment. They may
/// be running.
///
/// # Errors
/// [`BackendError`], where etcd cannot be read, or where no registry has used the prefix.
pub fn export(settings: &EtcdSettings) -> Result<Contents, BackendError> {
    store(settings, "export")?.export()
}

/// Makes `contents` all that registries keep under the prefix of `settings`. The services become
/// those of the registry called `name`.
///
/// # Errors
/// [`ImportError`], which says whether anything has changed.
pub fn import(
    settings: &EtcdSettings,
    name: &str,
    contents: &Contents,
    existing: Existing,
    now: WallTime,
) -> Result<(), ImportError> {
    store(settings, name)?.import(contents, existing, now)
}

fn store(settings: &EtcdSettings, name: &str) -> Result<EtcdStore, BackendError> {
    let gateway = Gateway::open(settings, None)?;
    Ok(EtcdStore::new(gateway, Keys::new(&settings.prefix), name.into()))
}
