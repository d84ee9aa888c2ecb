//! Commands that get what they ask for.

use serde_json::{Value, json};

use crate::support::{Endpoints, Finished, Launch, Place, Registry, assert_success, ids};

/// A registry with two services.
fn lab() -> Registry {
    let registry = Launch::new().switch("--allow-duplicate-service-types").start();
    let client = registry.client();
    assert_success(&client.request(&json!({
        "action": "register",
        "ttl": 3_600,
        "service_info": {
            "name": "Power Supply", "host": "10.0.0.7", "port": 6110, "id": "psu-1",
            "type": "PSU", "metadata": {"volts": 24.50, "amps": 2}, "tags": ["lab"],
        },
    })));
    client.register("cam-1", "CAMERA");
    registry
}

/// What the command prints for people.
#[track_caller]
fn text(registry: &Registry, arguments: &[&str]) -> String {
    let finished = registry.run(arguments);
    finished.assert_code(0);
    assert_eq!(finished.stderr, "");
    finished.stdout
}

/// What the command prints for scripts.
#[track_caller]
fn json(registry: &Registry, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    json_of(registry.run(&arguments).assert_code(0))
}

#[track_caller]
fn json_of(finished: &Finished) -> Value {
    assert_eq!(finished.stderr, "");
    serde_json::from_str(&finished.stdout).expect("standard output is one JSON value")
}

#[track_caller]
fn assert_tells(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

#[test]
fn status_tells_ports_rules_and_services() {
    let registry = lab();

    let told = text(&registry, &["status"]);
    let reply = json(&registry, &["status"]);

    let info = registry.client().info();
    for key in ["req_port", "pub_port", "hb_port"] {
        assert_tells(&told, &[&info[key].to_string()]);
        assert_eq!(reply[key], info[key]);
    }
    assert_tells(&told, &["psu-1", "cam-1", "passing", "2"]);
    assert_eq!(ids(&reply), ["psu-1", "cam-1"]);
    assert_eq!(reply["enforce_unique_service_types"], false);
}

#[test]
fn health_tells_that_the_registry_is_well() {
    let registry = lab();

    let told = text(&registry, &["health", "--host", "127.0.0.1"]);

    assert_tells(&told, &[&registry.endpoints().requests, "well"]);
    assert_eq!(json(&registry, &["health"])["status"], "ok");
}

#[test]
fn list_services_is_a_table_with_ages() {
    let registry = lab();

    let told = text(&registry, &["list-services"]);

    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert_tells(lines[1], &["psu-1", "PSU", "Power Supply", "10.0.0.7:6110", "passing", "s ago"]);
    assert_tells(lines[2], &["cam-1", "CAMERA", "127.0.0.1:6110"]);
    let columns = ["HEALTH", "passing", "passing"];
    let places: Vec<_> = lines.iter().zip(columns).map(|(line, word)| line.find(word)).collect();
    assert!(places.iter().all(|place| *place == places[0] && place.is_some()), "{told}");
}

#[test]
fn list_services_can_be_asked_for_one_type() {
    let registry = lab();

    let told = text(&registry, &["list-services", "--service-type", "CAMERA"]);
    let reply = json(&registry, &["list-services", "--service-type=CAMERA"]);
    let none = text(&registry, &["list-services", "--service-type", "OVEN"]);

    assert_tells(&told, &["cam-1"]);
    assert!(!told.contains("psu-1"), "{told}");
    assert_eq!(ids(&reply), ["cam-1"]);
    assert!(!none.contains("cam-1"), "{none}");
    assert!(!none.trim().is_empty(), "an empty list says so");
}

#[test]
fn get_shows_one_service_as_it_is_stored() {
    let registry = lab();

    let told = text(&registry, &["get", "psu-1"]);
    let reply = json(&registry, &["get", "psu-1"]);

    assert_tells(&told, &["psu-1", "Power Supply", "10.0.0.7:6110", "lab", "volts", "3600"]);
    let stored = registry.client().get("psu-1");
    assert_eq!(reply["service"].to_string(), stored["service"].to_string());
}

#[test]
fn discover_shows_a_service_of_the_type() {
    let registry = lab();

    assert_tells(&text(&registry, &["discover", "CAMERA"]), &["cam-1", "127.0.0.1:6110"]);
    assert_eq!(json(&registry, &["discover", "CAMERA"])["service"]["id"], "cam-1");
}

#[test]
fn deregister_takes_out_one_service_by_its_id() {
    let registry = lab();
    let subscriber = registry.subscriber();

    assert_tells(&text(&registry, &["deregister", "cam-1"]), &["cam-1"]);

    assert_eq!(subscriber.next().about(), ("deregister", "cam-1"));
    assert_eq!(ids(&registry.client().list()), ["psu-1"]);
    assert_eq!(json(&registry, &["deregister", "psu-1"])["success"], true);
    assert_eq!(registry.client().list()["services"], json!([]));
}

#[test]
fn deregister_takes_out_all_services_of_a_type() {
    let registry = lab();
    registry.client().register("cam-2", "CAMERA");

    let told = text(&registry, &["deregister", "--service-type", "CAMERA"]);

    assert_tells(&told, &["cam-1", "cam-2"]);
    assert_eq!(ids(&registry.client().list()), ["psu-1"]);
    let reply = json(&registry, &["deregister", "--service-type", "PSU"]);
    assert_eq!(reply["success"], true);
    assert_tells(&reply.to_string(), &["psu-1"]);
    assert_eq!(registry.client().list()["services"], json!([]));
}

#[test]
fn stop_ends_the_registry_in_good_order() {
    for arguments in [&["stop"] as &[&str], &["stop", "--json"]] {
        let registry = lab();

        registry.run(arguments).assert_code(0);

        registry.wait().assert_code(0);
    }
}

#[test]
fn the_port_is_taken_from_the_file_beside_the_command() {
    let registry = lab();
    let port = crate::support::port_of(&registry.endpoints().requests);
    let folder = Launch::new().file("registry.yaml", format!("req_port: {port}\n"));
    let elsewhere = Launch::new().file("lab.yaml", format!("req_port: {port}\n"));

    folder.run(&["get", "psu-1"]).assert_code(0);
    elsewhere.run(&["get", "psu-1", "--config", "lab.yaml"]).assert_code(0);
    elsewhere.clone().config_variable("lab.yaml").run(&["get", "psu-1"]).assert_code(0);
}

#[test]
fn the_registry_is_asked_at_the_host_that_is_named() {
    let registry = Launch::new().flag("--bind", "127.0.0.2").start();

    registry.run(&["health", "--host", "127.0.0.2"]).assert_code(0);
    registry.run(&["health", "--timeout", "0.3"]).assert_code(3);
}

#[test]
fn of_several_registries_the_first_that_answers_is_asked() {
    let ((place, gone), registry) = (Place::start(), lab());
    let at = |endpoints: &Endpoints| endpoints.requests.replace("tcp://", "");
    let hosts = format!("{},{}", at(place.endpoints()), at(registry.endpoints()));
    let neither = format!("{},127.0.0.1:1", at(place.endpoints()));
    gone.kill();
    let launch = registry.launch();
    // Half of it for the one that is gone.
    let patiently = ["--timeout", "6"];
    let quickly = ["--timeout", "0.5"];

    launch.run(&[&["get", "psu-1", "--host", &hosts], &patiently[..]].concat()).assert_code(0);
    let wait = ["wait", "PSU", "--host", &hosts, "--timeout", "20"];
    launch.run(&wait).assert_code(0);
    let variable = launch.clone().variable("SERVICE_REGISTRY_HOST", &hosts);
    variable.run(&[&["list-services"], &patiently[..]].concat()).assert_code(0);
    let run = ["run", "--registry", &hosts, "--name", "n", "--port", "1", "--", "true"];
    launch.run(&run).assert_code(0);

    let unreachable = launch.run(&[&["health", "--host", &neither], &quickly[..]].concat());
    unreachable.assert_code(3);
    assert!(unreachable.stderr.contains("127.0.0.1:1 within 0.5 s"), "{unreachable:?}");
}

#[test]
fn a_command_that_is_about_one_registry_takes_no_other_in_its_place() {
    let registry = Registry::start();
    let hosts = format!("127.0.0.1:1,{}", registry.endpoints().requests.replace("tcp://", ""));

    for command in [&["stop"] as &[&str], &["backup", "/no/where"], &["bench"]] {
        let finished = registry.launch().run(&[command, &["--host", &hosts]].concat());
        assert_ne!(finished.code(), Some(0), "{command:?}");
        let told = format!("{}{}", finished.stdout, finished.stderr);
        assert!(told.contains("one registry"), "{told}");
    }
    registry.run(&["health"]).assert_code(0);
}

#[test]
fn what_a_service_says_of_itself_cannot_move_the_cursor() {
    let registry = Registry::start();
    registry.client().register("dev\u{1b}[2J\n\u{9b}31m", "DEV");

    for arguments in [&["list-services"] as &[&str], &["status"], &["list-services", "--json"]] {
        let finished = registry.run(arguments);
        finished.assert_code(0);
        let printed = finished.stdout.trim_end_matches('\n').replace('\n', "");
        assert!(!printed.chars().any(char::is_control), "{printed:?}");
    }
}

#[test]
fn version_tells_the_version() {
    let finished = Launch::new().run(&["--version"]);

    finished.assert_code(0);
    assert_eq!(finished.stdout, format!("service-registry {}\n", env!("SERVICE_REGISTRY_VERSION")));
    assert!(finished.stdout.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_names_every_command() {
    let finished = Launch::new().run(&["--help"]);

    finished.assert_code(0);
    for command in [
        "start",
        "stop",
        "status",
        "health",
        "list-services",
        "get",
        "discover",
        "deregister",
        "backup",
        "check",
        "bench",
    ] {
        assert_tells(&finished.stdout, &[command]);
    }
}
