//! The backend for several hosts: registries that share one list, kept in etcd.
//!
//! Who proposes a change compares, in one transaction, the head with the one that it knows: the
//! comparison alone decides that the change was planned against the list as it stands. The same
//! transaction tells the others, who watch. `etcd/store.rs` keeps the list, `etcd/load.rs` takes
//! all of it, `etcd/follower.rs` watches, `etcd/herald.rs` tells of this registry. What stands in
//! etcd is in `etcd/keys.rs` and `etcd/record.rs`, and how it is asked in `etcd/gateway.rs` and
//! `etcd/api.rs`.

mod settings;

pub use settings::EtcdSettings;

#[cfg(feature = "etcd")]
mod api;
#[cfg(feature = "etcd")]
mod follower;
#[cfg(feature = "etcd")]
mod gateway;
#[cfg(feature = "etcd")]
mod herald;
#[cfg(feature = "etcd")]
mod keys;
#[cfg(feature = "etcd")]
mod load;
#[cfg(feature = "etcd")]
mod orders;
#[cfg(feature = "etcd")]
mod record;
#[cfg(feature = "etcd")]
mod store;

/// The parts of a registry called `name` on etcd.
///
/// # Errors
/// [`super::BackendError`], where a file that `settings` name cannot be used. Etcd itself is not
/// asked yet.
#[cfg(feature = "etcd")]
pub fn open(
    settings: &EtcdSettings,
    name: &str,
) -> Result<super::shared::Shared, super::BackendError> {
    let keys = keys::Keys::new(&settings.prefix);
    let instance: Box<str> = uuid::Uuid::new_v4().to_string().into();
    let gateway = || gateway::Gateway::open(settings, None);
    Ok(super::shared::Shared {
        name: name.into(),
        backend: Box::new(store::Store::new(gateway()?, keys.clone(), name.into())),
        follower: Box::new(follower::Feeds::open(
            settings,
            keys.clone(),
            name.into(),
            instance.clone(),
        )?),
        herald: Box::new(herald::Crier::new(gateway()?, keys, name.into(), instance)),
    })
}

/// The same, in a program that was built without it.
///
/// # Errors
/// [`super::BackendError`], always.
#[cfg(not(feature = "etcd"))]
pub fn open(
    _settings: &EtcdSettings,
    _name: &str,
) -> Result<super::shared::Shared, super::BackendError> {
    Err(super::BackendError::new(
        "this program was built without etcd; install the package, or build it with the feature \
         `etcd`",
    ))
}
