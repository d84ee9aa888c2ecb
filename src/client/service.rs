//! What a registry says of its services and of itself, as clients read it.
//!
//! Registries may say more from one version to the next, and the Python registry says less:
//! what is not known is passed over, and what may be missing has a value for that.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

pub use crate::clock::WallTime;

/// The ids of services that could not be read, and were told of.
static UNREADABLE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// How many of them are remembered. Who has more has been told enough.
const UNREADABLE_MAX: usize = 256;

/// A registered service.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let camera = Registration::new("Camera", "localhost", 6110);
/// client.register(&camera.service_type("CM_CS").tag("focal-plane"))?;
///
/// let service = client.discover_service("CM_CS")?.ok_or("no camera")?;
/// assert_eq!(service.name, "Camera");
/// assert_eq!(service.health, Health::Passing);
/// assert_eq!(service.service_type(), Some("CM_CS"));
/// assert!(service.matches("CM_CS") && service.matches("focal-plane"));
/// assert_eq!(service.endpoint(), "tcp://localhost:6110");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Service {
    /// What identifies it.
    pub id: String,
    /// For people; need not be unique.
    pub name: String,
    /// Host name or address under which it is reached.
    pub host: String,
    /// Port under which it is reached.
    pub port: u16,
    /// Whatever else it says of itself, with its type.
    pub metadata: Map<String, Value>,
    /// For how many seconds after a heartbeat it counts as alive.
    pub ttl: u32,
    /// When it was last heard, on the registry's clock.
    pub last_heartbeat: WallTime,
    /// The names under which it is looked up, its type among them.
    pub tags: Vec<String>,
    /// Whether it is alive.
    pub health: Health,
}

/// Whether a service is alive.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// client.register(&Registration::new("Camera", "localhost", 6110).service_type("CM_CS"))?;
/// for service in client.list_services(None)? {
///     match service.health {
///         Health::Passing => println!("{} is at {}", service.name, service.endpoint()),
///         Health::Critical => println!("{} has been silent for too long", service.name),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// It was heard within its ttl.
    Passing,
    /// It was not, and will be removed unless it is heard.
    Critical,
}

/// How far a registry has come: the number of its last event, and since which start it counts.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// client.register(&Registration::new("Camera", "localhost", 6110))?;
/// let sequence = client.health_check()?.sequence.ok_or("it numbers its events")?;
/// assert_eq!(sequence.seq, 1);
/// assert_eq!(client.server_status()?.sequence, Some(sequence));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sequence {
    /// A text that is new at every start of the registry.
    pub epoch: String,
    /// The number of the last event, from 1.
    pub seq: u64,
}

/// The services of a registry at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ServiceList {
    /// In the order of their registration.
    pub(super) services: Vec<Service>,
    /// The moment. The Python registry does not number its events.
    pub(super) sequence: Option<Sequence>,
    /// Whether the registry has contact to those that share its list, if any do.
    pub(super) in_contact: bool,
}

/// A registry's word that it is well.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// let report = client.health_check()?;
/// assert_eq!(report.status, "ok");
/// println!("its clock shows {} s since 1970", report.timestamp.unix_seconds());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthReport {
    /// In the registry's words: "ok".
    pub status: String,
    /// The time on the registry's clock.
    pub timestamp: WallTime,
    /// How far it has come. The Python registry does not number its events.
    pub sequence: Option<Sequence>,
    /// Some(false) where the registry has lost those that share its list with it: what it knows may
    /// be old, and it refuses every change. None where it says nothing of it, and all is well.
    pub in_contact: Option<bool>,
    /// Why the registry cannot store what changes, in its words. None where it can.
    pub trouble: Option<String>,
}

/// What a registry says of itself.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// client.register(&Registration::new("Camera", "localhost", 6110))?;
/// let status = client.server_status()?;
/// assert_eq!((status.status.as_str(), status.services.len()), ("ok", 1));
/// assert!(status.enforce_unique_service_types);
/// assert!(status.version.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ServerStatus {
    /// In the registry's words: "ok".
    pub status: String,
    /// The port of its request socket.
    pub req_port: u16,
    /// The port of its event socket.
    pub pub_port: u16,
    /// The port of its heartbeat socket.
    pub hb_port: u16,
    /// Whether two living services may have the same type only if they say so.
    pub enforce_unique_service_types: bool,
    /// All its services, in the order of their registration.
    pub services: Vec<Service>,
    /// Its version. The Python registry does not tell.
    pub version: Option<String>,
    /// How far it has come. The Python registry does not number its events.
    pub sequence: Option<Sequence>,
    /// How it is with the other registries that share its list. None where there are none.
    pub cluster: Option<ClusterStatus>,
    /// Why the registry cannot store what changes, in its words. None where it can.
    pub trouble: Option<String>,
}

/// What a registry says of itself and the others that share its list.
///
/// ```
#[doc = include_str!("registry_client/example_registry.txt")]
/// # let client = RegistryClient::with_endpoints(endpoints);
/// match client.server_status()?.cluster {
///     Some(cluster) if cluster.in_contact => println!("one of {:?}", cluster.registries),
///     Some(cluster) => println!("out of contact: {:?}", cluster.reason),
///     None => println!("its list is its own"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClusterStatus {
    /// What they share it with: "etcd".
    pub backend: String,
    /// What this registry is called.
    pub name: String,
    /// Whether it can store something, and knows what the others do.
    pub in_contact: bool,
    /// Why not.
    pub reason: Option<String>,
    /// How old what it knows may be, where it says so.
    pub heard_ago: Option<Duration>,
    /// The number of the last transaction that it knows, where it says so.
    pub entry: Option<u64>,
    /// What the registries are called that are there.
    pub registries: Vec<String>,
}

impl Service {
    /// Where to connect to: `tcp://host:port`, an IPv6 address in brackets.
    ///
    /// ```
    #[doc = include_str!("registry_client/example_registry.txt")]
    /// # let client = RegistryClient::with_endpoints(endpoints);
    /// let id = client.register(&Registration::new("Camera", "fe80::1", 6110))?;
    /// let camera = client.get_service(&id)?.ok_or("it has gone")?;
    /// assert_eq!(camera.endpoint(), "tcp://[fe80::1]:6110");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn endpoint(&self) -> String {
        let address = self.host.split_once('%').map_or(self.host.as_str(), |(address, _)| address);
        if address.parse::<Ipv6Addr>().is_ok() {
            format!("tcp://[{}]:{}", self.host, self.port)
        } else {
            format!("tcp://{}:{}", self.host, self.port)
        }
    }

    /// What the service is looked up by, where it says so.
    #[must_use]
    pub fn service_type(&self) -> Option<&str> {
        self.metadata.get("type").and_then(Value::as_str)
    }

    /// Whether the service is found under `service_type`: as one of its tags, or as its type.
    #[must_use]
    pub fn matches(&self, service_type: &str) -> bool {
        self.service_type() == Some(service_type) || self.tags.iter().any(|tag| tag == service_type)
    }

    /// The service that `value` is in a reply, as [`Connection`](super::Connection) gives it. None
    /// where its id, name, host or port is missing.
    ///
    /// ```
    /// use serde_json::json;
    /// use service_registry::client::Service;
    ///
    /// let camera = json!({"id": "camera-1", "name": "Camera", "host": "lab-7", "port": 6110});
    /// let camera = Service::from_json(&camera).ok_or("no service")?;
    /// assert_eq!(camera.endpoint(), "tcp://lab-7:6110");
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        let health = match value.get("health").and_then(Value::as_str) {
            Some("critical") => Health::Critical,
            _ => Health::Passing,
        };
        let tags = value.get("tags").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        Some(Self {
            id: text(value, "id")?,
            name: text(value, "name")?,
            host: text(value, "host")?,
            port: port(value, "port")?,
            metadata: value.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default(),
            ttl: seconds(value, "ttl").and_then(|ttl| ttl.try_into().ok()).unwrap_or_default(),
            last_heartbeat: wall_time(value, "last_heartbeat"),
            tags: tags.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            health,
        })
    }
}

impl Sequence {
    /// Reads `epoch` and `seq` where a reply or an event has both.
    pub(super) fn from_json(message: &Map<String, Value>) -> Option<Self> {
        let epoch = message.get("epoch")?.as_str()?.to_owned();
        Some(Self { epoch, seq: message.get("seq")?.as_u64()? })
    }
}

impl ServiceList {
    /// Reads the reply to `list` for the type that has no letters, to which registries list all.
    pub(super) fn of_the_empty_type(reply: &Map<String, Value>) -> Option<Self> {
        let mut list = Self::from_reply(reply)?;
        list.services.retain(|service| service.matches(""));
        Some(list)
    }

    /// Reads the reply to `list`.
    pub(super) fn from_reply(reply: &Map<String, Value>) -> Option<Self> {
        Some(Self {
            services: services(reply)?,
            sequence: Sequence::from_json(reply),
            in_contact: is_in_contact(reply),
        })
    }
}

impl HealthReport {
    /// Reads the reply to `health`.
    pub(super) fn from_reply(reply: &Map<String, Value>) -> Self {
        let reply_value = Value::Object(reply.clone());
        Self {
            status: text(&reply_value, "status").unwrap_or_default(),
            timestamp: wall_time(&reply_value, "timestamp"),
            sequence: Sequence::from_json(reply),
            in_contact: reply.get("in_contact").and_then(Value::as_bool),
            trouble: text(&reply_value, "trouble"),
        }
    }
}

impl ServerStatus {
    /// Reads the reply to `info`.
    pub(super) fn from_reply(reply: &Map<String, Value>) -> Option<Self> {
        let value = Value::Object(reply.clone());
        let unique = value.get("enforce_unique_service_types").and_then(Value::as_bool);
        Some(Self {
            status: text(&value, "status").unwrap_or_default(),
            req_port: port(&value, "req_port")?,
            pub_port: port(&value, "pub_port")?,
            hb_port: port(&value, "hb_port")?,
            enforce_unique_service_types: unique.unwrap_or_default(),
            services: services(reply)?,
            version: text(&value, "version"),
            sequence: Sequence::from_json(reply),
            cluster: reply.get("cluster").and_then(ClusterStatus::from_json),
            trouble: text(&value, "trouble"),
        })
    }
}

impl ClusterStatus {
    fn from_json(value: &Value) -> Option<Self> {
        let registries = value.get("registries").and_then(Value::as_array);
        let registries = registries.into_iter().flatten().filter_map(Value::as_str);
        let heard = value.get("heard_seconds_ago").and_then(Value::as_f64);
        Some(Self {
            backend: text(value, "backend").unwrap_or_default(),
            name: text(value, "name").unwrap_or_default(),
            in_contact: value.get("in_contact")?.as_bool()?,
            reason: text(value, "reason"),
            heard_ago: heard.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            entry: value.get("entry").and_then(Value::as_u64),
            registries: registries.map(str::to_owned).collect(),
        })
    }
}

/// Whether a registry has contact to the storage that it shares with others, as its `reply` tells.
/// One that shares none says nothing of it.
pub(super) fn is_in_contact(reply: &Map<String, Value>) -> bool {
    reply.get("in_contact") != Some(&Value::Bool(false))
}

/// The services in a reply. One that cannot be read is passed over: the Python registry keeps
/// whatever it is sent, and one odd service must not hide the others.
fn services(reply: &Map<String, Value>) -> Option<Vec<Service>> {
    let services = reply.get("services")?.as_array()?;
    let read = |value: &Value| {
        let service = Service::from_json(value);
        if service.is_none() {
            warn_of_unreadable(value);
        }
        service
    };
    Some(services.iter().filter_map(read).collect())
}

/// Says that a service cannot be read, once, though it comes with every list.
fn warn_of_unreadable(service: &Value) {
    let id = text(service, "id").unwrap_or_else(|| "without an id".to_owned());
    let mut told = UNREADABLE.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() < UNREADABLE_MAX && told.insert(id.clone()) {
        log::warn!("the registry has a service that cannot be read: {id}");
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

fn port(value: &Value, key: &str) -> Option<u16> {
    value.get(key)?.as_u64()?.try_into().ok()
}

/// Whole seconds; fractions, which a Python registry could send, are cut.
fn seconds(value: &Value, key: &str) -> Option<u64> {
    let value = value.get(key)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    value.as_u64().or_else(|| value.as_f64().map(|seconds| seconds as u64))
}

fn wall_time(value: &Value, key: &str) -> WallTime {
    WallTime::from_unix_seconds(seconds(value, key).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn full() -> Value {
        json!({
            "id": "camera-1", "name": "Camera", "host": "10.0.0.7", "port": 6_110,
            "metadata": {"type": "CM_CS", "service_port": 6_112}, "ttl": 30,
            "last_heartbeat": 1_700_000_000, "tags": ["CM_CS", "x"], "health": "critical",
            "of_the_future": {"a": 1},
        })
    }

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else { panic!("{value} is no object") };
        object
    }

    #[test]
    fn a_service_is_read_with_all_it_says_of_itself() {
        let service = Service::from_json(&full()).unwrap();

        assert_eq!(service.id, "camera-1");
        assert_eq!(service.metadata["service_port"], 6_112);
        assert_eq!(service.service_type(), Some("CM_CS"));
        assert_eq!((service.port, service.ttl), (6_110, 30));
        assert_eq!(service.last_heartbeat.unix_seconds(), 1_700_000_000);
        assert_eq!(service.tags, ["CM_CS", "x"]);
        assert_eq!(service.health, Health::Critical);
        assert!(service.matches("x") && service.matches("CM_CS") && !service.matches("y"));
    }

    #[test]
    fn a_service_that_says_little_is_read_too() {
        let service =
            Service::from_json(&json!({"id": "a", "name": "A", "host": "lab", "port": 1})).unwrap();

        assert_eq!(service.health, Health::Passing);
        assert!(service.tags.is_empty() && service.metadata.is_empty());
    }

    #[test]
    fn seconds_with_a_fraction_are_cut() {
        let mut value = full();
        value["last_heartbeat"] = json!(1_700_000_000.9);

        let service = Service::from_json(&value).unwrap();

        assert_eq!(service.last_heartbeat.unix_seconds(), 1_700_000_000);
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        let endpoint = |host: &str| {
            let mut value = full();
            value["host"] = host.into();
            Service::from_json(&value).unwrap().endpoint()
        };

        assert_eq!(endpoint("lab-7"), "tcp://lab-7:6110");
        assert_eq!(endpoint("10.0.0.7"), "tcp://10.0.0.7:6110");
        assert_eq!(endpoint("fe80::1%eth0"), "tcp://[fe80::1%eth0]:6110");
    }

    #[test]
    fn one_service_that_cannot_be_read_does_not_hide_the_others() {
        let mut odd = full();
        odd["port"] = "6110".into();

        let list =
            ServiceList::from_reply(&object(json!({"success": true, "services": [odd, full()]})));

        let ids: Vec<String> = list.unwrap().services.into_iter().map(|s| s.id).collect();
        assert_eq!(ids, ["camera-1"]);
    }

    #[test]
    fn a_registry_that_numbers_its_events_says_how_far_it_has_come() {
        let reply = json!({"status": "ok", "timestamp": 5, "epoch": "e", "seq": 7});

        let report = HealthReport::from_reply(&object(reply));

        assert_eq!(report.sequence, Some(Sequence { epoch: "e".to_owned(), seq: 7 }));
        assert_eq!(report.timestamp.unix_seconds(), 5);
        let silent = HealthReport::from_reply(&object(json!({"status": "ok"})));
        assert_eq!(silent.sequence, None);
    }

    #[test]
    fn the_status_of_a_python_registry_has_neither_version_nor_sequence() {
        let reply = json!({
            "success": true, "status": "ok", "req_port": 1, "pub_port": 2, "hb_port": 3,
            "services": [full()],
        });

        let status = ServerStatus::from_reply(&object(reply)).unwrap();

        assert_eq!((status.req_port, status.pub_port, status.hb_port), (1, 2, 3));
        assert_eq!((status.version, status.sequence), (None, None));
        assert_eq!(status.services.len(), 1);
    }
}
