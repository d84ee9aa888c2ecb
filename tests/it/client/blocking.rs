//! The blocking client: what it asks and what it makes of the answers.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use service_registry::client::{
    ClientError, Health, RefusalCode, Registration, RegistryClient, RegistryEndpoints,
};

use super::stub::Stub;
use crate::support::{DEADLINE, Embedded, Gate, Place, ScriptedBackend, ids};

fn camera() -> Registration {
    Registration::new("Camera", "localhost", 6_110).service_type("CM_CS")
}

fn service_named(name: &str) -> serde_json::Value {
    json!({"success": true, "service": {"id": name, "name": name, "host": "lab", "port": 1}})
}

/// A client that soon gives up a health check, and nothing else. By then it has arrived, where the
/// connection is there.
fn impatient_with_checks(registry: &Stub) -> RegistryClient {
    let builder = registry.builder().health_timeout(Duration::from_secs(1));
    builder.request_timeout(DEADLINE).build()
}

#[test]
fn a_service_lives_from_its_registration_to_its_deregistration() {
    let (place, _registry) = Place::start();
    let client = place.client();
    let said = camera().metadata("service_port", 6_112).tag("focal-plane").ttl(9);

    let id = client.register(&said).unwrap();
    client.start_heartbeat().unwrap();

    let found = client.discover_service("CM_CS").unwrap().unwrap();
    assert_eq!((found.id.as_str(), found.name.as_str()), (id.as_str(), "Camera"));
    assert_eq!((found.port, found.ttl, found.health), (6_110, 9, Health::Passing));
    assert_eq!(found.metadata["service_port"], 6_112);
    assert_eq!(found.tags, ["focal-plane", "CM_CS"]);
    assert_eq!(client.get_service(&id).unwrap(), Some(found.clone()));
    assert_eq!(client.list_services(Some("focal-plane")).unwrap(), [found]);
    assert_eq!(client.get_endpoint("CM_CS").unwrap().unwrap(), "tcp://localhost:6110");
    assert_eq!(client.health_check().unwrap().status, "ok");
    assert_eq!(client.server_status().unwrap().services.len(), 1);
    assert_eq!(client.service_id(), Some(id.clone()));

    assert!(client.deregister().unwrap());

    assert_eq!(client.get_service(&id).unwrap(), None);
    assert_eq!(client.service_id(), None);
    assert!(!client.deregister_service(&id).unwrap());
}

#[test]
fn nothing_found_refused_and_unreachable_are_three_different_things() {
    let (place, registry) = Place::start();
    let client = place.client();
    let id = client.register(&camera()).unwrap();

    assert_eq!(client.discover_service("PSU").unwrap(), None);
    assert_eq!(client.get_endpoint("PSU").unwrap(), None);
    assert_eq!(client.get_service("nobody").unwrap(), None);

    let refused = place.client().register(&camera()).unwrap_err();
    assert!(refused.is_refused_as(&RefusalCode::DuplicateServiceType), "{refused}");
    let refusal = refused.refusal().unwrap();
    assert_eq!(refusal.reply["existing_service_id"], id);
    assert!(refusal.message.as_ref().unwrap().contains(&id));

    registry.kill();
    let client = RegistryClient::with_endpoints(place.client_endpoints());
    let error = client.discover_service("CM_CS").unwrap_err();
    let ClientError::Unreachable { endpoint, after } = error else { panic!("{error}") };
    assert_eq!(endpoint, place.endpoints().requests);
    assert_eq!(after, Duration::from_millis(500));
}

#[test]
fn a_client_without_a_service_has_none_to_speak_for() {
    let (place, _registry) = Place::start();
    let client = place.client();

    for error in [
        client.deregister().unwrap_err(),
        client.reregister().unwrap_err(),
        client.start_heartbeat().unwrap_err(),
    ] {
        assert!(matches!(error, ClientError::NothingRegistered), "{error}");
    }
}

#[test]
fn sharing_a_type_is_one_choice() {
    let (place, _registry) = Place::start();
    place.client().register(&camera()).unwrap();

    let shares = place.client().register(&camera().singleton().allow_duplicate_service_type());
    let refuses = place.client().register(&camera().allow_duplicate_service_type().singleton());

    shares.unwrap();
    assert!(refuses.unwrap_err().is_refused_as(&RefusalCode::DuplicateServiceType));
}

#[test]
fn a_service_that_registers_again_keeps_its_id_and_its_policy() {
    let (place, _registry) = Place::start();
    place.client().register(&camera()).unwrap();
    let client = place.client();
    let id = client.register(&camera().allow_duplicate_service_type()).unwrap();
    place.client().deregister_service(&id).unwrap();

    assert_eq!(client.reregister().unwrap(), id);

    assert_eq!(client.list_services(Some("CM_CS")).unwrap().len(), 2);
}

#[test]
fn a_registration_whose_answer_was_lost_is_repeated_and_leaves_no_ghost() {
    let gate = Gate::default();
    let registry = Embedded::start(ScriptedBackend::behind(&gate));
    let endpoints = registry.endpoints();
    let endpoints =
        RegistryEndpoints::parse(&endpoints.requests, &endpoints.events, &endpoints.heartbeats);
    let client = RegistryClient::with_endpoints(endpoints.unwrap());
    gate.close();

    let lost = client.register(&camera());
    gate.open();
    let started = Instant::now();
    let id = loop {
        // On a busy machine more than one answer can be lost.
        match client.register(&camera()) {
            Err(error) if error.is_unreachable() && started.elapsed() < DEADLINE => {}
            answer => break answer.unwrap(),
        }
    };

    assert!(lost.unwrap_err().is_unreachable());
    assert_eq!(client.service_id().as_ref(), Some(&id));
    assert_eq!(ids(&registry.client().list()), [&id]);
}

#[test]
fn a_registry_ends_when_it_is_told_to() {
    let (place, registry) = Place::start();

    place.client().terminate_registry_server().unwrap();

    registry.wait().assert_code(0);
}

#[test]
fn a_reply_that_comes_too_late_is_nobodys() {
    let registry = Stub::bind();
    let client = Arc::new(impatient_with_checks(&registry));
    let ask = |names: &'static [&str]| {
        let client = Arc::clone(&client);
        let name = move |name: &&str| client.discover_service(name).unwrap().unwrap().name;
        thread::spawn(move || names.iter().map(name).collect::<Vec<String>>())
    };
    let first = ask(&["first"]);
    registry.answer(&registry.question(), &service_named("first"));
    assert_eq!(first.join().unwrap(), ["first"]);

    let late = client.health_check();
    assert!(late.unwrap_err().is_unreachable());
    let given_up = registry.question();
    let others = ask(&["second", "third"]);
    let second = registry.question();
    registry.answer(&given_up, &service_named("late"));
    registry.answer(&second, &service_named("second"));
    let third = registry.question();
    registry.answer(&third, &service_named("third"));

    assert_eq!(given_up.body["action"], "health");
    assert_eq!(others.join().unwrap(), ["second", "third"]);
}

#[test]
fn threads_that_share_a_client_do_not_wait_for_each_other() {
    let registry = Stub::bind();
    let client = Arc::new(registry.builder().request_timeout(DEADLINE).build());
    let ask = |name: &'static str| {
        let client = Arc::clone(&client);
        thread::spawn(move || client.discover_service(name).unwrap().unwrap().name)
    };

    let slow = ask("slow");
    let unanswered = registry.question();
    let quick = ask("quick");
    registry.answer(&registry.question(), &service_named("quick"));

    assert_eq!(quick.join().unwrap(), "quick");
    registry.answer(&unanswered, &service_named("slow"));
    assert_eq!(slow.join().unwrap(), "slow");
}

#[test]
fn after_a_silence_no_connection_is_trusted_any_more() {
    let registry = Stub::bind();
    let client = Arc::new(impatient_with_checks(&registry));
    let ask = || {
        let client = Arc::clone(&client);
        thread::spawn(move || client.discover_service("CM_CS"))
    };
    let askers = [ask(), ask()];
    let together = [registry.question(), registry.question()];
    together.iter().for_each(|question| registry.answer(question, &service_named("Camera")));
    for asker in askers {
        asker.join().unwrap().unwrap();
    }

    let unanswered = client.health_check();
    let asker = ask();
    let in_vain = registry.question();
    let next = registry.question();
    registry.answer(&next, &service_named("Camera"));

    assert!(unanswered.unwrap_err().is_unreachable());
    asker.join().unwrap().unwrap();
    let old = together.map(|question| question.identity);
    assert_ne!(old[0], old[1]);
    assert!(old.contains(&in_vain.identity));
    assert!(!old.contains(&next.identity));
}

#[test]
fn threads_that_share_a_client_get_their_own_answers() {
    let (place, _registry) = Place::start();
    let client = &place.client();
    let ids: Vec<String> = (0..8)
        .map(|number| {
            let registration = Registration::new("Camera", "localhost", number);
            client.register(&registration.service_id(format!("camera-{number}"))).unwrap()
        })
        .collect();

    thread::scope(|scope| {
        for id in &ids {
            scope.spawn(move || {
                for _ in 0..100 {
                    let found = client.get_service(id).unwrap();
                    assert_eq!(found.map(|service| service.id).as_ref(), Some(id));
                }
            });
        }
    });
}

#[test]
fn a_registry_without_codes_and_request_ids_is_understood() {
    let registry = Stub::bind();
    let client = registry.builder().request_timeout(DEADLINE).build();
    let asker = thread::spawn(move || {
        let nothing = client.discover_service("PSU").unwrap();
        (nothing, client.register(&camera()).unwrap_err())
    });

    let error = json!({"success": false, "error": "No healthy service of type PSU found"});
    registry.answer(&registry.question(), &error);
    let error = json!({"success": false, "error": "duplicate_service_type", "message": "Taken."});
    registry.answer(&registry.question(), &error);

    let (nothing, refused) = asker.join().unwrap();
    assert_eq!(nothing, None);
    assert!(refused.is_refused_as(&RefusalCode::DuplicateServiceType));
    assert_eq!(refused.to_string(), "the registry refused: duplicate_service_type: Taken.");
}

#[test]
fn what_is_not_a_registry_is_told_apart_and_does_no_harm() {
    let other = Stub::bind();
    let client = other.builder().request_timeout(DEADLINE).build();
    let asker = thread::spawn(move || {
        let error = client.health_check().unwrap_err();
        (error, client.health_check().unwrap())
    });

    other.answer_bytes(&other.question(), b"220 smtp.example.org");
    other.answer(&other.question(), &json!({"success": true, "status": "ok", "timestamp": 1}));

    let (error, health) = asker.join().unwrap();
    assert!(matches!(error, ClientError::NotARegistry { .. }), "{error}");
    assert_eq!(health.status, "ok");
}

#[test]
fn a_client_finds_a_registry_that_is_started_while_it_asks() {
    let (place, registry) = Place::start();
    registry.kill();
    let client = RegistryClient::builder()
        .endpoints(place.client_endpoints())
        .request_timeout(DEADLINE)
        .build();
    let asker = thread::spawn(move || client.server_status());

    let _registry = place.start_again();

    assert_eq!(asker.join().unwrap().unwrap().services, []);
}
