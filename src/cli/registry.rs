//! A running registry, as the commands ask it.

use std::collections::VecDeque;
use std::mem;

use serde_json::{Map, Value};
use service_registry::client::{Connection, ConnectionError};
use service_registry::clock::WallTime;

use super::failure::Failure;

/// The registry that is asked: the first of several that answers. One that is silent becomes the
/// last.
pub(super) struct Registry {
    asked: Connection,
    others: VecDeque<Connection>,
}

impl Registry {
    /// Asks `first`, and one of the `others` if that is silent.
    pub(super) const fn new(first: Connection, others: VecDeque<Connection>) -> Self {
        Self { asked: first, others }
    }

    /// Where it is asked.
    pub(super) fn endpoint(&self) -> &str {
        self.asked.endpoint()
    }

    /// Asks for `action` and returns the reply, unless it is a refusal.
    pub(super) fn ask(&mut self, action: &str, fields: &[(&str, &str)]) -> Result<Value, Failure> {
        let fields = [("action", action)].into_iter().chain(fields.iter().copied());
        self.send(fields.map(|(key, value)| (key.to_owned(), value.into())).collect())
    }

    /// Asks for `action` of the service `id`, which is named where there is none.
    pub(super) fn ask_about(&mut self, action: &str, id: &str) -> Result<Value, Failure> {
        self.ask(action, &[("service_id", id)]).map_err(|failure| match failure {
            Failure::Refused(reply) if reply["code"] == "service_not_found" => {
                Failure::NoSuchService { id: id.to_owned(), reply }
            }
            other => other,
        })
    }

    /// Sends `request` and returns the reply, unless it is a refusal.
    pub(super) fn send(&mut self, request: Map<String, Value>) -> Result<Value, Failure> {
        let reply = Value::Object(self.first_reply(&request)?);
        if reply["success"] == true { Ok(reply) } else { Err(Failure::Refused(reply)) }
    }

    /// The reply of the first registry that answers. What the commands send does no harm where one
    /// that is silent carries it out as well.
    fn first_reply(
        &mut self,
        request: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ConnectionError> {
        let mut silent = Vec::new();
        loop {
            match self.asked.request(request) {
                Err(ConnectionError::Unreachable { endpoint, after }) => {
                    silent.push(endpoint);
                    if silent.len() > self.others.len() {
                        let endpoint = silent.join(", ");
                        return Err(ConnectionError::Unreachable { endpoint, after });
                    }
                    self.turn_to_the_next();
                }
                outcome => return outcome,
            }
        }
    }

    fn turn_to_the_next(&mut self) {
        if let Some(next) = self.others.pop_front() {
            self.others.push_back(mem::replace(&mut self.asked, next));
        }
    }

    /// The time on the registry's clock, by which the age of its time stamps is told: the clock
    /// of this host may be another.
    pub(super) fn now(&mut self) -> Result<WallTime, Failure> {
        let reply = self.ask("health", &[])?;
        reply["timestamp"]
            .as_u64()
            .map(WallTime::from_unix_seconds)
            .ok_or_else(|| self.no_registry("its answer does not tell the time"))
    }

    /// The service in `reply`.
    pub(super) fn service<'a>(&self, reply: &'a Value) -> Result<&'a Value, Failure> {
        reply.get("service").ok_or_else(|| self.no_registry("its answer contains no service"))
    }

    /// The services in `reply`.
    pub(super) fn services<'a>(&self, reply: &'a Value) -> Result<&'a [Value], Failure> {
        reply["services"]
            .as_array()
            .map(Vec::as_slice)
            .ok_or_else(|| self.no_registry("its answer contains no list of services"))
    }

    /// The failure of a registry whose answer is none.
    pub(super) fn no_registry(&self, reason: &'static str) -> Failure {
        ConnectionError::NotARegistry { endpoint: self.endpoint().to_owned(), reason }.into()
    }
}
