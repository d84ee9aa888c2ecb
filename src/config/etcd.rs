//! `etcd`: how the cluster is reached, in which several registries share one list.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use thiserror::Error;

use crate::backend::EtcdSettings;

/// The word for what a registry has that says nothing else.
const DEFAULT: &str = "default";

const KEYS: [&str; 10] = [
    "endpoints",
    "prefix",
    "name",
    "user",
    "password_file",
    "ca_file",
    "cert_file",
    "key_file",
    "request_timeout",
    "grace",
];

const GRACE_MAX: f64 = 3_600.0;

/// A member that hangs must not keep this registry silent for so long that it is out of contact.
const REQUEST_TIMEOUT_MAX: f64 = 2.0;

/// Why `etcd` cannot be as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidEtcd {
    /// It is no mapping.
    #[error("must be default, or a mapping with some of {}", KEYS.join(", "))]
    Form,
    /// A key is there that means nothing.
    #[error("has {found:?}, which is none of {}", KEYS.join(", "))]
    Unknown {
        /// Which.
        found: String,
    },
    /// A value is nothing that it can be.
    #[error("{key} must be {allowed}")]
    Impossible {
        /// Whose value.
        key: &'static str,
        /// What it can be.
        allowed: &'static str,
    },
    /// One key is of no use without the other.
    #[error("{0} and {1} go together")]
    Alone(&'static str, &'static str),
}

/// What `text` stands for: `default`, or a mapping in JSON, as which the file's mapping comes
/// here.
pub(super) fn parse(text: &str) -> Result<EtcdSettings, InvalidEtcd> {
    let mut settings = EtcdSettings::default();
    if text == DEFAULT {
        return Ok(settings);
    }
    let mapping: Map<String, Value> = serde_json::from_str(text).map_err(|_| InvalidEtcd::Form)?;
    if let Some(unknown) = mapping.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(InvalidEtcd::Unknown { found: unknown.clone() });
    }
    let mapping = Mapping(&mapping);
    if let Some(endpoints) = mapping.0.get("endpoints") {
        settings.endpoints = read_endpoints(endpoints)?;
    }
    if let Some(prefix) = mapping.text("prefix", "a text that ends with a slash", is_prefix)? {
        prefix.clone_into(&mut settings.prefix);
    }
    let name = mapping.text("name", "a text without slashes", |name| !name.contains('/'))?;
    settings.name = name.map(str::to_owned);
    let user = mapping.text("user", "a text", |_| true)?;
    settings.user =
        both(("user", user.map(str::to_owned)), ("password_file", mapping.path("password_file")?))?;
    settings.ca_file = mapping.path("ca_file")?;
    let (certificate, key) = (mapping.path("cert_file")?, mapping.path("key_file")?);
    settings.identity = both(("cert_file", certificate), ("key_file", key))?;
    let range = 0.1..=REQUEST_TIMEOUT_MAX;
    if let Some(timeout) = mapping.seconds("request_timeout", range, "seconds from 0.1 to 2")? {
        settings.request_timeout = timeout;
    }
    let range = 0.0..=GRACE_MAX;
    if let Some(grace) = mapping.seconds("grace", range, "seconds from 0 to 3600")? {
        settings.grace = grace;
    }
    Ok(settings)
}

fn read_endpoints(value: &Value) -> Result<Vec<String>, InvalidEtcd> {
    const KEY: &str = "endpoints";
    const ALLOWED: &str = "a list of URLs such as http://192.168.10.1:2379";

    let impossible = InvalidEtcd::Impossible { key: KEY, allowed: ALLOWED };
    let Some(endpoints) = value.as_array().filter(|list| !list.is_empty()) else {
        return Err(impossible);
    };
    let endpoints = endpoints.iter().map(|endpoint| {
        let url = endpoint.as_str()?.trim_end_matches('/');
        let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
        let is_host = !host.is_empty() && !host.contains(['/', ' ', '?', '#', '@']);
        is_host.then(|| url.to_owned())
    });
    endpoints.collect::<Option<Vec<_>>>().ok_or(impossible)
}

fn is_prefix(text: &str) -> bool {
    text.ends_with('/')
}

fn both<One, Other>(
    (one_key, one): (&'static str, Option<One>),
    (other_key, other): (&'static str, Option<Other>),
) -> Result<Option<(One, Other)>, InvalidEtcd> {
    match (one, other) {
        (Some(one), Some(other)) => Ok(Some((one, other))),
        (None, None) => Ok(None),
        _ => Err(InvalidEtcd::Alone(one_key, other_key)),
    }
}

struct Mapping<'a>(&'a Map<String, Value>);

impl<'a> Mapping<'a> {
    /// A text that is not empty and `is_allowed`.
    fn text(
        &self,
        key: &'static str,
        allowed: &'static str,
        is_allowed: impl Fn(&str) -> bool,
    ) -> Result<Option<&'a str>, InvalidEtcd> {
        let Some(value) = self.0.get(key) else { return Ok(None) };
        let text = value.as_str().filter(|text| !text.is_empty() && is_allowed(text));
        text.map(Some).ok_or(InvalidEtcd::Impossible { key, allowed })
    }

    fn path(&self, key: &'static str) -> Result<Option<PathBuf>, InvalidEtcd> {
        Ok(self.text(key, "the path of a file", |_| true)?.map(PathBuf::from))
    }

    fn seconds(
        &self,
        key: &'static str,
        range: RangeInclusive<f64>,
        allowed: &'static str,
    ) -> Result<Option<Duration>, InvalidEtcd> {
        let Some(value) = self.0.get(key) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| range.contains(seconds));
        let seconds = seconds.ok_or(InvalidEtcd::Impossible { key, allowed })?;
        Ok(Some(Duration::from_secs_f64(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn refusal(value: &Value) -> String {
        parse(&value.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_said_has_its_default() {
        assert_eq!(parse("default"), Ok(EtcdSettings::default()));
        assert_eq!(parse("{}"), Ok(EtcdSettings::default()));
    }

    #[test]
    fn a_mapping_says_all_of_it() {
        let value = json!({
            "endpoints": ["http://a:2379/", "https://[::1]:2379"],
            "prefix": "/lab/",
            "name": "host-a",
            "user": "registry",
            "password_file": "password",
            "ca_file": "ca.pem",
            "cert_file": "own.pem",
            "key_file": "own.key",
            "request_timeout": 0.5,
            "grace": 120,
        });

        let expected = EtcdSettings {
            endpoints: vec!["http://a:2379".to_owned(), "https://[::1]:2379".to_owned()],
            prefix: "/lab/".to_owned(),
            name: Some("host-a".to_owned()),
            user: Some(("registry".to_owned(), "password".into())),
            ca_file: Some("ca.pem".into()),
            identity: Some(("own.pem".into(), "own.key".into())),
            request_timeout: Duration::from_millis(500),
            grace: Duration::from_secs(120),
        };
        assert_eq!(parse(&value.to_string()), Ok(expected));
    }

    #[test]
    fn a_mistake_is_named() {
        let endpoints = "endpoints must be a list of URLs such as http://192.168.10.1:2379";
        for (value, expected) in [
            (json!({"endpoints": []}), endpoints),
            (json!({"endpoints": "http://a:2379"}), endpoints),
            (json!({"endpoints": ["a:2379"]}), endpoints),
            (json!({"endpoints": ["http://user@a:2379"]}), endpoints),
            (json!({"prefix": "/lab"}), "prefix must be a text that ends with a slash"),
            (json!({"name": "a/b"}), "name must be a text without slashes"),
            (json!({"user": "a"}), "user and password_file go together"),
            (json!({"key_file": "a"}), "cert_file and key_file go together"),
            (json!({"ca_file": ""}), "ca_file must be the path of a file"),
            (json!({"request_timeout": 0}), "request_timeout must be seconds from 0.1 to 2"),
            (json!({"request_timeout": 2.5}), "request_timeout must be seconds from 0.1 to 2"),
            (json!({"grace": -1}), "grace must be seconds from 0 to 3600"),
        ] {
            assert_eq!(refusal(&value), expected);
        }
        assert!(refusal(&json!({"host": "a"})).starts_with("has \"host\", which is none of"));
        assert!(refusal(&json!("on")).starts_with("must be default, or a mapping with some of"));
    }
}
