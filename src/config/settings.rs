//! The table of settings: key, kind, what is allowed, and how a value is taken over.
//!
//! The file and the flags both go through this table, so that they accept the same and say the
//! same about what they refuse.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use crate::access::{AllowList, InvalidAllowList, InvalidNetwork, Network, Ownership, Terminate};
use crate::backend::Durability;
use crate::limits::{InvalidLimit, Limit, Limits};

use super::curve::{self, InvalidCurve};
use super::etcd::{self, InvalidEtcd};
use super::{BackendKind, BindAddress, CLEANUP_INTERVAL_MAX, CLEANUP_INTERVAL_MIN, Config};

const PORT: &str = "a whole number from 0 to 65535";

const NETWORKS: &str = "all, or a list of networks such as 192.168.10.0/24 and of single addresses";

const SETTINGS: [Setting; 17] = [
    Setting {
        key: "bind",
        allowed: BindAddress::ALLOWED,
        kind: Kind::Text,
        set: |config, text| text.parse().ok().map(|address| config.bind = address),
        is_same: |one, other| one.bind == other.bind,
    },
    Setting {
        key: "req_port",
        allowed: PORT,
        kind: Kind::Number,
        set: |config, text| text.parse().ok().map(|port| config.req_port = port),
        is_same: |one, other| one.req_port == other.req_port,
    },
    Setting {
        key: "pub_port",
        allowed: PORT,
        kind: Kind::Number,
        set: |config, text| text.parse().ok().map(|port| config.pub_port = port),
        is_same: |one, other| one.pub_port == other.pub_port,
    },
    Setting {
        key: "hb_port",
        allowed: PORT,
        kind: Kind::Number,
        set: |config, text| text.parse().ok().map(|port| config.hb_port = port),
        is_same: |one, other| one.hb_port == other.hb_port,
    },
    Setting {
        key: "http",
        allowed: "off, or an address with a port such as 127.0.0.1:6103",
        kind: Kind::Text,
        set: |config, text| http(text).map(|http| config.http = http),
        is_same: |one, other| one.http == other.http,
    },
    Setting {
        key: "allow",
        allowed: NETWORKS,
        kind: Kind::Networks,
        set: |config, text| text.parse().ok().map(|allow| config.allow = allow),
        is_same: |one, other| one.allow == other.allow,
    },
    Setting {
        key: "curve",
        allowed: "off, or a mapping with key_file and clients",
        kind: Kind::Curve,
        set: |config, text| curve::parse(text).ok().map(|curve| config.curve = curve),
        is_same: |one, other| one.curve == other.curve,
    },
    Setting {
        key: "terminate",
        allowed: "loopback, allowed or never",
        kind: Kind::Text,
        set: |config, text| terminate(text).map(|terminate| config.terminate = terminate),
        is_same: |one, other| one.terminate == other.terminate,
    },
    Setting {
        key: "ownership",
        allowed: "open or host",
        kind: Kind::Text,
        set: |config, text| ownership(text).map(|ownership| config.ownership = ownership),
        is_same: |one, other| one.ownership == other.ownership,
    },
    Setting {
        key: "backend",
        allowed: "sqlite, memory or etcd",
        kind: Kind::Text,
        set: |config, text| backend_kind(text).map(|kind| config.backend = kind),
        is_same: |one, other| one.backend == other.backend,
    },
    Setting {
        key: "db_path",
        allowed: "the path of a file",
        kind: Kind::Text,
        set: |config, text| path(text).map(|path| config.db_path = path),
        is_same: |one, other| one.db_path == other.db_path,
    },
    Setting {
        key: "durability",
        allowed: "full or relaxed",
        kind: Kind::Text,
        set: |config, text| durability(text).map(|durability| config.durability = durability),
        is_same: |one, other| one.durability == other.durability,
    },
    Setting {
        key: "etcd",
        allowed: "default, or a mapping with endpoints and more",
        kind: Kind::Etcd,
        set: |config, text| etcd::parse(text).ok().map(|settings| config.etcd = settings),
        is_same: |one, other| one.etcd == other.etcd,
    },
    Setting {
        key: "cleanup_interval",
        allowed: "a number of seconds from 0.1 to 86400",
        kind: Kind::Number,
        set: |config, text| {
            cleanup_interval(text).map(|interval| config.cleanup_interval = interval)
        },
        is_same: |one, other| one.cleanup_interval == other.cleanup_interval,
    },
    Setting {
        key: "enforce_unique_service_types",
        allowed: "true or false",
        kind: Kind::Truth,
        set: |config, text| {
            text.parse().ok().map(|enforce| config.enforce_unique_service_types = enforce)
        },
        is_same: |one, other| {
            one.enforce_unique_service_types == other.enforce_unique_service_types
        },
    },
    Setting {
        key: "limits",
        allowed: "a mapping of limits to whole numbers, such as {services: 1000, tags: 8}",
        kind: Kind::Limits,
        set: |config, text| limits(config.limits, text).map(|limits| config.limits = limits),
        is_same: |one, other| one.limits == other.limits,
    },
    Setting {
        key: "log_level",
        allowed: "off, error, warn, info, debug or trace",
        kind: Kind::Text,
        set: |config, text| text.parse().ok().map(|level| config.log_level = level),
        is_same: |one, other| one.log_level == other.log_level,
    },
];

/// Why a setting cannot be as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidSetting {
    /// There is no setting of this name.
    #[error("is not a setting; the settings are {}", keys().collect::<Vec<_>>().join(", "))]
    Unknown,
    /// The setting exists, and this is nothing that it can be.
    #[error("must be {allowed}, not {given}")]
    Impossible {
        /// What the setting can be.
        allowed: &'static str,
        /// What it was given.
        given: String,
    },
    /// What is wrong with one of the networks of `allow`.
    #[error(transparent)]
    Network(#[from] InvalidNetwork),
    /// What is wrong with `curve`.
    #[error(transparent)]
    Curve(#[from] InvalidCurve),
    /// What is wrong with `etcd`.
    #[error(transparent)]
    Etcd(#[from] InvalidEtcd),
    /// What is wrong with `limits`.
    #[error(transparent)]
    Limits(#[from] InvalidLimit),
}

struct Setting {
    key: &'static str,
    allowed: &'static str,
    kind: Kind,
    /// Takes over the value that a text stands for; `None`, where that is not allowed.
    set: fn(&mut Config, &str) -> Option<()>,
    /// Whether two configurations agree on it.
    is_same: fn(&Config, &Config) -> bool,
}

/// The kinds of value that YAML tells apart, and a command line does not.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Truth,
    /// A text, or a list of them.
    Networks,
    /// A text, or a mapping.
    Curve,
    /// A text, or a mapping.
    Etcd,
    /// A mapping to numbers.
    Limits,
}

pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.key)
}

/// The keys of the settings on which `one` and `other` do not agree.
pub(super) fn differences(one: &Config, other: &Config) -> Vec<&'static str> {
    let differs = |setting: &&Setting| !(setting.is_same)(one, other);
    SETTINGS.iter().filter(differs).map(|setting| setting.key).collect()
}

/// Sets `key` to what `text` stands for, whatever the setting's kind.
pub(super) fn set_text(config: &mut Config, key: &str, text: &str) -> Result<(), InvalidSetting> {
    let setting = find(key)?;
    (setting.set)(config, text).ok_or_else(|| setting.impossible(Some(text), format!("{text:?}")))
}

/// Sets `key` to `value`, which must be of the setting's kind: `"6100"` in quotes is no number.
pub(super) fn set_value(
    config: &mut Config,
    key: &str,
    value: &Value,
) -> Result<(), InvalidSetting> {
    let setting = find(key)?;
    let text = setting.text(value);
    text.as_deref().and_then(|text| (setting.set)(config, text)).ok_or_else(|| {
        match setting.no_number(value) {
            Some(problem) => problem.into(),
            None => setting.impossible(text.as_deref(), description(setting.culprit(value))),
        }
    })
}

impl Setting {
    /// The text of `value`, where that is of this setting's kind.
    fn text(&self, value: &Value) -> Option<String> {
        match (self.kind, value) {
            (Kind::Text, Value::String(text)) => Some(text.clone()),
            (Kind::Number, Value::Number(number)) => Some(number.to_string()),
            (Kind::Truth, Value::Bool(truth)) => Some(truth.to_string()),
            (Kind::Networks | Kind::Curve | Kind::Etcd, Value::String(text)) => Some(text.clone()),
            (Kind::Curve | Kind::Etcd, Value::Object(_)) => Some(value.to_string()),
            (Kind::Networks, Value::Array(texts)) => {
                let texts: Option<Vec<&str>> = texts.iter().map(Value::as_str).collect();
                texts.map(|texts| texts.join(","))
            }
            (Kind::Limits, Value::Object(limits)) => {
                let limits = limits.iter().map(|(name, value)| match value {
                    Value::Number(number) => Some(format!("{name}={number}")),
                    _ => None,
                });
                limits.collect::<Option<Vec<_>>>().map(|limits| limits.join(","))
            }
            _ => None,
        }
    }

    /// What in `value`, which is none that this setting can have, is to blame: of a list, the
    /// first part that would spoil any other list as well.
    fn culprit<'a>(&self, value: &'a Value) -> &'a Value {
        let spoils =
            |part: &&Value| part.as_str().is_none_or(|network| network.parse::<Network>().is_err());
        match (self.kind, value) {
            (Kind::Networks, Value::Array(parts)) => parts.iter().find(spoils).unwrap_or(value),
            _ => value,
        }
    }

    /// What is wrong with the first limit in `value` that is no number.
    fn no_number(&self, value: &Value) -> Option<InvalidLimit> {
        let (Kind::Limits, Value::Object(limits)) = (self.kind, value) else { return None };
        let (name, value) = limits.iter().find(|(_, value)| !value.is_number())?;
        Some(match Limit::named(name) {
            Some(limit) => InvalidLimit::Impossible { limit, given: description(value) },
            None => InvalidLimit::Unknown(name.clone()),
        })
    }

    /// What is wrong with `text`, or with what was `given` where that is no text at all.
    fn impossible(&self, text: Option<&str>, given: String) -> InvalidSetting {
        let problem = match (self.kind, text) {
            (Kind::Networks, Some(text)) => ambiguous_network(text).map(InvalidSetting::from),
            (Kind::Curve, Some(text)) => curve::parse(text).err().map(InvalidSetting::from),
            (Kind::Etcd, Some(text)) => etcd::parse(text).err().map(InvalidSetting::from),
            (Kind::Limits, Some(text)) => {
                Limits::default().with_text(text).err().map(InvalidSetting::from)
            }
            _ => None,
        };
        problem.unwrap_or(InvalidSetting::Impossible { allowed: self.allowed, given })
    }
}

fn find(key: &str) -> Result<&'static Setting, InvalidSetting> {
    SETTINGS.iter().find(|setting| setting.key == key).ok_or(InvalidSetting::Unknown)
}

fn description(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(parts) if parts.is_empty() => "an empty list".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

fn http(text: &str) -> Option<Option<SocketAddr>> {
    if text == "off" { Some(None) } else { text.parse().ok().map(Some) }
}

/// What is wrong with the first bad network in `text`, where that says what to write instead.
fn ambiguous_network(text: &str) -> Option<InvalidNetwork> {
    match text.parse::<AllowList>() {
        Err(InvalidAllowList::Network(problem @ InvalidNetwork::HostBits { .. })) => Some(problem),
        _ => None,
    }
}

/// What `text` makes of `limits`. An empty mapping leaves them as they are.
fn limits(limits: Limits, text: &str) -> Option<Limits> {
    if text.is_empty() { Some(limits) } else { limits.with_text(text).ok() }
}

fn terminate(text: &str) -> Option<Terminate> {
    match text {
        "loopback" => Some(Terminate::Loopback),
        "allowed" => Some(Terminate::Allowed),
        "never" => Some(Terminate::Never),
        _ => None,
    }
}

fn ownership(text: &str) -> Option<Ownership> {
    match text {
        "open" => Some(Ownership::Open),
        "host" => Some(Ownership::Host),
        _ => None,
    }
}

fn backend_kind(text: &str) -> Option<BackendKind> {
    match text {
        "sqlite" => Some(BackendKind::Sqlite),
        "memory" => Some(BackendKind::Memory),
        "etcd" => Some(BackendKind::Etcd),
        _ => None,
    }
}

fn durability(text: &str) -> Option<Durability> {
    match text {
        "full" => Some(Durability::Full),
        "relaxed" => Some(Durability::Relaxed),
        _ => None,
    }
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| PathBuf::from(text))
}

fn cleanup_interval(text: &str) -> Option<Duration> {
    let interval = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
    (CLEANUP_INTERVAL_MIN..=CLEANUP_INTERVAL_MAX).contains(&interval).then_some(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURVE: &str = r#"{"key_file": "server.key", "clients": [{
        "name": "me", "key": "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", "rights": "admin"
    }]}"#;

    #[track_caller]
    fn set(key: &str, text: &str) -> Config {
        let mut config = Config::default();
        config.set(key, text).unwrap();
        config
    }

    #[track_caller]
    fn refusal(key: &str, text: &str) -> String {
        let mut config = Config::default();
        let error = config.set(key, text).unwrap_err();
        assert_eq!(config, Config::default());
        error.to_string()
    }

    #[test]
    fn every_setting_takes_a_value_that_is_not_its_default() {
        assert_eq!(set("bind", "*").bind, "*".parse().unwrap());
        assert_eq!(set("req_port", "0").req_port, 0);
        assert_eq!(set("pub_port", "65535").pub_port, 65_535);
        assert_eq!(set("hb_port", "7000").hb_port, 7_000);
        assert_eq!(set("http", "[::1]:80").http, Some(([0, 0, 0, 0, 0, 0, 0, 1], 80).into()));
        assert_eq!(set("allow", "::1, 10.0.0.0/8").allow.to_string(), "::1, 10.0.0.0/8");
        assert_eq!(set("curve", CURVE).curve.unwrap().key_file, PathBuf::from("server.key"));
        assert_eq!(set("terminate", "never").terminate, Terminate::Never);
        assert_eq!(set("terminate", "allowed").terminate, Terminate::Allowed);
        assert_eq!(set("ownership", "host").ownership, Ownership::Host);
        assert_eq!(set("backend", "memory").backend, BackendKind::Memory);
        assert_eq!(set("db_path", "/var/lib/x.db").db_path, PathBuf::from("/var/lib/x.db"));
        assert_eq!(set("durability", "relaxed").durability, Durability::Relaxed);
        assert_eq!(set("cleanup_interval", "0.5").cleanup_interval, Duration::from_millis(500));
        assert!(!set("enforce_unique_service_types", "false").enforce_unique_service_types);
        assert_eq!(set("limits", "tags=3").limits.get(Limit::Tags), 3);
        assert_eq!(set("log_level", "trace").log_level, log::LevelFilter::Trace);
    }

    #[test]
    fn what_is_set_is_a_difference_and_nothing_else() {
        for (key, text) in [
            ("bind", "*"),
            ("req_port", "0"),
            ("pub_port", "0"),
            ("hb_port", "0"),
            ("http", "127.0.0.1:6103"),
            ("allow", "::1"),
            ("curve", CURVE),
            ("terminate", "never"),
            ("ownership", "host"),
            ("backend", "memory"),
            ("db_path", "x"),
            ("durability", "relaxed"),
            ("cleanup_interval", "1"),
            ("enforce_unique_service_types", "false"),
            ("limits", "tags=3"),
            ("log_level", "off"),
        ] {
            assert_eq!(Config::default().differences(&set(key, text)), [key]);
        }
        assert_eq!(Config::default().differences(&Config::default()), [] as [&str; 0]);
    }

    #[test]
    fn a_refusal_says_what_is_allowed_and_what_was_given() {
        for (key, text, expected) in [
            ("req_port", "abc", r#"must be a whole number from 0 to 65535, not "abc""#),
            ("hb_port", "65536", r#"must be a whole number from 0 to 65535, not "65536""#),
            (
                "http",
                "6103",
                r#"must be off, or an address with a port such as 127.0.0.1:6103, not "6103""#,
            ),
            ("allow", "lab", &format!("must be {NETWORKS}, not \"lab\"")),
            (
                "allow",
                "10.0.0.1/24",
                "10.0.0.1/24 is a single address in a network; \
                 write 10.0.0.0/24, or the address alone",
            ),
            ("curve", "on", "must be off, or a mapping with key_file and clients"),
            ("terminate", "all", r#"must be loopback, allowed or never, not "all""#),
            ("ownership", "me", r#"must be open or host, not "me""#),
            ("backend", "redis", r#"must be sqlite, memory or etcd, not "redis""#),
            ("db_path", "", r#"must be the path of a file, not """#),
            ("durability", "none", r#"must be full or relaxed, not "none""#),
            ("cleanup_interval", "0", r#"must be a number of seconds from 0.1 to 86400, not "0""#),
            ("limits", "tags=0", "tags must be a whole number from 1 to 65536, not 0"),
            ("log_level", "loud", "must be off, error, warn, info, debug or trace, not \"loud\""),
            ("enforce_unique_service_types", "1", r#"must be true or false, not "1""#),
        ] {
            assert_eq!(refusal(key, text), expected);
        }
    }

    #[test]
    fn a_cleanup_interval_has_its_limits() {
        for text in ["0.09", "86400.1", "-1", "nan", "inf", "1e300", ""] {
            refusal("cleanup_interval", text);
        }
        assert_eq!(set("cleanup_interval", "0.1").cleanup_interval, CLEANUP_INTERVAL_MIN);
        assert_eq!(set("cleanup_interval", "86400").cleanup_interval, CLEANUP_INTERVAL_MAX);
    }

    #[test]
    fn an_unknown_setting_is_told_which_there_are() {
        let text = refusal("port", "1");

        assert!(text.starts_with("is not a setting; the settings are bind, req_port,"), "{text}");
    }
}
