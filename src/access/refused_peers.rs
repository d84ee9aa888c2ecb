//! What is remembered of refused peers until it is logged.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::ListeningTime;

/// How much time lies between two reports at the least.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// How many addresses a report names. Whoever has more of them than this must not be able to
/// fill the memory or the log with them.
const ADDRESSES_MAX: usize = 16;

/// Refused peers: counted and named, but told at most once a minute.
#[derive(Debug, Default)]
pub struct RefusedPeers {
    since_report: PeerReport,
    reported: Option<ListeningTime>,
}

/// How often whom, since the last report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerReport {
    by_address: BTreeMap<IpAddr, u64>,
    /// Those whose address found no room, or is not known.
    others: u64,
}

impl RefusedPeers {
    /// Notes that somebody at `address` was refused.
    pub fn note(&mut self, address: Option<IpAddr>) {
        let PeerReport { by_address, others } = &mut self.since_report;
        let has_room = by_address.len() < ADDRESSES_MAX;
        match address.map(|address| address.to_canonical()) {
            Some(address) if has_room || by_address.contains_key(&address) => {
                *by_address.entry(address).or_default() += 1;
            }
            _ => *others += 1,
        }
    }

    /// How long the next report must wait; none, where there is nothing to report.
    #[must_use]
    pub fn due_in(&self, now: ListeningTime) -> Option<Duration> {
        if self.since_report.count() == 0 {
            return None;
        }
        let since = self.reported.map_or(REPORT_INTERVAL, |reported| now.since(reported));
        Some(REPORT_INTERVAL.saturating_sub(since))
    }

    /// What is to be reported now, if anything.
    pub fn report(&mut self, now: ListeningTime) -> Option<PeerReport> {
        let is_due = self.due_in(now).is_some_and(|wait| wait.is_zero());
        is_due.then(|| {
            self.reported = Some(now);
            std::mem::take(&mut self.since_report)
        })
    }

    /// What was not reported yet, due or not.
    pub fn rest(&mut self) -> Option<PeerReport> {
        let rest = std::mem::take(&mut self.since_report);
        (rest.count() > 0).then_some(rest)
    }
}

impl PeerReport {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_address.values().sum::<u64>() + self.others
    }
}

impl fmt::Display for PeerReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count();
        let connections = if count == 1 { "connection" } else { "connections" };
        let addresses =
            self.by_address.iter().map(|(address, count)| format!("{address} ({count})"));
        let others = (self.others > 0).then(|| format!("other addresses ({})", self.others));
        let from: Vec<String> = addresses.chain(others).collect();
        write!(formatter, "{count} {connections} from {}", from.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> ListeningTime {
        ListeningTime::from_milliseconds(seconds * 1_000)
    }

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn the_first_is_told_at_once_and_further_ones_once_a_minute() {
        let mut peers = RefusedPeers::default();
        assert_eq!(peers.due_in(at(5)), None);

        peers.note(address("192.0.2.1"));
        assert_eq!(peers.report(at(5)).unwrap().to_string(), "1 connection from 192.0.2.1 (1)");
        assert_eq!(peers.due_in(at(5)), None);

        for from in ["192.0.2.2", "192.0.2.1", "192.0.2.2"] {
            peers.note(address(from));
        }
        assert_eq!(peers.due_in(at(15)), Some(Duration::from_secs(50)));
        assert_eq!(peers.report(at(64)), None);
        assert_eq!(
            peers.report(at(65)).unwrap().to_string(),
            "3 connections from 192.0.2.1 (1), 192.0.2.2 (2)"
        );
        assert_eq!(peers.report(at(1_000)), None);
    }

    #[test]
    fn a_crowd_is_counted_and_not_named() {
        let mut peers = RefusedPeers::default();
        for number in 0..1_000 {
            peers.note(address(&format!("10.0.{}.{}", number / 256, number % 256)));
        }

        let told = peers.report(at(0)).unwrap().to_string();

        assert!(told.starts_with("1000 connections from "), "{told}");
        assert!(told.ends_with(", other addresses (984)"), "{told}");
        assert!(told.len() < 1_000);
    }

    #[test]
    fn what_was_not_told_can_be_told_at_the_end() {
        let mut peers = RefusedPeers::default();
        assert_eq!(peers.rest(), None);
        peers.note(address("192.0.2.1"));
        peers.report(at(0));
        peers.note(address("192.0.2.1"));

        assert_eq!(peers.rest().unwrap().to_string(), "1 connection from 192.0.2.1 (1)");
        assert_eq!(peers.rest(), None);
    }
}
