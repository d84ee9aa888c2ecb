//! The clients of this crate, and the commands, with keys.

use futures::executor::block_on;
use service_registry::client::{ClientError, EventKind, HeartbeatState, Registration};

use super::Lab;
use crate::support::DEADLINE;

fn camera() -> Registration {
    Registration::new("Camera", "127.0.0.1", 6110).service_type("CAM").service_id("camera").ttl(3)
}

#[test]
fn the_blocking_client_uses_its_keys_for_requests_heartbeats_and_events() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let client = lab.builder("register", &registry).build();
    let reader = lab.builder("read", &registry).build();
    let events = reader.subscribe(&[EventKind::Register]).unwrap();
    let watch = reader.watch().unwrap();

    client.register(&camera()).unwrap();
    let changes = client.heartbeat_changes();
    client.start_heartbeat().unwrap();

    assert_eq!(events.recv_timeout(DEADLINE).unwrap().kind(), Some(EventKind::Register));
    assert_eq!(watch.next_change(DEADLINE).unwrap().service().id, "camera");
    while client.heartbeat_state() != HeartbeatState::Healthy {
        changes.recv_timeout(DEADLINE).unwrap();
    }
    assert!(reader.discover_service("CAM").unwrap().is_some());
    assert!(reader.register(&camera()).unwrap_err().refusal().is_some());
    assert!(client.deregister().unwrap());
}

#[test]
fn the_asynchronous_client_uses_its_keys_too() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let client = lab.builder("register", &registry).build_async().unwrap();

    block_on(async {
        let mut events = client.subscribe(&[EventKind::Register]).await.unwrap();
        client.register(&camera()).await.unwrap();
        client.start_heartbeat().await.unwrap();

        assert_eq!(events.next().await.unwrap().kind(), Some(EventKind::Register));
        assert!(client.discover_service("CAM").await.unwrap().is_some());
        assert!(client.deregister().await.unwrap());
    });
}

#[test]
fn a_client_with_the_wrong_keys_is_unreachable_to_itself() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let patience = std::time::Duration::from_millis(300);
    let client = lab.builder("stranger", &registry).request_timeout(patience).build();

    assert!(client.list_services(None).unwrap_err().is_unreachable());
    assert!(matches!(client.subscribe(&[]), Err(ClientError::Unreachable { .. })));
}

#[test]
fn every_command_that_asks_takes_keys() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let run = |arguments: &[&str], name: &str| {
        let flags = lab.flags(name);
        let [command, rest @ ..] = arguments else { panic!("a command") };
        registry.begin(command, &[&[flags[0].as_str(), &flags[1]], rest].concat()).wait()
    };
    let service = ["register", "--name=dev", "--port=1", "--id=dev", "--type=DEV"];

    run(&service, "read").assert_code(1);
    run(&service, "register").assert_code(0);
    for arguments in [
        &["health"] as &[&str],
        &["status"],
        &["list-services"],
        &["get", "dev"],
        &["discover", "DEV"],
        &["wait", "DEV"],
    ] {
        run(arguments, "read").assert_code(0);
    }
    let ran = ["run", "--name=a", "--port=2", "--", "true"];
    run(&ran, "register").assert_code(0);
    let bench = ["bench", "--allow-foreign", "--seconds=0.2", "--actions=register,heartbeat"];
    run(&bench, "register").assert_code(0);
    run(&["deregister", "dev"], "register").assert_code(0);
    run(&["backup", "copy.db"], "register").assert_code(1);
    run(&["backup", "copy.db"], "admin").assert_code(0);
    run(&["stop"], "register").assert_code(1);
    run(&["health", "--timeout=0.3"], "stranger").assert_code(3);
    registry.run(&["health", "--timeout=0.3"]).assert_code(3);
    run(&["stop"], "admin").assert_code(0);
    registry.wait().assert_code(0);
}

#[test]
fn the_environment_gives_keys_to_every_command() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let launch = lab
        .launch
        .clone()
        .variable("SERVICE_REGISTRY_SERVER_KEY", &lab.server.to_string())
        .variable("SERVICE_REGISTRY_KEY_FILE", "read");
    let port = crate::support::port_of(&registry.endpoints().requests).to_string();

    launch.run(&["health", "--req-port", &port]).assert_code(0);

    let flag = ["stop", "--req-port", &port, "--key-file", "admin"];
    launch.run(&flag).assert_code(0);
    registry.wait().assert_code(0);
}

#[test]
fn the_doctor_says_whose_keys_are_wrong() {
    let Some(lab) = Lab::new() else { return };
    let registry = lab.launch.start();
    let examine = |name: &str| {
        let flags = lab.flags(name);
        let finished = registry.run(&["doctor", flags[0].as_str(), &flags[1], "--timeout=3"]);
        finished.stdout.lines().filter(|line| line.contains(" key")).collect::<String>()
    };

    let [admin, stranger] = ["admin", "stranger"].map(examine);
    let without = registry.run(&["doctor", "--timeout=3"]).stdout;

    assert!(admin.contains("with the right to admin"), "{admin}");
    assert!(admin.contains(&format!("public key is {}; it lets in 3 keys", lab.server)), "{admin}");
    assert!(stranger.contains("not among the clients of `curve`"), "{stranger}");
    assert!(without.contains("asks for keys, and none are given"), "{without}");
}
