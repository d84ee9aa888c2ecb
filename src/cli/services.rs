//! Services as people read them: in a table, or one in all its details.

use serde_json::Value;
use service_registry::clock::WallTime;

use super::output;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// What stands where a service says nothing.
const NOTHING: &str = "-";

/// `services` as a table with a line of headings.
pub(super) fn table(services: &[Value], now: WallTime) -> String {
    let headings = ["ID", "TYPE", "NAME", "ADDRESS", "HEALTH", "HEARTBEAT"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    rows.extend(services.iter().map(|service| {
        vec![
            text(&service["id"]),
            text(&service["metadata"]["type"]),
            text(&service["name"]),
            address(service),
            text(&service["health"]),
            heartbeat(service, now),
        ]
    }));
    output::aligned(&rows)
}

/// One service, a line for each thing that is known of it.
pub(super) fn details(service: &Value, now: WallTime) -> String {
    let rows = [
        ("id", text(&service["id"])),
        ("type", text(&service["metadata"]["type"])),
        ("name", text(&service["name"])),
        ("address", address(service)),
        ("health", text(&service["health"])),
        ("heartbeat", heartbeat(service, now)),
        ("ttl", format!("{} s", text(&service["ttl"]))),
        ("tags", tags(service)),
        ("metadata", text(&service["metadata"])),
    ];
    output::aligned(&rows.map(|(name, value)| vec![name.to_owned(), value]))
}

/// How many `services` there are, and how they are: `3 (2 passing, 1 critical)`.
pub(super) fn count(services: &[Value]) -> String {
    let with_health = |health: &str| services.iter().filter(|it| it["health"] == health).count();
    match services.len() {
        0 => "none".to_owned(),
        all => {
            let (passing, critical) = (with_health("passing"), with_health("critical"));
            format!("{all} ({passing} passing, {critical} critical)")
        }
    }
}

/// A value that a registry sent, made harmless. A text stands as it is, all else as JSON.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) => output::harmless(text),
        other => output::harmless(&other.to_string()),
    }
}

fn address(service: &Value) -> String {
    let (host, port) = (text(&service["host"]), text(&service["port"]));
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn heartbeat(service: &Value, now: WallTime) -> String {
    service["last_heartbeat"].as_u64().map_or(NOTHING.to_owned(), |seconds| {
        age(now.seconds_since(WallTime::from_unix_seconds(seconds)))
    })
}

fn tags(service: &Value) -> String {
    let tags: Vec<String> = service["tags"].as_array().into_iter().flatten().map(text).collect();
    if tags.is_empty() { NOTHING.to_owned() } else { tags.join(", ") }
}

/// How long ago something was, in the largest unit of which at least two have passed, so that
/// an age is never off by more than half.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / MINUTE),
        7_200..172_800 => format!("{} h ago", seconds / HOUR),
        _ => format!("{} days ago", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: WallTime = WallTime::from_unix_seconds(1_000_000);

    fn power_supply() -> Value {
        json!({
            "id": "psu-1", "name": "Power Supply", "host": "10.0.0.7", "port": 6110,
            "metadata": {"type": "PSU", "volts": 24.50}, "ttl": 30, "last_heartbeat": 999_997,
            "tags": ["lab", "PSU"], "health": "passing",
        })
    }

    #[test]
    fn ages_are_told_in_the_unit_that_fits() {
        for (seconds, expected) in [
            (0, "0 s ago"),
            (3, "3 s ago"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7_199, "119 min ago"),
            (7_200, "2 h ago"),
            (172_799, "47 h ago"),
            (172_800, "2 days ago"),
            (u64::MAX, "213503982334601 days ago"),
        ] {
            assert_eq!(age(seconds), expected);
        }
    }

    #[test]
    fn a_table_is_aligned_under_its_headings() {
        let service = json!({
            "id": "a", "name": "b", "host": "::1", "port": 1, "metadata": {}, "ttl": 1,
            "last_heartbeat": 1_000_009, "tags": [], "health": "critical",
        });

        assert_eq!(
            table(&[power_supply(), service], NOW),
            "ID     TYPE  NAME          ADDRESS        HEALTH    HEARTBEAT\n\
             psu-1  PSU   Power Supply  10.0.0.7:6110  passing   3 s ago\n\
             a      -     b             [::1]:1        critical  0 s ago"
        );
    }

    #[test]
    fn the_details_of_a_service_have_a_line_each() {
        assert_eq!(
            details(&power_supply(), NOW),
            "id         psu-1\n\
             type       PSU\n\
             name       Power Supply\n\
             address    10.0.0.7:6110\n\
             health     passing\n\
             heartbeat  3 s ago\n\
             ttl        30 s\n\
             tags       lab, PSU\n\
             metadata   {\"type\":\"PSU\",\"volts\":24.5}"
        );
    }

    #[test]
    fn values_of_any_kind_can_be_shown() {
        let strange = json!({"id": 5, "name": "a\u{1b}[2J\nb", "host": null, "port": "x"});

        assert_eq!(
            table(&[strange], NOW),
            "ID  TYPE  NAME           ADDRESS  HEALTH  HEARTBEAT\n\
             5   -     a\\u{1b}[2J\\nb  -:x      -       -"
        );
    }

    #[test]
    fn a_count_tells_how_they_are() {
        let critical = json!({"health": "critical"});

        assert_eq!(count(&[]), "none");
        assert_eq!(count(&[power_supply(), critical]), "2 (1 passing, 1 critical)");
    }
}
