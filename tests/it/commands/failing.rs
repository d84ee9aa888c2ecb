//! Commands that do not get what they ask for: 1 refused or not found, 2 wrong usage, 3 not
//! reachable.

use std::net::TcpListener;

use serde_json::Value;

use crate::client::stub::{Stub, out_of_contact};
use crate::support::{Launch, Registry, port_of};

/// A port on which somebody listens and never says a word.
struct SilentPort {
    listener: TcpListener,
}

impl SilentPort {
    fn open() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    fn number(&self) -> String {
        self.listener.local_addr().unwrap().port().to_string()
    }
}

const ASKING: [&[&str]; 10] = [
    &["stop"],
    &["status"],
    &["health"],
    &["list-services"],
    &["get", "dev"],
    &["discover", "DEV"],
    &["deregister", "dev"],
    &["deregister", "--service-type", "DEV"],
    &["backup", "backup.db"],
    &["bench"],
];

#[test]
fn what_is_not_found_is_told_with_exit_code_1() {
    let registry = Registry::start();

    for (arguments, word) in [
        (&["get", "nobody"] as &[&str], "not found: nobody"),
        (&["discover", "NOTHING"], "NOTHING"),
        (&["deregister", "nobody"], "deregistered: nobody"),
        (&["deregister", "--service-type", "NOTHING"], "NOTHING"),
    ] {
        let finished = registry.run(arguments);

        finished.assert_code(1);
        assert_eq!(finished.stdout, "", "{arguments:?}");
        assert!(finished.stderr.contains(word), "{arguments:?}: {:?}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1, "{:?}", finished.stderr);
    }
}

#[test]
fn what_is_not_found_is_json_for_scripts() {
    let registry = Registry::start();

    for (arguments, code) in [
        (&["get", "nobody"] as &[&str], "service_not_found"),
        (&["discover", "NOTHING"], "no_healthy_service"),
        (&["deregister", "nobody"], "service_not_found"),
    ] {
        let finished = registry.run(&[arguments, &["--json"]].concat());

        finished.assert_code(1);
        let reply: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(reply["success"], false);
        assert_eq!(reply["code"], code);
    }
}

#[test]
fn a_registry_that_is_not_reachable_is_told_with_its_endpoint_and_exit_code_3() {
    let port = SilentPort::open();
    let launch = Launch::new();

    for command in ASKING {
        let port = port.number();
        let asking = [command, &["--req-port", &port, "--timeout", "0.2"]].concat();

        let finished = launch.run(&asking);

        finished.assert_code(3);
        assert_eq!(finished.stdout, "", "{asking:?}");
        let endpoint = format!(":{port}");
        for word in ["tcp://", endpoint.as_str(), "check"] {
            assert!(finished.stderr.contains(word), "{asking:?}: {:?}", finished.stderr);
        }
    }
}

#[test]
fn a_registry_that_is_not_reachable_is_json_for_scripts() {
    let port = SilentPort::open();

    let finished = Launch::new().run(&[
        "health",
        "--json",
        "--timeout",
        "0.2",
        "--host",
        "127.0.0.1",
        "--req-port",
        &port.number(),
    ]);

    finished.assert_code(3);
    let reply: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(reply["success"], false);
    assert_eq!(reply["code"], "not_reachable");
    let error = reply["error"].as_str().unwrap();
    assert!(error.contains(&format!("tcp://127.0.0.1:{}", port.number())), "{error}");
}

#[test]
fn wrong_usage_is_told_with_exit_code_2() {
    let launch = Launch::new();

    for arguments in [
        &[] as &[&str],
        &["nonsense"],
        &["--nonsense"],
        &["start", "--nonsense"],
        &["start", "--req-port"],
        &["start", "superfluous"],
        &["start", "--enforce-unique-service-types", "--no-enforce-unique-service-types"],
        &["get"],
        &["discover"],
        &["backup"],
        &["check"],
        &["deregister"],
        &["deregister", "dev", "--service-type", "DEV"],
        &["status", "--req-port", "0"],
        &["status", "--req-port", "many"],
        &["status", "--timeout", "0"],
        &["status", "--timeout", "soon"],
        &["status", "--config", "nowhere.yaml"],
    ] {
        let finished = launch.run(arguments);

        finished.assert_code(2);
        assert_eq!(finished.stdout, "", "{arguments:?}");
        assert!(!finished.stderr.is_empty(), "{arguments:?} is told what is wrong");
    }
}

#[test]
fn a_mistake_in_the_file_is_named_with_its_place() {
    let launch = Launch::new().file("registry.yaml", "req_prot: 6100\n");

    let finished = launch.run(&["status", "--timeout", "0.2"]);

    finished.assert_code(2);
    assert!(finished.stderr.contains("registry.yaml:1"), "{:?}", finished.stderr);
    assert!(finished.stderr.contains("req_prot"), "{:?}", finished.stderr);
    // With the port there is nothing to look up.
    assert!(finished.stderr.contains("--req-port"), "{:?}", finished.stderr);
    launch.run(&["status", "--timeout", "0.2", "--req-port", "1"]).assert_code(3);
}

#[test]
fn a_registry_that_is_cut_off_from_the_others_is_not_well() {
    let player = Stub::bind().play(|request| out_of_contact(request, "a"));
    let port = port_of(player.endpoints().requests.as_str()).to_string();
    let (launch, asking) = (Launch::new(), ["health", "--host", "127.0.0.1", "--req-port", &port]);

    let told = launch.run(&asking);
    let json = launch.run(&[&asking[..], &["--json"]].concat());

    told.assert_code(1);
    assert!(told.complaint().contains("out of contact"), "{told:?}");
    let reply: Value = serde_json::from_str(&json.assert_code(1).stdout).unwrap();
    assert_eq!((&reply["status"], &reply["in_contact"]), (&"ok".into(), &false.into()));
}
