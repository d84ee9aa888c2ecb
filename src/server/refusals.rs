//! What the log says of refusals: one line a minute, however many there were.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::ListeningTime;
use crate::limits::Limit;
use crate::protocol::code::Code;
use crate::protocol::error_reply::ErrorReply;

/// How long the log says nothing of refusals after a line about them.
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// How many clients are told apart. Whoever comes with more addresses is not found by one of them.
const CLIENTS_MAX: usize = 256;

/// Why something was refused, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: Code,
    /// The limit that was exceeded, if it was one.
    pub(super) limit: Option<Limit>,
}

/// The refusals that the log has not told of yet.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    by_kind: BTreeMap<&'static str, u64>,
    by_client: HashMap<IpAddr, u64>,
    told: Option<ListeningTime>,
}

/// What the log tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    by_kind: BTreeMap<&'static str, u64>,
    worst: Option<(IpAddr, u64)>,
}

impl From<&ErrorReply<'_>> for Refused {
    fn from(reply: &ErrorReply<'_>) -> Self {
        Self { code: reply.code(), limit: reply.limit() }
    }
}

impl Refused {
    /// Whether whoever runs the registry should hear of it. To ask for a service that is not there
    /// is nothing unusual, and a database that fails has a line of its own.
    pub(super) const fn is_worth_telling(self) -> bool {
        !matches!(
            self.code,
            Code::ServiceNotFound
                | Code::NoHealthyService
                | Code::DuplicateServiceType
                | Code::StorageFailed
                | Code::BackupFailed
        )
    }

    const fn kind(self) -> &'static str {
        match self.limit {
            Some(limit) => limit.name(),
            None => self.code.as_str(),
        }
    }
}

impl Refusals {
    /// Notes something that was refused to a client.
    pub(super) fn note(&mut self, refused: Refused, client: Option<IpAddr>) {
        *self.by_kind.entry(refused.kind()).or_default() += 1;
        let has_room = self.by_client.len() < CLIENTS_MAX;
        if let Some(client) = client
            && (has_room || self.by_client.contains_key(&client))
        {
            *self.by_client.entry(client).or_default() += 1;
        }
    }

    /// What is to be told now, if anything: the first refusal at once, further ones once in a
    /// while.
    pub(super) fn report(&mut self, now: ListeningTime) -> Option<Report> {
        let is_due = self.told.is_none_or(|told| now.since(told) >= REPORT_INTERVAL);
        if !is_due {
            return None;
        }
        let rest = self.rest()?;
        self.told = Some(now);
        Some(rest)
    }

    /// What was not told yet, due or not.
    pub(super) fn rest(&mut self) -> Option<Report> {
        let by_kind = std::mem::take(&mut self.by_kind);
        let by_client = std::mem::take(&mut self.by_client);
        let worst = by_client.into_iter().max_by_key(|&(client, count)| (count, client));
        (!by_kind.is_empty()).then_some(Report { by_kind, worst })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: u64 = self.by_kind.values().sum();
        let requests = if count == 1 { "request" } else { "requests" };
        let kinds = self.by_kind.iter().map(|(kind, count)| format!("{kind} ({count})"));
        let kinds: Vec<String> = kinds.collect();
        write!(formatter, "refused {count} {requests}: {}", kinds.join(", "))?;
        match self.worst {
            Some((client, worst)) => write!(formatter, "; most of them, {worst}, to {client}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MALFORMED: Refused = Refused { code: Code::MalformedMessage, limit: None };
    const TAGS: Refused = Refused { code: Code::LimitExceeded, limit: Some(Limit::Tags) };

    fn at(seconds: u64) -> ListeningTime {
        ListeningTime::from_milliseconds(seconds * 1_000)
    }

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn the_first_is_told_at_once_and_further_ones_once_a_minute() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.report(at(5)), None);

        refusals.note(MALFORMED, address("192.0.2.1"));
        assert_eq!(
            refusals.report(at(5)).unwrap().to_string(),
            "refused 1 request: malformed_message (1); most of them, 1, to 192.0.2.1"
        );

        for from in ["192.0.2.2", "192.0.2.1", "192.0.2.2"] {
            refusals.note(TAGS, address(from));
        }
        refusals.note(MALFORMED, None);
        assert_eq!(refusals.report(at(64)), None);
        assert_eq!(
            refusals.report(at(65)).unwrap().to_string(),
            "refused 4 requests: malformed_message (1), tags (3); most of them, 2, to 192.0.2.2"
        );
        assert_eq!(refusals.report(at(1_000)), None);
    }

    #[test]
    fn a_crowd_of_clients_takes_no_more_memory_than_some() {
        let mut refusals = Refusals::default();
        for number in 0..10_000_u32 {
            refusals.note(TAGS, Some(IpAddr::from((0x0a00_0000 + number).to_be_bytes())));
        }

        assert_eq!(refusals.by_client.len(), CLIENTS_MAX);
        assert!(refusals.rest().unwrap().to_string().starts_with("refused 10000 requests"));
    }

    #[test]
    fn what_was_not_told_can_be_told_at_the_end() {
        let mut refusals = Refusals::default();
        refusals.note(TAGS, None);
        refusals.report(at(0));
        refusals.note(TAGS, None);

        assert_eq!(refusals.rest().unwrap().to_string(), "refused 1 request: tags (1)");
        assert_eq!(refusals.rest(), None);
    }
}
