//! The line to systemd, where it listens (sd_notify(3)).
//!
//! It is opened before clients can have taken all descriptors: of whom systemd hears nothing it
//! takes for dead.

use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use sd_notify::NotifyState;

/// Where a service finds the socket of its manager.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// The manager of this service.
#[derive(Debug)]
pub(super) struct ServiceManager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl ServiceManager {
    /// The one that the environment names. None, where there is none, or none that can be told
    /// anything, which the log tells.
    pub(super) fn of_environment() -> Option<Self> {
        let address = env::var_os(VARIABLE)?;
        match Self::at(&address) {
            Ok(manager) => Some(manager),
            Err(error) => {
                log::warn!("cannot tell systemd anything at {address:?} ({VARIABLE}): {error}");
                None
            }
        }
    }

    fn at(address: &OsStr) -> io::Result<Self> {
        Ok(Self { socket: UnixDatagram::unbound()?, address: socket_address(address)? })
    }

    /// Tells it all of `states` at once.
    pub(super) fn tell(&self, states: &[NotifyState<'_>]) -> io::Result<()> {
        let mut message = String::new();
        for state in states {
            // Writing into a text cannot fail.
            let _ = writeln!(message, "{state}");
        }
        self.socket.send_to_addr(message.as_bytes(), &self.address).map(|_| ())
    }
}

/// A path, or, on Linux, behind an `@` a name that is in no file system.
fn socket_address(address: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = address.as_encoded_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt as _;
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_together_one_in_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::at(path.as_os_str()).unwrap();

        manager.tell(&[NotifyState::Ready, NotifyState::Status("well")]).unwrap();

        let mut heard = [0; 99];
        let length = listener.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"READY=1\nSTATUS=well\n");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_manager_may_have_a_name_that_is_in_no_file_system() {
        use std::os::linux::net::SocketAddrExt as _;

        let name = format!("service-registry-tests-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        let manager = ServiceManager::at(OsStr::new(&format!("@{name}"))).unwrap();

        manager.tell(&[NotifyState::Stopping]).unwrap();

        let mut heard = [0; 99];
        let length = listener.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"STOPPING=1\n");
    }
}
