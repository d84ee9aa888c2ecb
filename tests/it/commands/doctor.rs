//! `doctor`: what it finds of registries that are well, and of each that is not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::exchange::address;
use crate::support::{DEADLINE, Finished, Launch, Place, Registry, ReservedPort, accept, port_of};

mod database;

/// What the doctor found.
struct Findings {
    finished: Finished,
    reply: Value,
}

impl Findings {
    #[track_caller]
    fn of(finished: Finished) -> Self {
        let reply = serde_json::from_str(&finished.stdout)
            .unwrap_or_else(|error| panic!("{error}: {finished:?}"));
        Self { finished, reply }
    }

    /// The verdict of a check with what was found and what is to be done.
    #[track_caller]
    fn about(&self, check: &str) -> [&str; 3] {
        let findings = self.reply["findings"].as_array().unwrap();
        let finding = findings.iter().find(|finding| finding["check"] == check);
        let finding = finding.unwrap_or_else(|| panic!("{check} is not in {:#}", self.reply));
        ["verdict", "found", "remedy"].map(|key| finding[key].as_str().unwrap_or_default())
    }

    #[track_caller]
    fn assert(&self, check: &str, verdict: &str, found: &str) -> &Self {
        let [actual_verdict, actual_found, remedy] = self.about(check);
        assert_eq!(actual_verdict, verdict, "{:#}", self.reply);
        assert!(actual_found.contains(found), "{found:?} of {:#}", self.reply);
        let is_bad = matches!(verdict, "warning" | "problem");
        assert_eq!(is_bad, !remedy.is_empty(), "what is bad has a remedy: {:#}", self.reply);
        self
    }

    #[track_caller]
    fn assert_code(&self, code: i32) -> &Self {
        self.finished.assert_code(code);
        self
    }
}

#[track_caller]
fn findings(registry: &Registry) -> Findings {
    Findings::of(registry.run(&["doctor", "--json"]))
}

/// What is found at a port of this host.
#[track_caller]
fn findings_at(launch: &Launch, port: u16, arguments: &[&str]) -> Findings {
    let port = port.to_string();
    let all = ["doctor", "--json", "--req-port", &port];
    Findings::of(launch.run(&[&all, arguments].concat()))
}

#[test]
fn a_healthy_registry_has_no_problem() {
    let registry = Registry::start();
    registry.client().register("psu-1", "PSU");

    let found = findings(&registry);

    found.assert_code(0).assert("settings", "ok", "settings by default");
    found.assert("process", "ok", &format!("process {}", registry.process_id()));
    for port in ["request port", "event port", "heartbeat port"] {
        found.assert(port, "ok", "speaks ZeroMQ");
    }
    found.assert("keys", "ok", "none are asked for");
    found.assert("protocol", "ok", "is ok").assert("version", "ok", env!("CARGO_PKG_VERSION"));
    found.assert("clock", "ok", "agree").assert("own clock", "ok", "set");
    found.assert("critical services", "ok", "none of 1").assert("late heartbeats", "ok", "none");
    found.assert("database", "ok", "used by the registry alone");
    found.assert("database access", "ok", "can write");
    assert_eq!(found.reply["problems"], 0);
}

#[test]
fn people_read_a_line_for_each_check() {
    let registry = Registry::start();

    let finished = registry.run(&["doctor"]);

    let text = &finished.assert_code(0).stdout;
    assert!(text.contains("\nok       protocol "), "{text}");
    assert!(text.lines().last().unwrap().starts_with("no problems, "), "{text}");
}

#[test]
fn a_registry_that_does_not_run_is_a_problem() {
    let (place, registry) = Place::start();
    let (launch, port) = (registry.launch().clone(), port_of(&place.endpoints().requests));
    registry.stop();

    let found = findings_at(&launch, port, &[]);

    found.assert_code(1).assert("process", "problem", "nobody listens");
    found.assert("request port", "problem", "refuses");
    found.assert("database", "ok", "is sound and has 0 services");
}

#[test]
fn another_port_of_the_registry_is_told_from_its_request_port() {
    let registry = Registry::start();
    let port = port_of(&registry.endpoints().events);

    let found = findings_at(registry.launch(), port, &[]);

    found.assert_code(1).assert("request port", "ok", "speaks ZeroMQ");
    found.assert("protocol", "problem", "does not answer a request");
}

#[test]
fn a_web_server_is_no_registry() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let mut stream = accept(&listener);
        // All that comes first, so that closing it does not throw the answer away.
        let _ = stream.read(&mut [0; 64]).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });

    let found = findings_at(&Launch::new(), port, &[]);

    server.join().unwrap();
    found.assert_code(1).assert("request port", "problem", "it says \"HTTP/1.1 400 Bad Request\"");
}

#[test]
fn a_port_that_is_silent_is_a_problem() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();

    let found = findings_at(&Launch::new(), port, &[]);

    found.assert_code(1).assert("request port", "problem", "does not speak");
}

#[test]
fn a_registry_that_asks_for_keys_is_told_from_one_that_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let mut stream = accept(&listener);
        let _ = stream.read(&mut [0; 64]).unwrap();
        stream.write_all(b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE\0\0\0\0\0").unwrap();
        stream.write_all(&[0; 32]).unwrap();
    });

    let found = findings_at(&Launch::new(), port, &[]);

    server.join().unwrap();
    found.assert_code(1).assert("request port", "ok", "it asks for keys");
    found.assert("keys", "problem", "the registry asks for keys, and none are given");
}

#[test]
fn keys_that_are_of_no_use_are_told() {
    let registry = Registry::start();
    let launch = registry.launch();
    let port = port_of(&registry.endpoints().requests);
    // From the documentation of libzmq: everybody knows it.
    let server_key = "--server-key=Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

    let missing = findings_at(launch, port, &[server_key, "--key-file=missing.key"]);
    let half = findings_at(launch, port, &["--key-file=own.key"]);

    missing.assert_code(1).assert("keys", "problem", "cannot read the key file missing.key");
    half.assert_code(1).assert("keys", "problem", "keys come in pairs");
}

#[test]
fn what_is_served_over_http_is_looked_at() {
    let settings = "http: 127.0.0.1:0\n";
    let served = Launch::new().file("registry.yaml", settings).start();
    let address = address(&served).to_string();
    let port = port_of(&served.endpoints().requests);
    let told = |http: &str, name: &str| {
        let launch = served.launch().clone().file(name, format!("http: {http}\n"));
        findings_at(&launch, port, &["--config", name])
    };

    told(&address, "same.yaml").assert_code(0).assert("http", "ok", "is well");
    let nobody = ReservedPort::new();
    let elsewhere = told(&format!("127.0.0.1:{}", nobody.number()), "other.yaml");
    elsewhere.assert_code(1).assert("http", "problem", "nobody answers");
}

/// Each byte comes in time, and the answer never ends.
#[test]
fn who_drips_over_http_is_not_waited_for() {
    let registry = Registry::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = format!("http: {}\n", listener.local_addr().unwrap());
    let launch = registry.launch().clone().file("dripping.yaml", settings);
    let port = port_of(&registry.endpoints().requests);
    let dripper = thread::spawn(move || {
        let mut stream = accept(&listener);
        let started = Instant::now();
        while stream.write_all(b"x").is_ok() {
            assert!(started.elapsed() < DEADLINE, "the doctor listens for ever");
            thread::sleep(Duration::from_millis(50));
        }
    });

    let found = findings_at(&launch, port, &["--config", "dripping.yaml", "--timeout", "0.5"]);

    dripper.join().unwrap();
    found.assert_code(1).assert("http", "problem", "no whole answer came in time");
}

#[test]
fn a_registry_on_the_loopback_is_not_heard_at_other_addresses_of_its_host() {
    let registry = Registry::start();
    let port = port_of(&registry.endpoints().requests);

    // All of 127.0.0.0/8 is this host, and the registry listens at 127.0.0.1 alone.
    let found = findings_at(registry.launch(), port, &["--host", "127.0.0.2"]);

    found.assert_code(1).assert("process", "problem", "and not at 127.0.0.2");
    assert!(found.about("process")[2].contains("--bind"), "{:#}", found.reply);
}

#[test]
fn a_name_that_nobody_knows_is_a_problem() {
    let found = findings_at(&Launch::new(), 6_100, &["--host", "no-such-host.invalid"]);

    found.assert_code(1).assert("address", "problem", "no-such-host.invalid");
}

#[test]
fn a_service_that_fell_silent_is_named() {
    let registry = Registry::start();
    let client = registry.client();
    client.request(&json!({"action": "register", "service_info": {
        "name": "dead", "host": "127.0.0.1", "port": 6110, "id": "dead", "ttl": 1,
        "metadata": {"type": "DEAD"},
    }, "ttl": 1}));

    client.wait_until_critical("dead");
    let found = findings(&registry);

    found.assert_code(0).assert("critical services", "warning", "not discovered: dead");
    found.assert("ttl", "warning", "dead");
}

/// A registry whose clock stands at an hour after 1970.
#[test]
fn a_clock_that_is_years_behind_is_told() {
    let socket = zmq::Context::new().socket(zmq::ROUTER).unwrap();
    socket.set_linger(0).unwrap();
    socket.set_rcvtimeo(i32::try_from(DEADLINE.as_millis()).unwrap()).unwrap();
    socket.bind("tcp://127.0.0.1:*").unwrap();
    let port = port_of(&socket.get_last_endpoint().unwrap().unwrap());
    // Asked for itself, for its clock, and for its clock by what looks at the services.
    let stub = thread::spawn(move || {
        for _ in 0..3 {
            let mut parts = socket.recv_multipart(0).unwrap();
            let question: Value = serde_json::from_slice(&parts.pop().unwrap()).unwrap();
            let reply = json!({
                "success": true, "status": "ok", "timestamp": 3_600, "services": [],
                "request_id": question["request_id"],
            });
            let body = reply.to_string().into_bytes();
            socket.send_multipart([parts.remove(0), b"RESPONSE".to_vec(), body], 0).unwrap();
        }
    });

    let found = findings_at(&Launch::new(), port, &[]);

    stub.join().unwrap();
    found.assert_code(0).assert("clock", "warning", "behind ours");
    found.assert("version", "ok", "Python");
}

#[test]
fn a_mistake_in_the_settings_is_told_and_the_rest_is_looked_at() {
    let registry = Registry::start();
    let launch = registry.launch().clone().file("wrong.yaml", "req_prot: 6100\n");
    let port = port_of(&registry.endpoints().requests);

    let found = findings_at(&launch, port, &["--config", "wrong.yaml"]);

    found.assert_code(1).assert("settings", "problem", "req_prot");
    found.assert("protocol", "ok", "is ok");
}

/// Of several, where any command would ask the first that answers.
#[test]
fn each_of_several_registries_is_looked_at() {
    let registries = [Registry::start(), Registry::start()];
    let [first, second] = registries.each_ref().map(|it| port_of(&it.endpoints().requests));
    let hosts = format!("127.0.0.1:{first},127.0.0.1:{second},no-such-host.invalid");

    let launch = registries[0].launch().clone().variable("SERVICE_REGISTRY_HOST", &hosts);
    let found = Findings::of(launch.run(&["doctor", "--json"]));

    found.assert_code(1);
    let count = |check: &str, verdict: &str, word: &str| {
        let findings = found.reply["findings"].as_array().unwrap().iter();
        let is_it = |finding: &&Value| {
            finding["check"] == check
                && finding["verdict"] == verdict
                && finding["found"].as_str().unwrap().contains(word)
        };
        findings.filter(is_it).count()
    };
    assert_eq!(count("settings", "ok", ""), 1, "{:#}", found.reply);
    assert_eq!(count("address", "ok", "127.0.0.1"), 2);
    assert_eq!(count("address", "problem", "no-such-host.invalid"), 1);
    for (registry, port) in registries.iter().zip([first, second]) {
        assert_eq!(count("protocol", "ok", &format!("127.0.0.1:{port} is ok")), 1);
        assert_eq!(count("process", "ok", &format!("process {}", registry.process_id())), 1);
    }
}

#[test]
fn a_name_in_the_environment_that_is_none_is_told_as_such() {
    let launch = Launch::new().variable("SERVICE_REGISTRY_HOST", "lab,,other");

    let found = Findings::of(launch.run(&["doctor", "--json"]));

    found.assert_code(1).assert("address", "problem", "SERVICE_REGISTRY_HOST must be a host name");
}
