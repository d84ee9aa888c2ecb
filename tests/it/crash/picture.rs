//! What the registry should hold, or does hold: ids in the order of registration, each with the
//! version of its content.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::whole_number;

/// Ports are the versions modulo this.
const PORTS: u64 = 65_536;

/// The longest filler in the metadata, so that services do not all fit one page.
const LONGEST_FILLER: u64 = 3_000;

/// See the module's page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Picture(Vec<(String, u64)>);

/// A change that a client asked for.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Register { id: String, version: u64 },
    Deregister { id: String },
}

impl Picture {
    /// What an answer to `list` shows. A service that is not wholly of one version fails here.
    #[track_caller]
    pub(super) fn of(list: &Value) -> Self {
        let services = list["services"].as_array().expect("the answer has services");
        Self(services.iter().map(whole).collect())
    }

    /// What a database holds. A row that is not wholly of one version fails here.
    #[track_caller]
    pub(super) fn in_file(database: &Connection) -> Self {
        let mut rows = database
            .prepare("SELECT id, name, host, port, metadata, tags FROM services ORDER BY rowid")
            .unwrap();
        let services = rows.query_map([], |row| {
            let json = |text: String| serde_json::from_str::<Value>(&text).unwrap();
            Ok(json!({
                "id": row.get::<_, String>(0)?,
                "name": row.get::<_, String>(1)?,
                "host": row.get::<_, String>(2)?,
                "port": row.get::<_, u16>(3)?,
                "metadata": json(row.get(4)?),
                "tags": json(row.get(5)?),
            }))
        });
        Self(services.unwrap().map(|service| whole(&service.unwrap())).collect())
    }

    /// The services whose id starts so.
    pub(super) fn part(&self, prefix: &str) -> Self {
        Self(self.0.iter().filter(|(id, _)| id.starts_with(prefix)).cloned().collect())
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.0.iter().any(|(known, _)| known == id)
    }

    pub(super) fn take_in(&mut self, write: &Write) {
        match write {
            Write::Register { id, version } => {
                match self.0.iter_mut().find(|(known, _)| known == id) {
                    Some(entry) => entry.1 = *version,
                    None => self.0.push((id.clone(), *version)),
                }
            }
            Write::Deregister { id } => self.0.retain(|(known, _)| known != id),
        }
    }
}

impl Write {
    pub(super) fn request(&self) -> Value {
        match self {
            Self::Register { id, version } => {
                let mut service_info = content(*version);
                service_info["id"] = json!(id);
                json!({"action": "register", "ttl": 3_600, "service_info": service_info})
            }
            Self::Deregister { id } => json!({"action": "deregister", "service_id": id}),
        }
    }
}

/// Every part of a service tells its version.
fn content(version: u64) -> Value {
    let filler = "x".repeat((version.wrapping_mul(2_654_435_761) % LONGEST_FILLER) as usize);
    json!({
        "name": format!("name {version}"),
        "host": format!("host-{version}"),
        "port": version % PORTS,
        "metadata": {"version": version, "filler": filler},
        "tags": [format!("tag {version}")],
    })
}

#[track_caller]
fn whole(service: &Value) -> (String, u64) {
    let version = whole_number(&service["metadata"]["version"]);
    for (part, expected) in content(version).as_object().unwrap() {
        assert_eq!(&service[part], expected, "{part} of version {version} in {service}");
    }
    (service["id"].as_str().unwrap().to_owned(), version)
}
