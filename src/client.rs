//! Asking a registry.

mod connection;

pub use crate::address::{Host, InvalidAddress};
pub use connection::{Connection, ConnectionError};
