//! The backend for several hosts: registries that share one list, kept in etcd.
//!
//! Who proposes a change compares, in one transaction, the head with the one that it knows: the
//! comparison alone decides that the change was planned against the list as it stands. The same
//! transaction tells the others, who watch. `etcd/store.rs` keeps the list, `etcd/head.rs` says how
//! far everything has come, `etcd/load.rs` takes all of it, `etcd/follower.rs` watches,
//! `etcd/herald.rs` tells of this registry, `etcd/transfer.rs` moves the list from and to
//! elsewhere, and `etcd/examination.rs` asks members how they are. What stands in etcd is in
//! `etcd/keys.rs` and `etcd/record.rs`, and how it is asked in `etcd/gateway.rs` and
//! `etcd/api.rs`.

#[cfg(not(feature = "etcd"))]
mod absent;
#[cfg(feature = "etcd")]
mod api;
#[cfg(feature = "etcd")]
mod cluster;
#[cfg(feature = "etcd")]
mod examination;
#[cfg(feature = "etcd")]
mod follower;
#[cfg(feature = "etcd")]
mod gateway;
#[cfg(feature = "etcd")]
mod head;
#[cfg(feature = "etcd")]
mod herald;
#[cfg(feature = "etcd")]
mod keys;
#[cfg(feature = "etcd")]
mod load;
mod member;
#[cfg(feature = "etcd")]
mod orders;
#[cfg(feature = "etcd")]
mod record;
mod settings;
#[cfg(feature = "etcd")]
mod store;
#[cfg(feature = "etcd")]
mod transfer;
#[cfg(feature = "etcd")]
mod unanswered;

#[cfg(not(feature = "etcd"))]
pub use absent::{examine, export, import, open};
#[cfg(feature = "etcd")]
pub use cluster::{export, import, open};
#[cfg(feature = "etcd")]
pub use examination::examine;
pub use member::{Leadership, Member, MemberState, MemberTrouble};
pub use settings::EtcdSettings;
