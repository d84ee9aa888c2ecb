//! How many connections come from one address.
//!
//! ZeroMQ asks when a connection is made and says nothing when it ends. So those that were let in
//! are counted, and where an address seems to have too many, the kernel is asked how many it has:
//! rarely, since with thousands of connections its answer takes milliseconds.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use nix::errno::Errno;

use crate::clock::ListeningTime;
use crate::protocol::reply::Ports;
use crate::server::sock_diag::SockDiag;

/// How long the kernel is not asked again. Whoever seems to have too many meanwhile is refused, and
/// tries again.
const ASK_AFTER: Duration = Duration::from_millis(250);

/// How many addresses are counted before those without a connection are forgotten.
const ADDRESSES_MAX: usize = 65_536;

/// How many connections each address has, as far as that must be known.
#[derive(Debug)]
pub(in crate::server) struct Crowds<Census = Kernel> {
    census: Census,
    most: u64,
    /// No address has more than is counted here: those that ended are still among them.
    counts: HashMap<IpAddr, u64>,
    counted: Option<ListeningTime>,
}

/// Counts the connections that there are.
pub(in crate::server) trait CountConnections {
    /// How many each address has.
    fn count(&mut self) -> Result<HashMap<IpAddr, u64>, Errno>;
}

/// What the kernel knows of the connections to these ports.
#[derive(Debug)]
pub(in crate::server) struct Kernel(pub(in crate::server) Ports);

impl CountConnections for Kernel {
    fn count(&mut self) -> Result<HashMap<IpAddr, u64>, Errno> {
        let mut counts = HashMap::new();
        for connection in SockDiag::open()?.connections(self.0.all())? {
            *counts.entry(connection.peer).or_default() += 1;
        }
        Ok(counts)
    }
}

impl<Census: CountConnections> Crowds<Census> {
    /// `most` connections may come from an address.
    pub(in crate::server) fn new(most: u64, census: Census) -> Self {
        Self { census, most, counts: HashMap::new(), counted: None }
    }

    /// Whether one more connection from `address`, which the kernel has made already, is too many.
    pub(in crate::server) fn is_too_many(&mut self, address: IpAddr, now: ListeningTime) -> bool {
        let address = address.to_canonical();
        *self.counts.entry(address).or_default() += 1;
        if self.count(address) > self.most || self.counts.len() > ADDRESSES_MAX {
            self.count_anew(address, now);
        }
        let is_too_many = self.count(address) > self.most;
        if is_too_many && let Some(count) = self.counts.get_mut(&address) {
            // It is refused, and so it ends.
            *count -= 1;
        }
        is_too_many
    }

    fn count(&self, address: IpAddr) -> u64 {
        self.counts.get(&address).copied().unwrap_or_default()
    }

    /// Asks how many there are. Where nobody can tell, nobody has too many.
    fn count_anew(&mut self, address: IpAddr, now: ListeningTime) {
        if self.counted.is_some_and(|counted| now.since(counted) < ASK_AFTER) {
            return;
        }
        let counts = self.census.count().ok();
        self.counted = counts.is_some().then_some(now);
        self.counts = counts.unwrap_or_default();
        // It may have ended already, but it is asked for.
        self.counts.entry(address).or_insert(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would say; None where it says nothing.
    impl CountConnections for Option<HashMap<IpAddr, u64>> {
        fn count(&mut self) -> Result<HashMap<IpAddr, u64>, Errno> {
            self.clone().ok_or(Errno::EACCES)
        }
    }

    const MOST: u64 = 3;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(milliseconds: u64) -> ListeningTime {
        ListeningTime::START.plus(Duration::from_millis(milliseconds))
    }

    /// Of so many from one address, which are too many.
    fn refused(crowds: &mut Crowds<impl CountConnections>, times: &[u64]) -> Vec<bool> {
        times.iter().map(|&time| crowds.is_too_many(address("192.0.2.1"), at(time))).collect()
    }

    #[test]
    fn an_address_with_as_many_as_it_may_have_gets_no_more_and_another_one_does() {
        let census = Some(HashMap::from([(address("192.0.2.1"), MOST + 1)]));
        let mut crowds = Crowds::new(MOST, census);

        assert_eq!(refused(&mut crowds, &[0; 5]), [false, false, false, true, true]);
        assert!(crowds.is_too_many(address("::ffff:192.0.2.1"), at(0)), "it is the same");
        assert!(!crowds.is_too_many(address("192.0.2.2"), at(0)));
    }

    #[test]
    fn connections_that_have_ended_do_not_count() {
        let mut crowds = Crowds::new(MOST, Some(HashMap::new()));

        // The fourth is the first again.
        assert_eq!(refused(&mut crowds, &[0; 6]), [false; 6]);
        // Before it is asked again, those that were counted count.
        assert_eq!(refused(&mut crowds, &[249, 250]), [true, false]);
    }

    #[test]
    fn where_nobody_can_tell_nobody_is_refused() {
        let mut crowds = Crowds::new(MOST, None);

        assert_eq!(refused(&mut crowds, &[0; 12]), [false; 12]);
    }
}
