//! Whether the services of the registry are heard in time.

use std::time::Duration;

use serde_json::Value;
use service_registry::clock::WallTime;

use super::finding::Finding;

const CRITICAL: &str = "critical services";
const LATE: &str = "late heartbeats";
const TTL: &str = "ttl";

/// How many ids stand in a finding.
const NAMED_MAX: usize = 5;

/// The services in `services`, as old as their heartbeats are at `now`. The registry cleans up at
/// every `interval`, where that is known.
pub(super) fn check(services: &Value, now: WallTime, interval: Option<Duration>) -> Vec<Finding> {
    let services = services.as_array().map(Vec::as_slice).unwrap_or_default();
    let is_critical = |service: &&Value| service["health"] == "critical";
    let critical: Vec<&Value> = services.iter().filter(is_critical).collect();
    let late: Vec<&Value> =
        services.iter().filter(|it| !is_critical(it) && is_late(it, now)).collect();
    let mut findings = vec![
        judge(
            CRITICAL,
            &critical,
            &format!("none of {} services", services.len()),
            "have fallen silent and are not discovered",
            "see whether their programs run, reach the heartbeat port and send heartbeats; what \
             was registered by `register` sends none",
        ),
        judge(
            LATE,
            &late,
            "none",
            "were not heard for more than half of their ttl",
            "see whether their programs hang or their network is slow: heartbeats come at a third \
             of the ttl; what was registered by `register` sends none",
        ),
    ];
    findings.extend(interval.map(|interval| check_ttl(services, interval)));
    findings
}

/// Services whose ttl is over long before anybody looks.
fn check_ttl(services: &[Value], interval: Duration) -> Finding {
    let is_short = |service: &&Value| {
        service["ttl"].as_u64().is_some_and(|ttl| Duration::from_secs(ttl) < interval)
    };
    let short: Vec<&Value> = services.iter().filter(is_short).collect();
    let seconds = interval.as_secs_f64();
    judge(
        TTL,
        &short,
        &format!("none is shorter than the cleanup_interval, {seconds} s"),
        &format!(
            "live shorter than the cleanup_interval, {seconds} s: they expire up to that late"
        ),
        "set a shorter cleanup_interval in registry.yaml, or give them a longer ttl",
    )
}

fn judge(
    check: &'static str,
    concerned: &[&Value],
    otherwise: &str,
    found: &str,
    remedy: &str,
) -> Finding {
    if concerned.is_empty() {
        return Finding::ok(check, otherwise);
    }
    let ids = concerned.iter().filter_map(|service| service["id"].as_str()).take(NAMED_MAX);
    let mut ids = ids.collect::<Vec<_>>().join(", ");
    if concerned.len() > NAMED_MAX {
        ids.push_str(", …");
    }
    Finding::warning(check, &format!("{} {found}: {ids}", concerned.len()), remedy)
}

fn is_late(service: &Value, now: WallTime) -> bool {
    let heard = service["last_heartbeat"].as_f64().unwrap_or_default();
    let ttl = service["ttl"].as_f64().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a second more or less is within the half")]
    let now = now.unix_seconds() as f64;
    now - heard > ttl / 2.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    const NOW: WallTime = WallTime::from_unix_seconds(1_000);

    fn service(id: &str, age: u64, ttl: u64) -> Value {
        let health = if age > ttl { "critical" } else { "passing" };
        json!({"id": id, "last_heartbeat": 1_000 - age, "ttl": ttl, "health": health})
    }

    fn verdicts(services: &[Value], interval: Option<Duration>) -> Vec<Verdict> {
        let findings = check(&services.into(), NOW, interval);
        findings.iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn healthy_services_are_no_finding() {
        let services = [service("a", 15, 30), service("b", 0, 10)];

        let ten = Some(Duration::from_secs(10));
        assert_eq!(verdicts(&services, ten), [Verdict::Ok; 3]);
        assert_eq!(verdicts(&[], None), [Verdict::Ok; 2]);
    }

    #[test]
    fn critical_late_and_short_lived_ones_are_named() {
        let services = [service("dead", 31, 30), service("slow", 16, 30), service("brief", 0, 5)];

        let findings = check(&services.as_slice().into(), NOW, Some(Duration::from_secs(10)));

        let found: Vec<&str> = findings.iter().map(|finding| finding.found.as_str()).collect();
        assert!(found[0].ends_with("not discovered: dead"), "{found:?}");
        assert!(found[1].ends_with("half of their ttl: slow"), "{found:?}");
        assert!(found[2].ends_with("up to that late: brief"), "{found:?}");
        assert!(findings.iter().all(|finding| finding.verdict == Verdict::Warning));
    }

    #[test]
    fn of_many_only_some_are_named() {
        let services: Vec<Value> = (0..9).map(|n| service(&format!("s{n}"), 31, 30)).collect();

        let findings = check(&services.into(), NOW, None);

        assert!(findings[0].found.starts_with("9 have"), "{}", findings[0].found);
        assert!(findings[0].found.ends_with("s3, s4, …"), "{}", findings[0].found);
    }
}
