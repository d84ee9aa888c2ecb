//! Registries that answer, and are cut off from what they share with others.

use futures::future::join4;
use service_registry::client::{Change, RefusalCode, Registration};

use super::super::asynchronous::on_two_executors;
use super::super::stub::{Player, Stub, out_of_contact};
use super::{builder_for, start_registry};
use crate::support::DEADLINE;

fn cut_off(id: &'static str) -> Player {
    Stub::bind().play(move |request| out_of_contact(request, id))
}

fn device(id: &str) -> Registration {
    Registration::new("Device", "localhost", 6_110).service_type("DEVICE").service_id(id)
}

#[test]
fn a_watch_begins_with_what_one_knows_that_is_cut_off_where_the_others_are_silent() {
    for silent_first in [false, true] {
        let (known, silent) = (cut_off("a"), Stub::bind());
        let (one, other) = (known.endpoints(), silent.endpoints());
        let (first, second) = if silent_first { (other, one) } else { (one, other) };
        let client = builder_for(first, second).build();

        let watch = client.watch().expect("one of them answers");

        let told = watch.next_change(DEADLINE).expect("there is a service");
        let Change::Registered(service) = told else { panic!("{told:?}") };
        assert_eq!(service.id, "a");
    }
}

#[test]
fn a_service_that_one_knows_that_is_cut_off_is_not_waited_for() {
    let (known, silent) = (cut_off("a"), Stub::bind());
    let client = builder_for(known.endpoints(), silent.endpoints()).build();

    let service = client.wait_for_service("DEVICE", DEADLINE).unwrap();

    assert_eq!(service.map(|service| service.id).as_deref(), Some("a"));
}

#[test]
fn what_one_knows_that_is_cut_off_is_the_answer_where_the_others_are_silent() {
    on_two_executors(|| async {
        let (known, silent) = (cut_off("a"), Stub::bind());
        let client = builder_for(known.endpoints(), silent.endpoints()).build_async().unwrap();

        let listed = client.list_services(None).await.expect("one of them answers");
        let error = client.register(&device("b")).await.unwrap_err();

        assert_eq!(listed.iter().map(|service| service.id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert!(error.is_unreachable(), "a refusal tells nothing of the silent one: {error}");
        assert_eq!(client.current_registry(), known.endpoints());
    });
}

#[test]
fn where_all_are_cut_off_the_first_is_asked_first_again_over_the_same_connection() {
    on_two_executors(|| async {
        let (first, second) = (cut_off("a"), cut_off("b"));
        let client = builder_for(first.endpoints(), second.endpoints()).build_async().unwrap();

        for _ in 0..5 {
            assert_eq!(client.list_services(None).await.unwrap()[0].id, "a");
            let error = client.register(&device("c")).await.unwrap_err();
            assert!(error.is_refused_as(&RefusalCode::StorageFailed), "{error}");
        }

        assert_eq!(client.current_registry(), first.endpoints());
        assert_eq!((first.connections(), second.connections()), (1, 1));
    });
}

#[test]
fn one_that_is_cut_off_is_left_for_one_that_is_not_whatever_is_on_its_way() {
    on_two_executors(|| async {
        let (first, (second, _registry)) = (cut_off("a"), start_registry());
        let client = builder_for(first.endpoints(), second.client_endpoints());
        let client = client.build_async().unwrap();
        let kept = device("kept").allow_duplicate_service_type();
        let gone = device("gone").allow_duplicate_service_type();

        // Asked for in this order, at once.
        let asked = join4(
            client.register(&kept),
            client.register(&gone),
            client.list_services(None),
            client.deregister_service("gone"),
        )
        .await;

        assert_eq!((asked.0.unwrap(), asked.1.unwrap()), ("kept".to_owned(), "gone".to_owned()));
        assert!(asked.2.unwrap().iter().all(|service| service.id != "a"));
        assert!(asked.3.unwrap());
        assert_eq!(client.list_services(None).await.unwrap().len(), 1);
        assert_eq!(client.current_registry(), second.client_endpoints());
    });
}
