//! Which addresses are of this host.

use std::net::IpAddr;

/// Whether `address` is one of this host.
pub(super) fn is_own(address: IpAddr) -> bool {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    address.is_loopback() || interfaces.iter().any(|interface| interface.ip() == address)
}
