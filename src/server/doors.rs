//! Who may come in, and what they may do there: the rules of `access` as this server has them.
//!
//! Shared by the gatekeeper, which asks for every connection, and by the threads that take
//! messages. When the rules have changed, these ask again for every message: ZeroMQ closes no
//! connection of somebody who may not connect any more, so what still comes over it is refused.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::access::{AllowList, Denial, Terminate};
use crate::config::Config;
use crate::protocol::request::Request;

/// See the module's page. Clones are the same doors.
#[derive(Debug, Clone)]
pub(super) struct Doors(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    allow: RwLock<AllowList>,
    /// Whether there are connections that were made under other rules.
    changed: AtomicBool,
    terminate: Terminate,
    refused_connections: AtomicU64,
}

impl Doors {
    pub(super) fn new(config: &Config) -> Self {
        Self(Arc::new(Rules {
            allow: RwLock::new(config.allow.clone()),
            changed: AtomicBool::new(false),
            terminate: config.terminate,
            refused_connections: AtomicU64::new(0),
        }))
    }

    /// Whether somebody at `address` may connect.
    pub(super) fn admit(&self, address: Option<IpAddr>) -> Result<(), Denial> {
        let allow = self.0.allow.read().unwrap_or_else(PoisonError::into_inner);
        if allow.admits(address) { Ok(()) } else { Err(Denial::Network { address }) }
    }

    /// Whether somebody who has connected may go on. `peer` finds out where they are, which takes
    /// its time and is asked for only where it matters.
    pub(super) fn admit_still(
        &self,
        mut peer: impl FnMut() -> Option<IpAddr>,
    ) -> Result<(), Denial> {
        if self.0.changed.load(Ordering::Acquire) { self.admit(peer()) } else { Ok(()) }
    }

    /// The `request` as somebody at the address `peer` may make it.
    pub(super) fn judge(
        &self,
        request: Request,
        mut peer: impl FnMut() -> Option<IpAddr>,
    ) -> Result<Request, Denial> {
        self.admit_still(&mut peer)?;
        match request {
            Request::Terminate if !self.0.terminate.permits(peer()) => {
                Err(Denial::Terminate(self.0.terminate))
            }
            Request::Write(write) => Ok(Request::Write(write.asked_from(peer()))),
            request => Ok(request),
        }
    }

    /// Lets those in `allow` in from now on, and nobody else.
    pub(super) fn set_allow(&self, allow: AllowList) {
        *self.0.allow.write().unwrap_or_else(PoisonError::into_inner) = allow;
        self.0.changed.store(true, Ordering::Release);
    }

    /// Counts a connection that was refused.
    pub(super) fn count_refused_connection(&self) {
        self.0.refused_connections.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections were refused since the start.
    pub(super) fn refused_connections(&self) -> u64 {
        self.0.refused_connections.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::request::Read;

    fn doors(allow: &str, terminate: Terminate) -> Doors {
        let allow = allow.parse().unwrap();
        Doors::new(&Config { allow, terminate, ..Config::default() })
    }

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn who_may_not_connect_any_more_is_refused_everything() {
        let doors = doors("127.0.0.1,127.0.0.2", Terminate::Allowed);
        let other = address("127.0.0.2");
        let refused = Err(Denial::Network { address: other });
        assert!(doors.judge(Request::Read(Read::Health), || other).is_ok());

        doors.set_allow("127.0.0.1".parse().unwrap());

        assert_eq!(doors.admit_still(|| other), Err(Denial::Network { address: other }));
        for request in [Request::Read(Read::Health), Request::Terminate] {
            assert_eq!(doors.judge(request, || other), refused);
        }
        assert_eq!(doors.admit_still(|| address("127.0.0.1")), Ok(()));
    }

    #[test]
    fn terminate_is_refused_to_whom_the_setting_excludes() {
        for (terminate, from, permitted) in [
            (Terminate::Loopback, "127.0.0.1", true),
            (Terminate::Loopback, "192.0.2.1", false),
            (Terminate::Allowed, "192.0.2.1", true),
            (Terminate::Never, "127.0.0.1", false),
        ] {
            let judged = doors("all", terminate).judge(Request::Terminate, || address(from));

            assert_eq!(judged.is_ok(), permitted, "{terminate:?}, {from}");
        }
    }
}
