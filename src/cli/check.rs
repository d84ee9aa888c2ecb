//! `service-registry check`.

use std::path::PathBuf;

use argh::FromArgs;
use serde_json::{Value, json};
use service_registry::backend::{Examination, SqliteBackend, StoredService, UnusableRow};
use service_registry::clock::{Clock, WallTime};

use super::asking::{Answer, tell};
use super::failure::Failure;
use super::{Exit, output};

/// Verify a database that no registry is using, and count what is in it. Nothing is changed.
#[derive(argh::ArgsInfo, FromArgs)]
#[argh(
    subcommand,
    name = "check",
    help_triggers("-h", "--help", "help"),
    note = "The exit code is 0 if a registry has used the database and can be started on it. An \
        empty file is not damaged, but no backup either: the exit code is 1."
)]
pub(super) struct Check {
    /// the database file
    #[argh(positional, arg_name = "file")]
    database: PathBuf,

    /// print the result as one line of JSON, also on failure
    #[argh(switch)]
    json: bool,
}

/// How many services a registry would call what, if it were started now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    passing: usize,
    critical: usize,
}

impl Check {
    pub(super) fn run(&self) -> Exit {
        let examined = SqliteBackend::examine(&self.database).map_err(Failure::from);
        let now = Clock::start().now().wall;
        let answer = examined.map(|examination| Answer {
            reply: reply(&examination, now),
            text: text(&examination, now),
        });
        tell(&answer, self.json)
    }
}

impl Counts {
    fn of(services: &[StoredService], now: WallTime) -> Self {
        let is_passing = |stored: &&StoredService| {
            let ttl = u64::from(stored.service.description.ttl().seconds());
            now.seconds_since(stored.last_heartbeat) <= ttl
        };
        let passing = services.iter().filter(is_passing).count();
        Self { passing, critical: services.len() - passing }
    }
}

fn text(examination: &Examination, now: WallTime) -> String {
    let Counts { passing, critical } = Counts::of(&examination.services, now);
    let services = match examination.services.len() {
        0 => "none".to_owned(),
        all => format!("{all} ({passing} passing, {critical} critical)"),
    };
    let rows = [
        ("database", output::harmless(&examination.path.to_string_lossy())),
        ("integrity", "ok".to_owned()),
        ("version", version(examination.version)),
        ("services", services),
        ("policies", examination.policies.len().to_string()),
        ("left out", examination.unusable_rows.len().to_string()),
    ];
    let summary = output::aligned(&rows.map(|(name, value)| vec![name.to_owned(), value]));
    let left_out = examination.unusable_rows.iter().map(left_out);
    [summary].into_iter().chain(left_out).collect::<Vec<_>>().join("\n")
}

fn version(version: usize) -> String {
    let latest = Examination::LATEST_VERSION;
    if version == latest {
        version.to_string()
    } else {
        format!("{version}; a registry that is started on it keeps a copy and makes it {latest}")
    }
}

fn left_out(row: &UnusableRow) -> String {
    let UnusableRow { table, label, reason, .. } = row;
    output::harmless(&format!("  row {label} of {table}: {reason}"))
}

fn reply(examination: &Examination, now: WallTime) -> Value {
    let Counts { passing, critical } = Counts::of(&examination.services, now);
    let left_out: Vec<Value> = examination
        .unusable_rows
        .iter()
        .map(|row| json!({"table": row.table, "row": row.label, "reason": row.reason}))
        .collect();
    json!({
        "success": true,
        "database": examination.path.to_string_lossy(),
        "integrity": "ok",
        "version": examination.version,
        "latest_version": Examination::LATEST_VERSION,
        "services": {
            "total": examination.services.len(), "passing": passing, "critical": critical,
        },
        "policies": examination.policies.len(),
        "left_out": left_out,
    })
}

#[cfg(test)]
mod tests {
    use service_registry::service::{Parts, Service, ServiceId, Ttl};

    use super::*;

    fn heard_at(seconds: u64) -> StoredService {
        let parts = Parts { ttl: Ttl::from_seconds(30).unwrap(), ..Parts::new("a", "h", 1) };
        let id = ServiceId::new("a").unwrap();
        let service = Service { id, description: parts.into(), owner: None };
        StoredService { service, last_heartbeat: WallTime::from_unix_seconds(seconds) }
    }

    #[test]
    fn a_service_is_passing_until_exactly_its_ttl() {
        let now = WallTime::from_unix_seconds(1_000);
        let services = [1_000, 970, 2_000, 969, 0].map(heard_at);

        assert_eq!(Counts::of(&services, now), Counts { passing: 3, critical: 2 });
    }
}
