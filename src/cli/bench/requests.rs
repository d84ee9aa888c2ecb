//! The bodies of requests, made once and changed only in their numbers. Pure.
//!
//! The load must not cost more than the registry that it is to measure, so nothing is formatted
//! while it runs: a body is bytes with holes of a fixed width for the number of a service, and for
//! the port that it registers.
//!
//! Each registration has another port than the one before, as that of a service which was started
//! again. SQLite writes nothing where a row stays as it was, and so there would be nothing to
//! measure.

use std::ops::Range;

use serde_json::{Value, json};

use super::action::Action;

/// What the ids of all services begin with that a load registers.
pub(super) const ID_PREFIX: &str = "bench-";

/// How many digits a service's number has, leading zeros among them.
const DIGITS: usize = 7;

/// The most services that can be told apart.
pub(super) const SERVICES_MAX: u32 = 9_999_999;

/// What stands for the number until it is known. It occurs in no other place of a body.
const HOLE: &str = "#######";

/// What stands for the port until it is known, and what it has before it.
const PORT_HOLE: u32 = 59_999;
const PORT_KEY: &str = "\"port\":";

const PORT_DIGITS: usize = 5;

/// The ports that services register, one after the other.
const PORTS: Range<u32> = 40_000..60_000;

/// One request's body, for any service.
#[derive(Debug, Clone)]
pub(super) struct Template {
    body: Vec<u8>,
    numbers: Vec<usize>,
    port: Option<usize>,
    next_port: u32,
}

/// The bodies that one run sends.
#[derive(Debug)]
pub(super) struct Requests {
    register: Template,
    register_passing: Template,
    deregister: Template,
    deregister_passing: Template,
    renew: Template,
    get: Template,
    discover: Template,
    list: Template,
    health: Template,
    info: Template,
    heartbeat: Template,
}

impl Requests {
    /// The bodies of the run `run`, whose services live for `ttl` seconds.
    pub(super) fn new(run: &str, ttl: u64) -> Self {
        let lasting = Names::new(run, "");
        let passing = Names::new(run, "x-");
        let about_one = |action, names: &Names| {
            Template::new(&json!({"action": action, "service_id": names.id}))
        };
        let about_all = |action| Template::new(&json!({"action": action}));
        Self {
            register: Template::new(&lasting.registration(ttl)),
            register_passing: Template::new(&passing.registration(ttl)),
            deregister: about_one("deregister", &lasting),
            deregister_passing: about_one("deregister", &passing),
            renew: about_one("renew", &lasting),
            get: about_one("get", &lasting),
            discover: Template::new(
                &json!({"action": "discover", "service_type": lasting.service_type}),
            ),
            list: about_all("list"),
            health: about_all("health"),
            info: about_all("info"),
            heartbeat: about_one("renew", &lasting),
        }
    }

    /// The body that asks for `action` about the service of this number.
    pub(super) fn body(&mut self, action: Action, number: u32) -> &[u8] {
        let template = match action {
            Action::Register => &mut self.register,
            Action::Deregister => &mut self.deregister,
            Action::Renew => &mut self.renew,
            Action::Get => &mut self.get,
            Action::Discover => &mut self.discover,
            Action::List => &mut self.list,
            Action::Health => &mut self.health,
            Action::Info => &mut self.info,
            Action::Heartbeat => &mut self.heartbeat,
        };
        template.about(number)
    }

    /// The body that registers a service which is there only to be deregistered.
    pub(super) fn register_passing(&mut self, number: u32) -> &[u8] {
        self.register_passing.about(number)
    }

    /// The body that deregisters such a service.
    pub(super) fn deregister_passing(&mut self, number: u32) -> &[u8] {
        self.deregister_passing.about(number)
    }
}

impl Template {
    fn new(body: &Value) -> Self {
        let text = body.to_string();
        let numbers = text.match_indices(HOLE).map(|(at, _)| at).collect();
        let port = text.find(&format!("{PORT_KEY}{PORT_HOLE}")).map(|at| at + PORT_KEY.len());
        Self { body: text.into_bytes(), numbers, port, next_port: PORTS.start }
    }

    fn about(&mut self, number: u32) -> &[u8] {
        for at in &self.numbers {
            write_digits(&mut self.body[*at..at + DIGITS], number);
        }
        if let Some(at) = self.port {
            write_digits(&mut self.body[at..at + PORT_DIGITS], self.next_port);
            self.next_port += 1;
            if self.next_port == PORTS.end {
                self.next_port = PORTS.start;
            }
        }
        &self.body
    }
}

/// How the services of a run are called.
struct Names {
    id: String,
    service_type: String,
}

impl Names {
    fn new(run: &str, kind: &str) -> Self {
        let id = format!("{ID_PREFIX}{run}-{kind}{HOLE}");
        Self { service_type: id.to_uppercase(), id }
    }

    /// As the Python client writes it, for a service with a few facts in its metadata.
    fn registration(&self, ttl: u64) -> Value {
        json!({
            "action": "register",
            "service_info": {
                "name": format!("Bench {HOLE}"),
                "host": "127.0.0.1",
                "port": PORT_HOLE,
                "id": self.id,
                "type": self.service_type,
                "metadata": {"service_port": 40_124, "monitoring_port": 40_125},
                "tags": [self.service_type],
            },
            "ttl": ttl,
        })
    }
}

/// Fills `place` with the digits of `number`, zeros before them.
fn write_digits(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use service_registry::access::Origin;
    use service_registry::protocol::request::{Read, Renewal, Request, Write};
    use service_registry::protocol::request::{read_heartbeat, read_request};
    use service_registry::service::Registration;

    use super::*;

    fn requests() -> Requests {
        Requests::new("a1b2c3", 3_600)
    }

    fn request(action: Action, number: u32) -> Request {
        read_request(requests().body(action, number)).request.unwrap()
    }

    fn registered(body: &[u8]) -> Registration {
        match read_request(body).request.unwrap() {
            Request::Write(Write::Register(registration)) => *registration,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_registration_is_as_large_as_a_real_one() {
        let mut requests = requests();

        let body = requests.body(Action::Register, 17);

        assert!((240..=280).contains(&body.len()), "{}", body.len());
    }

    #[test]
    fn all_requests_about_a_service_name_the_same_one() {
        let registration = registered(requests().body(Action::Register, 17));

        let service_type = registration.description.service_type().unwrap().as_str().to_owned();
        let id = registration.id.unwrap();
        let service_id = id.as_str().to_owned();
        assert!(service_id.starts_with(ID_PREFIX) && service_id.ends_with("0000017"));
        assert_eq!(registration.description.ttl().seconds(), 3_600);
        let discover = Read::Discover { service_type };
        assert_eq!(request(Action::Discover, 17), Request::Read(discover));
        let get = Read::Get { service_id: service_id.clone() };
        assert_eq!(request(Action::Get, 17), Request::Read(get));
        let renewal = Renewal { service_id };
        assert_eq!(
            read_heartbeat(requests().body(Action::Heartbeat, 17)).request,
            Ok(renewal.clone())
        );
        assert_eq!(request(Action::Renew, 17), Request::Read(Read::Renew(renewal)));
        let deregister = Write::Deregister { service_id: id, from: Origin::default() };
        assert_eq!(request(Action::Deregister, 17), Request::Write(deregister));
    }

    #[test]
    fn a_service_that_registers_again_has_another_port() {
        let mut requests = requests();
        let mut port = || registered(requests.body(Action::Register, 17)).description.port();

        let ports: Vec<u16> = (0..PORTS.len() + 1).map(|_| port()).collect();

        assert!(ports.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!((ports[0], ports[PORTS.len()]), (40_000, 40_000));
        assert_eq!(ports[PORTS.len() - 1], 59_999);
    }

    #[test]
    fn passing_services_are_never_lasting_ones() {
        let passing = registered(requests().register_passing(3)).id.unwrap();

        assert_ne!(Some(&passing), registered(requests().body(Action::Register, 3)).id.as_ref());
        let deregister = read_request(requests().deregister_passing(3)).request.unwrap();
        assert_eq!(
            deregister,
            Request::Write(Write::Deregister { service_id: passing, from: Origin::default() })
        );
    }

    #[test]
    fn a_body_can_be_used_again_for_any_number() {
        let mut requests = requests();
        let mut id = |number| {
            let body = requests.body(Action::Get, number);
            let body: Value = serde_json::from_slice(body).unwrap();
            body["service_id"].as_str().unwrap().to_owned()
        };

        assert_eq!(id(SERVICES_MAX), "bench-a1b2c3-9999999");
        assert_eq!(id(0), "bench-a1b2c3-0000000");
    }
}
