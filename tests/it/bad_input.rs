//! What the registry cannot understand it answers, saying what is wrong and what is allowed;
//! nothing is stored, nothing is published, and the next request works.

use serde_json::{Value, json};

use crate::support::{Client, Registry, Subscriber, assert_refused, assert_success};

mod bombs;
mod fields;
mod heartbeats;
mod messages;
mod random;

/// A registry that holds one service, and must hold just that after whatever it is told.
struct Unharmed {
    registry: Registry,
    client: Client,
    subscriber: Subscriber,
    before: Value,
}

impl Unharmed {
    fn start() -> Self {
        let registry = Registry::start();
        let client = registry.client();
        let mut subscriber = registry.subscriber();
        client.register("keeper", "KEPT");
        subscriber.all_until_now();
        let before = client.list();
        Self { registry, client, subscriber, before }
    }

    /// Asks, and expects a refusal whose error names every one of `words`.
    #[track_caller]
    fn assert_refuses(&self, request: &Value, code: &str, words: &[&str]) {
        let reply = self.client.request(request);
        assert_refused(&reply, code, words);
        self.assert_next_request_works();
    }

    #[track_caller]
    fn assert_next_request_works(&self) {
        let reply = self.client.get("keeper");
        assert_success(&reply);
        assert_eq!(reply["service"]["id"], "keeper");
    }

    /// Nothing was stored, changed or published meanwhile.
    #[track_caller]
    fn assert_unharmed(mut self) {
        assert_eq!(self.client.list(), self.before);
        let events = self.subscriber.all_until_now();
        assert!(events.is_empty(), "{events:?}");
        self.assert_stored_as_listed();
    }

    /// The database holds what the registry lists, as its next start shows.
    #[track_caller]
    fn assert_stored_as_listed(self) {
        let listed = without_times(self.client.list());
        let launch = self.registry.launch().clone();
        self.registry.stop();

        let restarted = launch.start();

        assert_eq!(without_times(restarted.client().list()), listed);
    }
}

/// The services in an answer to `list`, as they were registered. When they were heard is another
/// matter: a registration is stored a moment before it is acknowledged.
fn without_times(mut list: Value) -> Value {
    let mut services = list["services"].take();
    for service in services.as_array_mut().unwrap() {
        let service = service.as_object_mut().unwrap();
        service.remove("last_heartbeat");
        service.remove("health");
    }
    services
}

/// A registration that would work, but for `change`.
fn registration_with(change: impl FnOnce(&mut Value)) -> Value {
    let mut request = json!({
        "action": "register",
        "ttl": 30,
        "service_info": {"name": "new", "host": "127.0.0.1", "port": 6110, "id": "new"},
    });
    change(&mut request);
    request
}
