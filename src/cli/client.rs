//! The way to a registry for the commands that do more than ask once: the client library, set up
//! from the arguments, and services as the commands show them.

use std::num::NonZeroU16;

use serde_json::{Value, json};
use service_registry::client::{Endpoint, Health, RegistryClient, RegistryEndpoints, Service};

use super::PROGRAM;
use super::asking::Asking;
use super::failure::Failure;

impl Asking<'_> {
    /// A client, once the registry has told its other ports.
    pub(super) fn client(&self) -> Result<RegistryClient, Failure> {
        let requests = Endpoint::new(self.host, self.port()?);
        let keys = self.keys.load()?;
        let client = |events: &Endpoint, heartbeats: &Endpoint| {
            let endpoints = RegistryEndpoints {
                requests: requests.clone(),
                events: events.clone(),
                heartbeats: heartbeats.clone(),
            };
            let timeout = self.timeout.duration();
            let builder = RegistryClient::builder().endpoints(endpoints).client_id(PROGRAM);
            let builder = builder.request_timeout(timeout).heartbeat_timeout(timeout);
            match &keys {
                Some(keys) => builder.curve(keys.clone()).build(),
                None => builder.build(),
            }
        };
        // Where only one question is asked, the other endpoints are used for nothing.
        let status = client(&requests, &requests).server_status()?;
        let at = |port| {
            let port = NonZeroU16::new(port);
            port.map_or_else(|| requests.clone(), |port| Endpoint::new(self.host, port))
        };
        Ok(client(&at(status.pub_port), &at(status.hb_port)))
    }
}

/// A service in the form of a registry's reply.
pub(super) fn json_of(service: &Service) -> Value {
    json!({
        "id": service.id,
        "name": service.name,
        "host": service.host,
        "port": service.port,
        "metadata": service.metadata,
        "ttl": service.ttl,
        "last_heartbeat": service.last_heartbeat.unix_seconds(),
        "tags": service.tags,
        "health": health(service),
    })
}

/// The word for a service's health.
pub(super) fn health(service: &Service) -> &'static str {
    match service.health {
        Health::Passing => "passing",
        Health::Critical => "critical",
    }
}
