//! The backend for several hosts: registries that share one list, kept in etcd.
//!
//! Who proposes a change compares, in one transaction, the head with the one that it knows: the
//! comparison alone decides that the change was planned against the list as it stands. The same
//! transaction tells the others, who watch.
//!
//! All of it is in `etcd/cluster.rs`, which takes the cargo feature `etcd`. Without that feature
//! `etcd/absent.rs` stands in its place, so that no caller has to ask which it is.

#[cfg(not(feature = "etcd"))]
mod absent;
#[cfg(feature = "etcd")]
mod cluster;
mod member;
mod settings;

#[cfg(not(feature = "etcd"))]
pub use absent::{examine, export, import, open};
#[cfg(feature = "etcd")]
pub use cluster::{examine, export, import, open};
pub use member::{Leadership, Member, MemberState, MemberTrouble};
pub use settings::EtcdSettings;
