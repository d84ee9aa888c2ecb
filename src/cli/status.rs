//! `service-registry status`.

use serde_json::Value;

use super::asking::{Answer, asking_command};
use super::{Exit, output, services};

asking_command! {
    /// Show the state of a registry: its health, ports and rules, and its services.
    #[argh(subcommand, name = "status", help_triggers("-h", "--help", "help"))]
    struct Status {}
}

impl Status {
    pub(super) fn run(&self) -> Exit {
        self.asking().run(|registry| {
            let reply = registry.ask("info", &[])?;
            let now = registry.now()?;
            let listed = registry.services(&reply)?;
            let mut text = summary(registry.endpoint(), &reply, listed);
            if !listed.is_empty() {
                text = format!("{text}\n\n{}", services::table(listed, now));
            }
            Ok(Answer { reply, text })
        })
    }
}

fn summary(endpoint: &str, reply: &Value, listed: &[Value]) -> String {
    let text = |key: &str| services::text(&reply[key]);
    let service_types = match &reply["enforce_unique_service_types"] {
        Value::Bool(true) => "unique".to_owned(),
        Value::Bool(false) => "may be shared".to_owned(),
        other => services::text(other),
    };
    let mut rows = vec![
        ("registry", format!("{} at {endpoint}", text("status"))),
        ("requests", format!("port {}", text("req_port"))),
        ("events", format!("port {}", text("pub_port"))),
        ("heartbeats", format!("port {}", text("hb_port"))),
        ("service types", service_types),
        ("services", services::count(listed)),
    ];
    if reply["trouble"].is_string() {
        rows.insert(1, ("trouble", text("trouble")));
    }
    if let Some(cluster) = reply.get("cluster") {
        rows.push(("cluster", contact(cluster, reply["trouble"].as_str())));
        rows.extend(members(&cluster["etcd"]).map(|members| ("etcd", members)));
    }
    let rows: Vec<_> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    output::aligned(&rows)
}

/// With whom a registry shares its list, and whether it is in contact with them. Why it is not is
/// left out where the registry has given the same reason for its `trouble`.
fn contact(cluster: &Value, trouble: Option<&str>) -> String {
    let registries: Vec<String> =
        cluster["registries"].as_array().into_iter().flatten().map(services::text).collect();
    let name = services::text(&cluster["name"]);
    // None are known until a registry that was just started has heard of itself.
    let there =
        if registries.is_empty() { name } else { format!("{name}, of {}", registries.join(", ")) };
    match cluster["reason"].as_str() {
        Some(reason) if trouble == Some(reason) => format!("{there}; out of contact"),
        Some(_) => format!("{there}; out of contact: {}", services::text(&cluster["reason"])),
        None => {
            let lag = cluster["heard_seconds_ago"].as_f64().unwrap_or_default();
            format!("{there}; in contact with etcd, heard {lag:.1} s ago")
        }
    }
}

/// Who keeps the list, where the registry knows it.
fn members(etcd: &Value) -> Option<String> {
    let names: Vec<String> = etcd["members"].as_array()?.iter().map(services::text).collect();
    let leads = etcd["leader"].as_str().map_or_else(
        || "none of them leads".to_owned(),
        |_| format!("{} leads", services::text(&etcd["leader"])),
    );
    let revision = services::text(&etcd["revision"]);
    Some(format!("{}; {leads}; revision {revision}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_tells_health_ports_rule_and_number_of_services() {
        let reply = json!({
            "success": true, "status": "ok", "req_port": 6100, "pub_port": 6101, "hb_port": 6102,
            "enforce_unique_service_types": false, "services": [{"health": "critical"}],
        });

        let listed = reply["services"].as_array().unwrap();
        let text = summary("tcp://lab:6100", &reply, listed);

        assert_eq!(
            text,
            "registry       ok at tcp://lab:6100\n\
             requests       port 6100\n\
             events         port 6101\n\
             heartbeats     port 6102\n\
             service types  may be shared\n\
             services       1 (0 passing, 1 critical)"
        );
    }

    #[test]
    fn a_status_tells_at_once_why_nothing_can_be_stored() {
        let reply = json!({"status": "ok", "trouble": "the disk is full"});

        let text = summary("tcp://lab:6100", &reply, &[]);

        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "trouble        the disk is full");
    }

    #[test]
    fn a_status_tells_of_the_cluster_and_why_it_is_out_of_contact() {
        let cluster = json!({
            "name": "a", "registries": ["a", "b"], "reason": null, "heard_seconds_ago": 0.25,
        });
        assert_eq!(contact(&cluster, None), "a, of a, b; in contact with etcd, heard 0.2 s ago");

        let cluster = json!({"name": "a", "registries": ["a"], "reason": "etcd is silent"});
        assert_eq!(contact(&cluster, None), "a, of a; out of contact: etcd is silent");

        let cluster = json!({"name": "a", "registries": [], "reason": "etcd is silent"});
        assert_eq!(contact(&cluster, None), "a; out of contact: etcd is silent");
    }

    #[test]
    fn a_reason_that_is_given_as_trouble_is_not_repeated() {
        let cluster = json!({"name": "a", "registries": ["a"], "reason": "etcd is silent"});
        let reply = json!({"trouble": "etcd is silent", "cluster": cluster});

        let text = summary("tcp://lab:6100", &reply, &[]);

        assert_eq!(text.matches("etcd is silent").count(), 1, "{text}");
        assert!(text.ends_with("a, of a; out of contact"), "{text}");
    }

    #[test]
    fn a_status_tells_of_the_members_of_etcd_and_of_their_leader() {
        let etcd = json!({"members": ["m0", "m1"], "leader": "m1", "revision": 7});
        assert_eq!(members(&etcd).as_deref(), Some("m0, m1; m1 leads; revision 7"));
        assert_eq!(members(&Value::Null), None);
    }
}
