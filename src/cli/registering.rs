//! What `register` and `run` share: what is said of the service, and the way to the registry.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde_json::Value;
use service_registry::client::{Host, Registration, TypePolicy, address_towards};

use super::asking::Asking;
use super::failure::Failure;
use super::output;

/// Defines a command that registers a service: its own arguments, and those that say what to
/// register and where, which argh cannot share between structs.
macro_rules! registering_command {
    ($(#[$about:meta])* struct $command:ident { $($arguments:tt)* }) => {
        #[derive(argh::ArgsInfo, argh::FromArgs)]
        $(#[$about])*
        pub(super) struct $command {
            /// name of the service, for people
            #[argh(option)]
            name: String,

            /// port at which the service can be reached
            #[argh(option, from_str_fn(super::asking::port))]
            port: std::num::NonZeroU16,

            /// host name or address at which others reach the service (default: the address from
            /// which this host reaches the registry)
            #[argh(option)]
            host: Option<service_registry::client::Host>,

            /// type of the service, by which it is looked up
            #[argh(option, long = "type", from_str_fn(super::asking::service_type))]
            service_type: Option<String>,

            /// id of the service; a service that already has it is replaced (default: made from the
            /// name)
            #[argh(option)]
            id: Option<String>,

            /// time to live: how many seconds after a heartbeat the service counts as alive
            /// (default: 30)
            #[argh(option, default = "30", from_str_fn(super::registering::ttl))]
            ttl: u32,

            /// KEY=VALUE: further information; the value may be JSON; may be repeated
            #[argh(option)]
            metadata: Vec<super::registering::Entry>,

            /// further name by which the service is looked up; may be repeated
            #[argh(option)]
            tag: Vec<String>,

            /// refuse the registration if another living service has the type
            #[argh(switch)]
            singleton: bool,

            /// register even if another living service has the type
            #[argh(switch)]
            allow_duplicate_service_type: bool,

            /// host name or address of the registry; if several are given, separated by commas, the
            /// first that answers is asked (default: $SERVICE_REGISTRY_HOST, or localhost)
            #[argh(option)]
            registry: Option<super::hosts::Hosts>,

            /// request port of the registry (default: as in registry.yaml, or 6100)
            #[argh(option, from_str_fn(super::asking::port))]
            req_port: Option<std::num::NonZeroU16>,

            /// how many seconds to wait for each answer (default: 2)
            #[argh(option, default = "Default::default()")]
            timeout: super::asking::Timeout,

            /// the registry.yaml to read
            #[argh(option)]
            config: Option<std::path::PathBuf>,

            /// public key of the registry, if it uses keys
            #[argh(option)]
            server_key: Option<service_registry::curve::PublicKey>,

            /// file with your own keys, made by `keygen`
            #[argh(option)]
            key_file: Option<std::path::PathBuf>,

            $($arguments)*
        }

        impl $command {
            fn said(&self) -> super::registering::Said<'_> {
                super::registering::Said {
                    name: &self.name,
                    port: self.port,
                    host: self.host.as_ref(),
                    service_type: self.service_type.as_deref(),
                    id: self.id.as_deref(),
                    ttl: self.ttl,
                    metadata: &self.metadata,
                    tags: &self.tag,
                    is_singleton: self.singleton,
                    allows_duplicates: self.allow_duplicate_service_type,
                }
            }

            fn asking(&self, json: bool) -> super::asking::Asking<'_> {
                super::asking::Asking {
                    hosts: self.registry.as_ref(),
                    req_port: self.req_port,
                    timeout: self.timeout,
                    json,
                    config: self.config.as_deref(),
                    keys: super::keys::Keys {
                        server_key: self.server_key,
                        key_file: self.key_file.as_deref(),
                    },
                }
            }
        }
    };
}

pub(super) use registering_command;

/// The ttl that `text` names.
pub(super) fn ttl(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("must be a whole number of seconds, at most {}", u32::MAX))
}

/// What the arguments say of the service.
pub(super) struct Said<'a> {
    pub(super) name: &'a str,
    pub(super) port: NonZeroU16,
    pub(super) host: Option<&'a Host>,
    pub(super) service_type: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    pub(super) ttl: u32,
    pub(super) metadata: &'a [Entry],
    pub(super) tags: &'a [String],
    pub(super) is_singleton: bool,
    pub(super) allows_duplicates: bool,
}

/// One entry of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    key: String,
    value: Value,
}

impl FromStr for Entry {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
        if key.is_empty() {
            return Err("must have a key in front of the equals sign");
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        Ok(Self { key: key.to_owned(), value })
    }
}

impl Said<'_> {
    /// The registration that the arguments describe, at the registry that `asking` asks.
    pub(super) fn registration(&self, asking: &Asking<'_>) -> Result<Registration, Failure> {
        let host = match self.host {
            Some(host) => host.to_string(),
            None => own_address(asking)?,
        };
        let mut registration = Registration::new(self.name, host, self.port.get())
            .ttl(self.ttl)
            .type_policy(self.policy()?);
        if let Some(service_type) = self.service_type {
            registration = registration.service_type(service_type);
        }
        if let Some(id) = self.id {
            registration = registration.service_id(id);
        }
        for Entry { key, value } in self.metadata {
            registration = registration.metadata(key, value.clone());
        }
        Ok(self.tags.iter().fold(registration, Registration::tag))
    }

    /// Says so where nobody but this host can reach what was registered, and nobody asked for
    /// that.
    pub(super) fn warn_of_loopback(&self, registration: &Registration) {
        let address = registration.host().parse::<IpAddr>();
        if self.host.is_none() && address.is_ok_and(|address| address.is_loopback()) {
            output::complain(&format!(
                "registered at {}, where only this host can reach it; for other hosts, give an \
                 address with --host",
                registration.host()
            ));
        }
    }

    fn policy(&self) -> Result<TypePolicy, Failure> {
        match (self.is_singleton, self.allows_duplicates) {
            (false, false) => Ok(TypePolicy::ServerDecides),
            (true, false) => Ok(TypePolicy::Singleton),
            (false, true) => Ok(TypePolicy::AllowDuplicates),
            (true, true) => {
                let problem = "--singleton and --allow-duplicate-service-type exclude each other";
                Err(Failure::Usage(problem.to_owned()))
            }
        }
    }
}

/// The address from which this host reaches the registry: where the registry is, others reach it
/// there. Where there are several registries, the way to one on another host tells more than that
/// to one on this host.
fn own_address(asking: &Asking<'_>) -> Result<String, Failure> {
    let (first, others) = asking.asked()?;
    let mut own = address_towards(&first.endpoint());
    for other in others {
        if own.as_ref().is_ok_and(|address| !address.is_loopback()) {
            break;
        }
        own = address_towards(&other.endpoint()).or(own);
    }
    own.map(|address| address.to_string()).map_err(|error| {
        Failure::Usage(format!("cannot find this host's address, give it with --host: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(text: &str) -> Option<Value> {
        text.parse::<Entry>().ok().map(|Entry { key, value }| json!({ key: value }))
    }

    #[test]
    fn a_value_that_is_json_is_taken_as_json_and_any_other_as_text() {
        assert_eq!(entry("volts=24"), Some(json!({"volts": 24})));
        assert_eq!(entry("on=true"), Some(json!({"on": true})));
        assert_eq!(entry(r#"axes=["x", "y"]"#), Some(json!({"axes": ["x", "y"]})));
        assert_eq!(entry("place=lab 7"), Some(json!({"place": "lab 7"})));
        assert_eq!(entry("formula=a=b"), Some(json!({"formula": "a=b"})));
        assert_eq!(entry("empty="), Some(json!({"empty": ""})));
    }

    #[test]
    fn an_entry_has_a_key_and_a_value() {
        assert_eq!(entry("volts"), None);
        assert_eq!(entry("=24"), None);
    }
}
