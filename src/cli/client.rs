//! The way to a registry for the commands that do more than ask once: the client library, set up
//! from the arguments, and services as the commands show them.

use serde_json::{Value, json};
use service_registry::client::{CurveKeys, Health, RegistryClient, RegistryEndpoints, Service};

use super::PROGRAM;
use super::asking::Asking;
use super::failure::Failure;
use super::hosts::Asked;

impl Asking<'_> {
    /// A client, once a registry has told its other ports. That one is asked first from then on.
    pub(super) fn client(&self) -> Result<RegistryClient, Failure> {
        let (first, others) = self.asked()?;
        let mut all: Vec<Asked> = [first].into_iter().chain(others).collect();
        let keys = self.keys.load()?;
        // Where only one question is asked, the other endpoints are used for nothing.
        let only_requests = |asked: &Asked| {
            let requests = asked.endpoint();
            let (events, heartbeats) = (requests.clone(), requests.clone());
            RegistryEndpoints { requests, events, heartbeats }
        };
        let client = self.client_at(all.iter().map(only_requests), keys.as_ref());
        let status = client.server_status()?;
        let answered = client.current_registry().requests;
        let at = all.iter().position(|asked| asked.endpoint() == answered).unwrap_or_default();
        all.rotate_left(at);
        let like = all[0].clone();
        let endpoints = |asked: &Asked| {
            let requests = asked.endpoint();
            let at = |port| asked.endpoint_like(&like, port).unwrap_or_else(|| requests.clone());
            let (events, heartbeats) = (at(status.pub_port), at(status.hb_port));
            RegistryEndpoints { requests: requests.clone(), events, heartbeats }
        };
        Ok(self.client_at(all.iter().map(endpoints), keys.as_ref()))
    }

    /// A client that gives each registry its time.
    fn client_at(
        &self,
        mut registries: impl ExactSizeIterator<Item = RegistryEndpoints>,
        keys: Option<&CurveKeys>,
    ) -> RegistryClient {
        let timeout = self.timeout.duration();
        let all = u32::try_from(registries.len()).unwrap_or(u32::MAX);
        let builder = RegistryClient::builder().client_id(PROGRAM);
        let mut builder =
            builder.request_timeout(timeout.saturating_mul(all)).heartbeat_timeout(timeout);
        if let Some(first) = registries.next() {
            builder = builder.endpoints(first);
        }
        builder = registries.fold(builder, |builder, fallback| builder.fallback(fallback));
        match keys {
            Some(keys) => builder.curve(keys.clone()).build(),
            None => builder.build(),
        }
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
