//! The lines of the file: JSON objects, one a line.
//!
//! ```text
//! {"format":"service-registry","version":1,"services":1,"policies":1}
//! {"service":{"id":"psu-1","name":"Power Supply","host":"192.168.7.30","port":40123,
//!   "metadata":{"type":"PSU"},"ttl":30,"tags":["PSU"],"owner":"192.168.7.30",
//!   "last_heartbeat":1700000000}}
//! {"policy":{"id":"psu-1","policy":"singleton"}}
//! ```
//!
//! The first line says how many there are, so that a file that was cut off is known. Services
//! stand in the order of registration, policies in that in which they were said.

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::{Map, Value, json};
use service_registry::backend::{Contents, StoredService};
use service_registry::clock::WallTime;
use service_registry::service::{Metadata, Parts, Service, ServiceId, Tags, Ttl, TypePolicy};
use thiserror::Error;

use super::counts;

const FORMAT: &str = "service-registry";

/// Readers refuse what is newer than what they know.
const VERSION: u64 = 1;

const HEADER_KEYS: [&str; 4] = ["format", "version", "services", "policies"];
const SERVICE_KEYS: [&str; 9] =
    ["id", "name", "host", "port", "metadata", "ttl", "tags", "owner", "last_heartbeat"];
const POLICY_KEYS: [&str; 2] = ["id", "policy"];

const SINGLETON: &str = "singleton";
const ALLOW_DUPLICATES: &str = "allow_duplicates";

/// Which line stands for nothing, and why.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("line {number}: {reason}")]
pub(in crate::cli) struct InvalidLine {
    number: usize,
    reason: String,
}

/// The text for `contents`.
pub(super) fn write(contents: &Contents) -> String {
    let (services, policies) = (contents.services.len(), contents.policies.len());
    let header = json!({
        "format": FORMAT, "version": VERSION, "services": services, "policies": policies,
    });
    let services = contents.services.iter().map(|stored| json!({"service": service_value(stored)}));
    let policies = contents.policies.iter().map(|(id, policy)| {
        // The other two are never remembered.
        let is_singleton = *policy == TypePolicy::Singleton;
        let policy = if is_singleton { SINGLETON } else { ALLOW_DUPLICATES };
        json!({"policy": {"id": id, "policy": policy}})
    });
    [header].into_iter().chain(services).chain(policies).map(|line| format!("{line}\n")).collect()
}

/// What `bytes` stand for.
pub(super) fn read(bytes: &[u8]) -> Result<Contents, InvalidLine> {
    let mut lines = bytes.split(|byte| *byte == b'\n').zip(1..);
    let (first, _) = lines.next().unwrap_or_default();
    let at = |number: usize| move |reason| InvalidLine { number, reason };
    let expected = object(first).and_then(|line| read_header(&line)).map_err(at(1))?;
    let mut contents = Contents::default();
    let (mut services, mut policies) = (HashMap::new(), HashMap::new());
    for (line, number) in lines.filter(|(line, _)| !line.is_empty()) {
        let line = object(line).and_then(|line| read_line(&line)).map_err(at(number))?;
        let (known, id) = match &line {
            Line::Service(stored) => (&mut services, stored.service.id.clone()),
            Line::Policy(id, _) => (&mut policies, id.clone()),
        };
        if let Some(earlier) = known.insert(id.clone(), number) {
            return Err(at(number)(format!("{:?} is on line {earlier} already", id.as_str())));
        }
        match line {
            Line::Service(stored) => contents.services.push(*stored),
            Line::Policy(id, policy) => contents.policies.push((id, policy)),
        }
    }
    let found = (contents.services.len(), contents.policies.len());
    if found != expected {
        return Err(at(1)(format!(
            "there must be {}, and there are {}: the file was cut off or changed",
            counts(expected),
            counts(found)
        )));
    }
    Ok(contents)
}

enum Line {
    Service(Box<StoredService>),
    Policy(ServiceId, TypePolicy),
}

fn service_value(stored: &StoredService) -> Value {
    let StoredService { service, last_heartbeat } = stored;
    let description = &service.description;
    let mut value = json!({
        "id": service.id,
        "name": description.name(),
        "host": description.host(),
        "port": description.port(),
        "metadata": tree(description.metadata()),
        "ttl": description.ttl(),
        "tags": tree(description.tags()),
    });
    if let Some(owner) = service.owner {
        value["owner"] = owner.to_string().into();
    }
    value["last_heartbeat"] = last_heartbeat.unix_seconds().into();
    value
}

/// The value that a text stands for which is kept as JSON.
fn tree(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

fn object(line: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(line).map_err(|_| "must be a JSON object".to_owned())
}

/// How many services and policies there are to be.
fn read_header(line: &Map<String, Value>) -> Result<(usize, usize), String> {
    let fields = Fields { path: "", values: line };
    if line.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(format!("format must be {FORMAT:?}: this is no file of `export`"));
    }
    let version = fields.whole::<u64>("version", "from 1 on")?;
    if version != VERSION {
        return Err(format!(
            "version must be {VERSION}, not {version}; use the version of this program that wrote \
             it"
        ));
    }
    fields.refuse_others(&HEADER_KEYS)?;
    Ok((fields.whole("services", "from 0 on")?, fields.whole("policies", "from 0 on")?))
}

fn read_line(line: &Map<String, Value>) -> Result<Line, String> {
    let only = line.iter().next().filter(|_| line.len() == 1);
    match only.map(|(key, value)| (key.as_str(), value)) {
        Some(("service", Value::Object(values))) => {
            let stored = read_service(&Fields { path: "service.", values })?;
            Ok(Line::Service(Box::new(stored)))
        }
        Some(("policy", Value::Object(values))) => read_policy(&Fields { path: "policy.", values }),
        _ => Err("must be an object with service or policy, and an object in that".to_owned()),
    }
}

fn read_service(fields: &Fields<'_>) -> Result<StoredService, String> {
    fields.refuse_others(&SERVICE_KEYS)?;
    let id = fields.id()?;
    let parts = Parts {
        name: fields.text("name")?.into(),
        host: fields.text("host")?.into(),
        port: fields.whole("port", "from 0 to 65535")?,
        // It stands in the metadata.
        service_type: None,
        metadata: fields.metadata()?,
        ttl: fields.ttl()?,
        tags: fields.tags()?,
    };
    let service = Service { id, description: parts.into(), owner: fields.owner()? };
    let seconds = fields.whole("last_heartbeat", "of seconds since 1970")?;
    Ok(StoredService { service, last_heartbeat: WallTime::from_unix_seconds(seconds) })
}

fn read_policy(fields: &Fields<'_>) -> Result<Line, String> {
    fields.refuse_others(&POLICY_KEYS)?;
    let policy = match fields.text("policy")? {
        SINGLETON => TypePolicy::Singleton,
        ALLOW_DUPLICATES => TypePolicy::AllowDuplicates,
        _ => return Err(fields.must("policy", "singleton or allow_duplicates")),
    };
    Ok(Line::Policy(fields.id()?, policy))
}

/// The fields of an object, which errors call by `path`.
struct Fields<'a> {
    path: &'static str,
    values: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn refuse_others(&self, keys: &[&str]) -> Result<(), String> {
        match self.values.keys().find(|key| !keys.contains(&key.as_str())) {
            Some(key) => {
                Err(format!("{}{key} is none of the fields {}", self.path, keys.join(", ")))
            }
            None => Ok(()),
        }
    }

    fn text(&self, key: &'static str) -> Result<&'a str, String> {
        self.values.get(key).and_then(Value::as_str).ok_or_else(|| self.must(key, "a text"))
    }

    fn whole<T: TryFrom<u64>>(&self, key: &'static str, range: &str) -> Result<T, String> {
        let number = self.values.get(key).and_then(Value::as_u64);
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.must(key, &format!("a whole number {range}")))
    }

    fn id(&self) -> Result<ServiceId, String> {
        ServiceId::new(self.text("id")?).map_err(|error| format!("{}id {error}", self.path))
    }

    fn metadata(&self) -> Result<Metadata<'static>, String> {
        let metadata = self.values.get("metadata").map(Value::to_string).unwrap_or_default();
        Metadata::from_json(&metadata).map_err(|_| self.must("metadata", "an object"))
    }

    fn ttl(&self) -> Result<Ttl, String> {
        let seconds = self.values.get("ttl").and_then(Value::as_u64).unwrap_or_default();
        Ttl::from_seconds(seconds).map_err(|error| format!("{}ttl {error}", self.path))
    }

    fn tags(&self) -> Result<Tags<'static>, String> {
        let tags = self.values.get("tags").map(Value::to_string).unwrap_or_default();
        Tags::from_json(&tags).map_err(|_| self.must("tags", "a list of texts"))
    }

    /// It may be absent: nobody knows it of services that an older registry has stored.
    fn owner(&self) -> Result<Option<IpAddr>, String> {
        let Some(owner) = self.values.get("owner") else { return Ok(None) };
        let address = owner.as_str().and_then(|text| text.parse().ok());
        address.map(Some).ok_or_else(|| self.must("owner", "an IP address, or absent"))
    }

    fn must(&self, key: &str, allowed: &str) -> String {
        format!("{}{key} must be {allowed}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use service_registry::service::Description;

    use super::*;

    fn contents() -> Contents {
        let parts = Parts {
            metadata: Metadata::from_json(r#"{"z":1.50,"a":123456789012345678901}"#).unwrap(),
            ttl: Ttl::from_seconds(u64::from(u32::MAX)).unwrap(),
            tags: Tags::from_texts(["x", ""]),
            ..Parts::new("Größe\n", "::1", 65_535)
        };
        let description = Description::from(parts);
        let service = |id: &str, owner| Service {
            id: ServiceId::new(id).unwrap(),
            description: description.clone(),
            owner,
        };
        let stored = |service, seconds| StoredService {
            service,
            last_heartbeat: WallTime::from_unix_seconds(seconds),
        };
        let own = Some([127, 0, 0, 1].into());
        Contents {
            services: vec![stored(service("b", own), 1_700_000_000), stored(service("a", None), 0)],
            policies: vec![
                (ServiceId::new("b").unwrap(), TypePolicy::Singleton),
                (ServiceId::new("gone").unwrap(), TypePolicy::AllowDuplicates),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        assert_eq!(read(write(&contents()).as_bytes()), Ok(contents()));
        assert_eq!(read(write(&Contents::default()).as_bytes()), Ok(Contents::default()));
    }

    #[test]
    fn a_file_that_was_cut_off_is_known() {
        let text = write(&contents());
        let end = text.trim_end().rfind('\n').unwrap();

        let error = read(&text.as_bytes()[..end]).unwrap_err().to_string();

        assert!(error.starts_with("line 1: there must be 2 services and 2 policies"), "{error}");
    }

    #[test]
    fn a_mistake_is_told_with_its_line_its_field_and_what_it_must_be() {
        let text = write(&contents());
        for (right, wrong, expected) in [
            (r#""format":"service-registry""#, r#""format":"x""#, "line 1: format must be"),
            (r#""version":1"#, r#""version":2"#, "line 1: version must be 1, not 2"),
            (r#""policies":2"#, r#""policies":-2"#, "line 1: policies must be a whole number"),
            (r#""id":"b""#, r#""id":"""#, "line 2: service.id must not be empty"),
            (r#""id":"a""#, r#""id":"b""#, "line 3: \"b\" is on line 2 already"),
            (r#""port":65535"#, r#""port":65536"#, "line 2: service.port must be a whole number"),
            (r#""metadata":{"#, r#""metadata":7,"x":{"#, "line 2: service.x is none of the fields"),
            (r#""ttl":4294967295"#, r#""ttl":0"#, "line 2: service.ttl must be a whole number"),
            (r#"["x",""]"#, r#"["x",1]"#, "line 2: service.tags must be a list of texts"),
            ("127.0.0.1", "lab", "line 2: service.owner must be an IP address"),
            (":1700000000", ":1.5", "line 2: service.last_heartbeat must be a whole number"),
            (r#""policy":"singleton""#, r#""policy":1"#, "line 4: policy.policy must be a text"),
            (r#"{"policy":{"#, r#"{"other":{"#, "line 4: must be an object with service or policy"),
            (r#"{"service":{"#, "", "line 2: must be a JSON object"),
        ] {
            assert!(text.contains(right), "{right}");
            let error = read(text.replacen(right, wrong, 1).as_bytes()).unwrap_err().to_string();

            assert!(error.starts_with(expected), "{wrong}: {error}");
        }
        assert!(read(b"").is_err());
        assert!(read(b"\xff\n").is_err());
    }
}
