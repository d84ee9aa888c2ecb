//! What there is to see, path by path. Everything is read from memory, and nothing is changed.

use std::sync::Arc;

use serde_json::json;

use crate::clock::{ListeningTime, Now};
use crate::protocol::reply;
use crate::server::doors::Doors;
use crate::server::recent_events::RecentEvents;
use crate::server::shared::SharedRegistry;
use crate::server::statistics::Statistics;

use super::cached::Cached;
use super::metrics::{self, Measured};
use super::names::Names;
use super::page::page;
use super::request::{Fault, Request};
use super::response::{Response, Status};

const PATHS: &str = "there is /, /metrics, /health, /api/services and /api/events\n";

/// Makes the answer to what an HTTP request asks for.
#[derive(Debug)]
pub(in crate::server) struct Pages {
    registry: SharedRegistry,
    doors: Doors,
    statistics: Statistics,
    events: RecentEvents,
    started: Now,
    names: Names,
    services: Cached,
    metrics: Cached,
}

impl Pages {
    pub(in crate::server) fn new(
        registry: SharedRegistry,
        doors: Doors,
        statistics: Statistics,
        events: RecentEvents,
        started: Now,
    ) -> Self {
        let (services, metrics) = (Cached::default(), Cached::default());
        let names = Names::of_this_host();
        Self { registry, doors, statistics, events, started, names, services, metrics }
    }

    /// The answer to a request, or to what is none, and whether its body is wanted.
    pub(super) fn answer(&mut self, request: Result<Request, Fault>, now: Now) -> (Response, bool) {
        let request = match request {
            Ok(request) => request,
            Err(fault) => return (refusal(fault), true),
        };
        if !request.host.as_deref().is_none_or(|host| self.names.include(host)) {
            return (refusal(Fault::Name), true);
        }
        let response = match request.path.as_str() {
            "/" => page(),
            "/metrics" => self.metrics(now),
            "/health" => self.health(now.listening),
            "/api/services" => self.services(now.listening),
            "/api/events" => self.events(&request),
            _ => Response::text(Status::NotFound, PATHS),
        };
        (response, request.wants_body)
    }

    fn metrics(&mut self, now: Now) -> Response {
        let body = self.metrics.get(now.listening, || {
            let measured = Measured {
                registry: &self.registry,
                doors: &self.doors,
                statistics: &self.statistics,
                storage: self.registry.storage(),
                started: self.started,
                now,
            };
            metrics::text(&measured).into_bytes()
        });
        let content_type = "text/plain; version=0.0.4; charset=utf-8";
        Response { content_type, body, ..Response::text(Status::Ok, "") }
    }

    fn health(&self, now: ListeningTime) -> Response {
        let (status, body) = match self.registry.storage().trouble(now) {
            None => (Status::Ok, json!({"success": true, "status": "ok"})),
            Some(trouble) => (
                Status::Unavailable,
                json!({"success": false, "status": "failing", "error": trouble.to_string()}),
            ),
        };
        Response::json(status, Arc::new(body.to_string().into_bytes()))
    }

    fn services(&mut self, now: ListeningTime) -> Response {
        let registry = &self.registry;
        let body = self.services.get(now, || {
            let (entries, sequence) = registry.list(None);
            let contact = registry.in_contact(now);
            reply::list(entries.iter().map(Arc::as_ref), &sequence, now, contact)
        });
        Response::json(Status::Ok, body)
    }

    fn events(&self, request: &Request) -> Response {
        match request.value("after").map_or(Ok(0), str::parse) {
            Ok(after) => Response::json(Status::Ok, Arc::new(self.events.body(after))),
            Err(_) => Response::text(Status::BadRequest, "after must be the number of an event\n"),
        }
    }
}

fn refusal(fault: Fault) -> Response {
    match fault {
        Fault::Malformed => Response::text(Status::BadRequest, "this is no HTTP/1.1 request\n"),
        Fault::TooLarge => {
            Response::text(Status::HeadTooLarge, "a head has at most 8 KiB and 64 headers\n")
        }
        Fault::Method => {
            let text = "nothing can be changed here; GET and HEAD show what there is\n";
            Response::text(Status::MethodNotAllowed, text)
        }
        Fault::Name => {
            let text = "ask by address, by a name without a dot, or by a name that this host has \
                in its /etc/hosts or in its own domain; any other may belong to somebody who \
                reads along\n";
            Response::text(Status::Misdirected, text)
        }
    }
}
