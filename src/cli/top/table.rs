//! Which services are shown, in which groups and in which order. Pure.

use std::cmp::Ordering;
use std::sync::Arc;

use service_registry::client::{Health, Service};
use service_registry::clock::WallTime;

/// One service with what was last heard of it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// As it registered.
    pub(super) service: Arc<Service>,
    pub(super) last_heartbeat: WallTime,
    pub(super) is_critical: bool,
    /// By which it is sorted: made once, since all are sorted for every picture.
    name_in_small_letters: String,
}

/// A line of the table.
#[derive(Debug)]
pub(super) enum Row<'a> {
    Group { label: &'a str, services: usize, critical: usize },
    Service(&'a Entry),
}

/// What stands together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Grouping {
    #[default]
    Type,
    Host,
    Nothing,
}

/// What comes first in a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Sorting {
    #[default]
    Name,
    /// Who is next to expire: the largest part of the ttl gone by.
    Silence,
    /// The critical ones.
    Health,
}

impl Grouping {
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Type => Self::Host,
            Self::Host => Self::Nothing,
            Self::Nothing => Self::Type,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Type => "by type",
            Self::Host => "by host",
            Self::Nothing => "in one list",
        }
    }

    fn label(self, entry: &Entry) -> &str {
        match self {
            Self::Type => entry.service.service_type().unwrap_or("(no type)"),
            Self::Host => &entry.service.host,
            Self::Nothing => "",
        }
    }
}

impl Sorting {
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Name => Self::Silence,
            Self::Silence => Self::Health,
            Self::Health => Self::Name,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Silence => "silence",
            Self::Health => "health",
        }
    }

    fn compare(self, one: &Entry, other: &Entry, now: Option<WallTime>) -> Ordering {
        let first = match self {
            Self::Name => Ordering::Equal,
            Self::Silence => silence(other, now).total_cmp(&silence(one, now)),
            Self::Health => other.is_critical.cmp(&one.is_critical),
        };
        first
            .then_with(|| one.name_in_small_letters.cmp(&other.name_in_small_letters))
            .then_with(|| one.service.id.cmp(&other.service.id))
    }
}

impl Entry {
    /// As the service was told of.
    pub(super) fn new(service: &Arc<Service>) -> Self {
        Self {
            service: Arc::clone(service),
            last_heartbeat: service.last_heartbeat,
            is_critical: service.health == Health::Critical,
            name_in_small_letters: service.name.to_lowercase(),
        }
    }

    /// Whether `words` stand in anything that is shown of it, in capitals or not.
    fn contains(&self, words: &str) -> bool {
        let Service { id, name, tags, .. } = &*self.service;
        let health = self.health();
        let endpoint = self.service.endpoint();
        let texts = [id.as_str(), name, &endpoint, health];
        let texts = texts.into_iter().chain(self.service.service_type());
        texts.chain(tags.iter().map(String::as_str)).any(|text| text.to_lowercase().contains(words))
    }

    pub(super) const fn health(&self) -> &'static str {
        if self.is_critical { "critical" } else { "passing" }
    }
}

/// The lines that show those of `entries` in which `filter` stands.
pub(super) fn rows<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    filter: &str,
    grouping: Grouping,
    sorting: Sorting,
    now: Option<WallTime>,
) -> Vec<Row<'a>> {
    let words = filter.to_lowercase();
    let mut shown: Vec<&Entry> =
        entries.filter(|entry| words.is_empty() || entry.contains(&words)).collect();
    shown.sort_by(|one, other| {
        let groups = grouping.label(one).cmp(grouping.label(other));
        groups.then_with(|| sorting.compare(one, other, now))
    });
    let mut rows = Vec::with_capacity(shown.len());
    for group in shown.chunk_by(|one, other| grouping.label(one) == grouping.label(other)) {
        if grouping != Grouping::Nothing {
            let critical = group.iter().filter(|entry| entry.is_critical).count();
            let label = grouping.label(group[0]);
            rows.push(Row::Group { label, services: group.len(), critical });
        }
        rows.extend(group.iter().map(|entry| Row::Service(entry)));
    }
    rows
}

/// Which part of its ttl has gone by since it was last heard: 1 where all of it has.
pub(super) fn silence(entry: &Entry, now: Option<WallTime>) -> f64 {
    let age = now.map_or(0, |now| now.seconds_since(entry.last_heartbeat));
    #[expect(clippy::cast_precision_loss, reason = "ages of a million years may be off by seconds")]
    let age = age as f64;
    age / f64::from(entry.service.ttl.max(1))
}
