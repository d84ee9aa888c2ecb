//! A client whose host moves, with a registry. What needs no such host is in the integration
//! tests.

use std::sync::Arc;
use std::time::Duration;

use crate::client::heartbeat::home::tests::Moving;
use crate::client::registries::Registries;
use crate::client::{HeartbeatState, ReRegistration, Registration, RegistryEndpoints};
use crate::config::{BackendKind, Config};
use crate::server::Server;

use super::*;

const DEADLINE: Duration = Duration::from_secs(10);

fn server() -> Server {
    let config = Config {
        req_port: 0,
        pub_port: 0,
        hb_port: 0,
        backend: BackendKind::Memory,
        ..Config::default()
    };
    Server::start(config).unwrap()
}

fn client_on(host: &Arc<Moving>, server: &Server) -> RegistryClient {
    let at = server.endpoints();
    let settings = ClientSettings {
        registries: Registries::new(
            RegistryEndpoints::parse(&at.requests, &at.events, &at.heartbeats).unwrap(),
            [],
        ),
        request_timeout: DEADLINE,
        ..ClientSettings::default()
    };
    RegistryClient::on_host(settings, Arc::clone(host) as _)
}

fn camera(host: &str) -> Registration {
    Registration::new("Camera", host, 6_110).ttl(1).service_type("CM_CS").metadata("k", 1)
}

#[test]
fn a_heartbeat_registers_the_new_address_of_a_host_that_moved() {
    let server = server();
    let host = Arc::new(Moving::to("10.0.0.7"));
    let client = client_on(&host, &server);
    let id = client.register(&camera("10.0.0.7")).unwrap();
    let before = client.get_service(&id).unwrap().unwrap();
    let changes = client.heartbeat_changes();
    client.start_heartbeat().unwrap();

    host.moves_to("10.0.0.8");

    let moved = ReRegistration::Moved { from: "10.0.0.7".to_owned(), to: "10.0.0.8".to_owned() };
    let moved = HeartbeatState::ReRegistered(moved);
    while changes.recv_timeout(DEADLINE).expect("it is told that the service moved") != moved {}
    let mut after = client.get_service(&id).unwrap().unwrap();
    assert_eq!(after.host, "10.0.0.8");
    after.host = before.host.clone();
    after.last_heartbeat = before.last_heartbeat;
    assert_eq!(after, before);
}

#[test]
fn reregistering_tells_the_new_address_and_leaves_a_name_alone() {
    let server = server();
    let host = Arc::new(Moving::to("10.0.0.7"));

    for (said, known) in [("10.0.0.7", "10.0.0.8"), ("localhost", "localhost")] {
        host.moves_to("10.0.0.7");
        let client = client_on(&host, &server);
        let id = client.register(&camera(said).allow_duplicate_service_type()).unwrap();
        host.moves_to("10.0.0.8");

        assert_eq!(client.reregister().unwrap(), id);

        assert_eq!(client.get_service(&id).unwrap().unwrap().host, known);
    }
}

#[test]
fn a_service_goes_back_to_the_address_that_was_given_when_the_host_has_it_again() {
    let server = server();
    let host = Arc::new(Moving::to("10.0.0.7"));
    let client = client_on(&host, &server);
    let id = client.register(&camera("10.0.0.7")).unwrap();
    let known = || client.get_service(&id).unwrap().unwrap().host;

    let mut seen = Vec::new();
    for addresses in [&["10.0.0.8"][..], &["10.0.0.8", "10.0.0.7"], &["10.0.0.9", "10.0.0.7"]] {
        host.has(addresses);
        client.reregister().unwrap();
        seen.push(known());
    }

    assert_eq!(seen, ["10.0.0.8", "10.0.0.7", "10.0.0.7"]);
}
