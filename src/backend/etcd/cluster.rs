//! A list in etcd, and what a program does with it.
//!
//! In `etcd/cluster/`, `store.rs` keeps the list, `head.rs` says how far everything has come, and
//! `load.rs` reads all of it; `follower.rs` watches, and `herald.rs` tells of this registry;
//! `transfer.rs` moves the list from and to elsewhere, and `examination.rs` asks the members how
//! they are. What stands in etcd is in `keys.rs` and `record.rs`; how etcd is asked, in
//! `gateway.rs` and `api.rs`.

use uuid::Uuid;

use crate::backend::shared::SharedStore;
use crate::backend::{BackendError, Contents, Existing, ImportError};
use crate::clock::WallTime;

use super::EtcdSettings;

mod api;
mod examination;
mod follower;
mod gateway;
mod head;
mod herald;
mod keys;
mod load;
mod orders;
mod record;
mod store;
mod transfer;
mod unanswered;

pub use examination::examine;

use follower::EtcdFollower;
use gateway::Gateway;
use herald::EtcdHerald;
use keys::Keys;
use store::EtcdStore;

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
