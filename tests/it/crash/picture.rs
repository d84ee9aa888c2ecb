//! What the registry should hold, or does hold, of the writers: ids in the order of registration,
//! each with the version of its content and from where it was registered, and what ids said of
//! sharing their type.
//!
//! The version decides on all of a registration: its content, its type, and what it says of that.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::whole_number;

/// Ports are the versions modulo this.
const PORTS: u64 = 65_536;

/// The longest filler in the metadata, so that services do not all fit one page.
const LONGEST_FILLER: u64 = 3_000;

/// What the ids of all writers begin with.
const WRITERS: &str = "writer-";

/// The services and policies that a registry should hold, or does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Picture {
    services: Vec<(String, u64)>,
    policies: BTreeMap<String, Policy>,
}

/// What an id said of sharing its type, as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Singleton,
    AllowDuplicates,
}

/// What a registration says of sharing its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Remember(Policy),
    Forget,
}

/// A change that a client asked for.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Register { id: String, version: u64 },
    Deregister { id: String },
}

impl Picture {
    /// What an answer to `list` shows, which says nothing of policies. A service that is not
    /// wholly of one version fails here.
    #[track_caller]
    pub(super) fn of(list: &Value) -> Self {
        let services = list["services"].as_array().expect("the answer has services");
        let is_a_writers =
            |service: &&Value| service["id"].as_str().is_some_and(|id| id.starts_with(WRITERS));
        let services = services.iter().filter(is_a_writers).map(whole).collect();
        Self { services, policies: BTreeMap::new() }
    }

    /// What a database holds. A row that is not wholly of one version fails here, and so does a
    /// service without its owner, or an owner without its service.
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
        let services: Vec<Value> = services.unwrap().map(Result::unwrap).collect();
        let mut rows = database.prepare("SELECT id, policy FROM policies").unwrap();
        let policies = rows.query_map([], |row| {
            let policy = match row.get::<_, String>(1)?.as_str() {
                "singleton" => Policy::Singleton,
                "allow_duplicates" => Policy::AllowDuplicates,
                other => panic!("{other:?} is no policy"),
            };
            Ok((row.get(0)?, policy))
        });
        let policies = policies.unwrap().map(Result::unwrap).collect();
        assert_owners(database);
        Self { policies, ..Self::of(&json!({"services": services})) }
    }

    /// The services whose id starts so, and their policies.
    pub(super) fn part(&self, prefix: &str) -> Self {
        let is_of_it = |id: &str| id.starts_with(prefix);
        let services = self.services.iter().filter(|(id, _)| is_of_it(id)).cloned().collect();
        let policies = self.policies.iter().filter(|(id, _)| is_of_it(id));
        Self { services, policies: policies.map(|(id, policy)| (id.clone(), *policy)).collect() }
    }

    pub(super) fn without_policies(&self) -> Self {
        Self { services: self.services.clone(), policies: BTreeMap::new() }
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.services.iter().any(|(known, _)| known == id)
    }

    pub(super) fn policies(&self) -> usize {
        self.policies.len()
    }

    /// Makes a change true, where the registry's rules allow it. True if they do.
    pub(super) fn take_in(&mut self, write: &Write) -> bool {
        match write {
            Write::Register { id, version } => {
                if self.is_type_taken(id, *version) {
                    return false;
                }
                match said(*version) {
                    Said::Nothing => None,
                    Said::Remember(policy) => self.policies.insert(id.clone(), policy),
                    Said::Forget => self.policies.remove(id),
                };
                match self.services.iter_mut().find(|(known, _)| known == id) {
                    Some(entry) => entry.1 = *version,
                    None => self.services.push((id.clone(), *version)),
                }
                true
            }
            Write::Deregister { id } => {
                let is_known = self.knows(id);
                if is_known {
                    self.services.retain(|(known, _)| known != id);
                    self.policies.remove(id);
                }
                is_known
            }
        }
    }

    /// Whether another service has the type that this one would have to have for itself.
    fn is_type_taken(&self, id: &str, version: u64) -> bool {
        let policy = match said(version) {
            Said::Nothing => self.policies.get(id).copied(),
            Said::Remember(policy) => Some(policy),
            Said::Forget => None,
        };
        let wanted = service_type(id, version);
        wanted.is_some()
            && policy != Some(Policy::AllowDuplicates)
            && self.services.iter().any(|(known, known_version)| {
                known != id && service_type(known, *known_version) == wanted
            })
    }
}

impl Write {
    pub(super) fn request(&self) -> Value {
        match self {
            Self::Register { id, version } => {
                let mut service_info = content(id, *version);
                service_info["id"] = json!(id);
                match said(*version) {
                    Said::Nothing => {}
                    Said::Remember(Policy::Singleton) => service_info["singleton"] = json!(true),
                    Said::Remember(Policy::AllowDuplicates) => {
                        service_info["allow_duplicate_service_type"] = json!(true);
                    }
                    Said::Forget => service_info["singleton"] = json!(false),
                }
                json!({"action": "register", "ttl": 3_600, "service_info": service_info})
            }
            Self::Deregister { id } => json!({"action": "deregister", "service_id": id}),
        }
    }
}

/// From where whoever has services with such ids asks: an address of this host each, which to the
/// registry are several hosts.
pub(super) fn address_of(id: &str) -> String {
    let number = id.strip_prefix(WRITERS).and_then(|rest| rest.split('-').next());
    let number: u8 = number.map_or(1, |number| 2 + number.parse::<u8>().expect("it has a number"));
    format!("127.0.0.{number}")
}

/// Every service has its owner, and every owner its service.
#[track_caller]
fn assert_owners(database: &Connection) {
    let mut rows = database
        .prepare(
            "SELECT services.id, owners.id, address
             FROM services FULL JOIN owners ON services.id = owners.id",
        )
        .unwrap();
    let mut rows = rows.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let service: Option<String> = row.get(0).unwrap();
        let owned: Option<String> = row.get(1).unwrap();
        assert_eq!(service, owned, "a service, and what has an owner");
        let address: String = row.get(2).unwrap();
        assert_eq!(address, address_of(&service.unwrap()), "the owner of {owned:?}");
    }
}

/// A number that says nothing of the version, so that its remainders do not go together.
fn scattered(version: u64, what: u64) -> u64 {
    (version ^ (what << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// The types are the writer's own. Some are wanted by many services, some by few.
fn service_type(id: &str, version: u64) -> Option<String> {
    let number = match scattered(version, 1) % 3 {
        0 => return None,
        1 => scattered(version, 2) % 4,
        _ => 4 + scattered(version, 2) % 400,
    };
    let (writer, _) = id.rsplit_once('-').expect("an id is a writer's name and a number");
    Some(format!("{writer}-type-{number}"))
}

fn said(version: u64) -> Said {
    match scattered(version, 3) % 6 {
        0 => Said::Remember(Policy::AllowDuplicates),
        1 => Said::Remember(Policy::Singleton),
        2 => Said::Forget,
        _ => Said::Nothing,
    }
}

/// Every part of a service tells its version.
fn content(id: &str, version: u64) -> Value {
    let filler = "x".repeat((scattered(version, 4) % LONGEST_FILLER) as usize);
    let mut content = json!({
        "name": format!("name {version}"),
        "host": format!("host-{version}"),
        "port": version % PORTS,
        "metadata": {"version": version, "filler": filler},
        "tags": [format!("tag {version}")],
    });
    if let Some(service_type) = service_type(id, version) {
        content["metadata"]["type"] = json!(service_type);
        content["tags"].as_array_mut().unwrap().push(json!(service_type));
        content["type"] = json!(service_type);
    }
    content
}

#[track_caller]
fn whole(service: &Value) -> (String, u64) {
    let id = service["id"].as_str().unwrap();
    let version = whole_number(&service["metadata"]["version"]);
    for part in ["name", "host", "port", "metadata", "tags"] {
        let expected = &content(id, version)[part];
        assert_eq!(&service[part], expected, "{part} of version {version} in {service}");
    }
    (id.to_owned(), version)
}
