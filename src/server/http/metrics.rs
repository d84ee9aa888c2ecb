//! What is measured, in the text format of Prometheus and under names by its conventions.
//!
//! Every series is there from the start, at zero, so that the first increase of each is seen.

use std::time::Duration;

use crate::clock::Now;
use crate::limits::Limit;
use crate::protocol::code::Code;
use crate::registry::{Health, Registry};
use crate::server::doors::Doors;
use crate::server::shared::SharedRegistry;
use crate::server::statistics::{ANSWER_RANGES, COMMIT_RANGES, RequestKind, Statistics};
use crate::server::storage_health::StorageHealth;

use super::exposition::{Exposition, Kind};

/// What the numbers are taken from.
pub(super) struct Measured<'a> {
    pub(super) registry: &'a SharedRegistry,
    pub(super) doors: &'a Doors,
    pub(super) statistics: &'a Statistics,
    pub(super) storage: &'a StorageHealth,
    /// When the server started.
    pub(super) started: Now,
    pub(super) now: Now,
}

/// All metrics.
pub(super) fn text(measured: &Measured<'_>) -> String {
    let mut text = Exposition::default();
    requests(&mut text, measured.statistics);
    services(&mut text, measured);
    storage(&mut text, measured);
    contact(&mut text, measured);
    refusals(&mut text, measured);
    process(&mut text, measured);
    text.into_text()
}

fn requests(text: &mut Exposition, statistics: &Statistics) {
    let is_heartbeat = |kind: &RequestKind| *kind == RequestKind::Heartbeat;
    let refused = |kind| Code::ALL.iter().map(|&code| statistics.refused(kind, code)).sum();

    text.metric("requests_total", Kind::Counter, "Requests by action and by how they went.");
    for kind in RequestKind::all().filter(|kind| !is_heartbeat(kind)) {
        let done = statistics.carried_out(kind);
        text.sample(&[("action", kind.name()), ("outcome", "carried_out")], done);
        text.sample(&[("action", kind.name()), ("outcome", "refused")], refused(kind));
    }
    text.metric("heartbeats_total", Kind::Counter, "Heartbeats by how they went.");
    let heard = statistics.carried_out(RequestKind::Heartbeat);
    text.sample(&[("outcome", "carried_out")], heard);
    text.sample(&[("outcome", "refused")], refused(RequestKind::Heartbeat));

    text.metric(
        "request_duration_seconds",
        Kind::Histogram,
        "Time from taking a request off its socket to answering it.",
    );
    for kind in RequestKind::all() {
        let counts = statistics.answers_by_duration(kind);
        let sum = statistics.time_in_answers(kind);
        text.histogram(&[("action", kind.name())], &ANSWER_RANGES, &counts, sum);
    }
}

fn services(text: &mut Exposition, measured: &Measured<'_>) {
    let (passing, critical) = count_by_health(&measured.registry.read(), measured.now);
    text.metric("services", Kind::Gauge, "Services that are registered, by health.");
    text.sample(&[("health", "passing")], passing);
    text.sample(&[("health", "critical")], critical);

    let statistics = measured.statistics;
    text.metric("events_total", Kind::Counter, "What happened to services.");
    text.sample(&[("type", "register")], statistics.registrations());
    text.sample(&[("type", "deregister")], statistics.deregistrations());
    text.sample(&[("type", "expire")], statistics.expiries());
}

fn storage(text: &mut Exposition, measured: &Measured<'_>) {
    let statistics = measured.statistics;
    text.metric("commit_duration_seconds", Kind::Histogram, "Time that a commit takes.");
    let counts = statistics.commits_by_duration();
    text.histogram(&[], &COMMIT_RANGES, &counts, statistics.time_in_commits());

    text.metric("commit_failures_total", Kind::Counter, "Commits that failed.");
    text.sample(&[], statistics.failed_commits());

    text.metric(
        "storage_up",
        Kind::Gauge,
        "1 while the storage thread gets on and its last commit was stored, 0 otherwise.",
    );
    let is_well = measured.storage.trouble(measured.now.listening).is_none();
    text.sample(&[], u64::from(is_well));

    text.metric(
        "queue_length",
        Kind::Gauge,
        "Jobs that wait to be stored, and batches of events that wait to be published.",
    );
    text.sample(&[("queue", "jobs")], statistics.jobs());
    text.sample(&[("queue", "events")], statistics.events());
}

/// Only of a registry that shares its list.
fn contact(text: &mut Exposition, measured: &Measured<'_>) {
    let Some(contact) = measured.registry.contact() else { return };
    let cluster = contact.tell(measured.now);
    text.metric(
        "cluster_in_contact",
        Kind::Gauge,
        "1 while what other registries do is known here and something can be stored, 0 otherwise.",
    );
    text.sample(&[], u64::from(cluster.in_contact));

    text.metric(
        "cluster_heard_seconds",
        Kind::Gauge,
        "How old what is known here of other registries may be.",
    );
    text.duration(&[], Duration::from_secs_f64(cluster.heard_seconds_ago));

    text.metric("cluster_registries", Kind::Gauge, "Registries that share the list and are there.");
    text.sample(&[], u64::try_from(cluster.registries.len()).unwrap_or(u64::MAX));

    text.metric("cluster_transactions_total", Kind::Counter, "Transactions of the shared list.");
    text.sample(&[], cluster.entry);

    let etcd = cluster.etcd.as_ref();
    text.metric("etcd_members", Kind::Gauge, "Members of etcd; 0 while they are not known.");
    let members = etcd.map_or(0, |etcd| etcd.members.len());
    text.sample(&[], u64::try_from(members).unwrap_or(u64::MAX));

    text.metric("etcd_has_leader", Kind::Gauge, "1 while one of them is known to lead.");
    text.sample(&[], u64::from(etcd.is_some_and(|etcd| etcd.leader.is_some())));

    text.metric("etcd_revision", Kind::Gauge, "The revision of etcd; 0 while it is not known.");
    text.sample(&[], etcd.map_or(0, |etcd| etcd.revision));
}

fn refusals(text: &mut Exposition, measured: &Measured<'_>) {
    let statistics = measured.statistics;
    text.metric("refusals_total", Kind::Counter, "Refused requests and heartbeats by code.");
    for code in Code::ALL {
        text.sample(&[("code", code.as_str())], statistics.refused_with(code));
    }
    text.metric("limits_exceeded_total", Kind::Counter, "What was more than a limit allows.");
    for limit in Limit::ALL {
        text.sample(&[("limit", limit.name())], statistics.exceeded(limit));
    }
    text.metric(
        "refused_connections_total",
        Kind::Counter,
        "Connections from addresses that may not connect.",
    );
    text.sample(&[], measured.doors.refused_connections());

    text.metric(
        "undelivered_total",
        Kind::Counter,
        "Replies and events that their receiver did not take.",
    );
    text.sample(&[], statistics.undelivered());
}

fn process(text: &mut Exposition, measured: &Measured<'_>) {
    text.metric(
        "pauses_total",
        Kind::Counter,
        "How often the process or its host stood still; that time counts against no service.",
    );
    text.sample(&[], measured.now.pauses);

    text.metric(
        "start_time_seconds",
        Kind::Gauge,
        "When the registry started, in seconds since 1970.",
    );
    text.sample(&[], measured.started.wall.unix_seconds());

    text.metric("build_info", Kind::Gauge, "Always 1; the labels say what runs.");
    let labels =
        [("version", env!("CARGO_PKG_VERSION")), ("commit", env!("SERVICE_REGISTRY_COMMIT"))];
    text.sample(&labels, 1);
}

fn count_by_health(registry: &Registry, now: Now) -> (u64, u64) {
    registry.list(None).fold((0, 0), |(passing, critical), entry| {
        match entry.lease.health(now.listening) {
            Health::Passing => (passing + 1, critical),
            Health::Critical => (passing, critical + 1),
        }
    })
}
