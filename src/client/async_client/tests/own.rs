//! Calls about a client's own service that overlap, and whose answers come in any order.

use std::pin::{Pin, pin};
use std::time::Instant;

use futures::executor::block_on;
use serde_json::{Value, json};

use crate::client::{
    AsyncRegistryClient, ClientError, HeartbeatState, Registration, RegistryEndpoints,
};

use super::super::super::registries::Registries;
use super::super::super::settings::ClientSettings;
use super::{Asked, LONG, Stub, is_pending};

/// A registry and a client that knows that it may be asked many things at once.
struct Lab {
    stub: Stub,
    heartbeats: zmq::Socket,
    client: AsyncRegistryClient,
}

impl Lab {
    fn new() -> Self {
        let stub = Stub::start();
        let heartbeats = zmq::Context::new().socket(zmq::ROUTER).unwrap();
        heartbeats.set_rcvtimeo(LONG.as_millis() as i32).unwrap();
        heartbeats.set_linger(0).unwrap();
        heartbeats.bind("tcp://127.0.0.1:*").unwrap();
        let at = heartbeats.get_last_endpoint().unwrap().unwrap();
        let endpoints = RegistryEndpoints::parse(&stub.endpoint, &at, &at).unwrap();
        let registries = Registries::new(endpoints, []);
        let settings =
            ClientSettings { registries, request_timeout: LONG, ..ClientSettings::default() };
        let client = AsyncRegistryClient::with_settings(settings).unwrap();
        let lab = Self { stub, heartbeats, client };
        lab.settle();
        lab
    }

    /// With a service called `old`, with or without heartbeats.
    fn with_service(has_heartbeats: bool) -> Self {
        let lab = Self::new();
        lab.register_at_once("old");
        if has_heartbeats {
            block_on(lab.client.start_heartbeat()).unwrap();
            assert_eq!(lab.next_heartbeat().service_id, "old");
        }
        lab
    }

    #[track_caller]
    fn register_at_once(&self, id: &str) {
        let registration = service(id);
        let mut registering = pin!(self.client.register(&registration));
        assert!(is_pending(registering.as_mut()));
        self.answer(&self.asked("register"), id);
        block_on(registering).unwrap();
    }

    /// The next request, which is `action`.
    #[track_caller]
    fn asked(&self, action: &str) -> Asked {
        let asked = self.stub.receive();
        assert_eq!(asked.request["action"], action, "{}", asked.request);
        asked
    }

    /// Answers that something was done to a service.
    fn answer(&self, asked: &Asked, service_id: &str) {
        let number = &asked.request["request_id"];
        let reply = json!({"success": true, "service_id": service_id, "request_id": number});
        self.stub.send(asked, &reply.to_string());
    }

    /// Waits until the client has all answers that were sent.
    #[track_caller]
    fn settle(&self) {
        let mut last = pin!(self.client.get_service("last"));
        assert!(is_pending(last.as_mut()));
        self.stub.reply(&self.asked("get"));
        assert!(block_on(last).unwrap().is_some());
    }

    /// As [`Self::settle`]; then lets `future` go on, which is not at its end yet.
    #[track_caller]
    fn settle_while(&self, future: Pin<&mut impl Future>) {
        self.settle();
        assert!(is_pending(future));
    }

    #[track_caller]
    fn next_heartbeat(&self) -> AskedByHeartbeat {
        let mut frames = self.heartbeats.recv_multipart(0).expect("a heartbeat comes");
        let request: Value = serde_json::from_slice(&frames[1]).unwrap();
        let service_id = request["service_id"].as_str().unwrap().to_owned();
        AskedByHeartbeat { identity: frames.swap_remove(0), service_id }
    }

    /// Waits for a heartbeat for this service, while the last ones for another may still come.
    #[track_caller]
    fn wait_for_heartbeat(&self, service_id: &str) {
        while self.next_heartbeat().service_id != service_id {}
    }

    /// Answers the next heartbeat that the service is not known.
    #[track_caller]
    fn forget_service(&self) {
        let identity = self.next_heartbeat().identity;
        let reply = json!({"success": false, "code": "service_not_found"}).to_string();
        self.heartbeats.send_multipart([&identity[..], reply.as_bytes()], 0).unwrap();
    }

    /// The registration that follows from that.
    #[track_caller]
    fn asked_by_heartbeats(&self) -> Asked {
        loop {
            let sockets = [&self.stub.socket, &self.heartbeats];
            let mut items = sockets.map(|socket| socket.as_poll_item(zmq::POLLIN));
            zmq::poll(&mut items, LONG.as_millis() as i64).unwrap();
            if items[0].is_readable() {
                return self.asked("register");
            }
            self.forget_service();
        }
    }

    #[track_caller]
    fn assert_no_heartbeats(&self) {
        assert_eq!(self.client.heartbeat_state(), HeartbeatState::Stopped);
    }
}

/// A heartbeat: under which identity it came, and for which service.
struct AskedByHeartbeat {
    identity: Vec<u8>,
    service_id: String,
}

fn service(id: &str) -> Registration {
    Registration::new("Camera", "localhost", 6_110).service_id(id).ttl(1)
}

#[test]
fn of_two_registrations_the_later_call_wins_and_the_heartbeats_go_on_for_it() {
    for answered_first in [0, 1] {
        let lab = Lab::with_service(true);
        let (a, b) = (service("a"), service("b"));
        let (mut first, mut second) =
            (pin!(lab.client.register(&a)), pin!(lab.client.register(&b)));
        assert!(is_pending(first.as_mut()) && is_pending(second.as_mut()));
        let asked = [(lab.asked("register"), "a"), (lab.asked("register"), "b")];

        for answered in [answered_first, 1 - answered_first] {
            lab.answer(&asked[answered].0, asked[answered].1);
            if answered == 0 {
                assert_eq!(block_on(first.as_mut()).unwrap(), "a");
            } else {
                assert_eq!(block_on(second.as_mut()).unwrap(), "b");
            }
        }

        assert_eq!(lab.client.service_id().as_deref(), Some("b"));
        lab.wait_for_heartbeat("b");
    }
}

#[test]
fn heartbeats_go_on_for_what_is_left_where_one_of_two_registrations_is_cancelled() {
    for cancelled_first in [true, false] {
        let lab = Lab::with_service(true);
        let (a, b) = (service("a"), service("b"));
        let mut kept = Box::pin(lab.client.register(&a));
        assert!(is_pending(kept.as_mut()));
        let mut cancelled = Box::pin(lab.client.register(&b));
        assert!(is_pending(cancelled.as_mut()));
        let asked = lab.asked("register");
        let _ = lab.asked("register");

        if cancelled_first {
            drop(cancelled);
            lab.answer(&asked, "a");
            block_on(kept).unwrap();
        } else {
            lab.answer(&asked, "a");
            block_on(kept).unwrap();
            drop(cancelled);
        }

        assert_eq!(lab.client.service_id().as_deref(), Some("a"));
        lab.wait_for_heartbeat("a");
    }
}

#[test]
fn heartbeats_go_on_while_a_registration_is_kept_and_not_polled() {
    let lab = Lab::with_service(true);
    let new = service("new");
    let mut kept = pin!(lab.client.register(&new));
    assert!(is_pending(kept.as_mut()));

    for _ in 0..3 {
        assert_eq!(lab.next_heartbeat().service_id, "old");
    }
}

#[test]
fn heartbeats_do_not_register_what_is_about_to_be_replaced_unless_that_is_cancelled() {
    let lab = Lab::with_service(true);
    let new = service("new");
    let mut replacing = Box::pin(lab.client.register(&new));
    assert!(is_pending(replacing.as_mut()));
    let _ = lab.asked("register");

    for _ in 0..3 {
        lab.forget_service();
    }
    let is_overtaken = lab.stub.has_request();
    drop(replacing);

    assert!(!is_overtaken);
    assert_eq!(lab.asked_by_heartbeats().request["service_info"]["id"], "old");
}

#[test]
fn what_heartbeats_register_is_neither_waited_for_nor_overtaken() {
    let lab = Lab::with_service(true);
    let unanswered = lab.asked_by_heartbeats();
    let started = Instant::now();

    block_on(lab.client.start_heartbeat()).unwrap();
    block_on(lab.client.stop_heartbeat());
    let mut deregistering = pin!(lab.client.deregister());
    assert!(is_pending(deregistering.as_mut()));

    assert!(started.elapsed() < LONG / 2, "it took {:?}", started.elapsed());
    // A registry answers what comes over one connection in its order.
    assert_eq!(lab.asked("deregister").identity, unanswered.identity);
}

#[test]
fn a_registration_that_was_cancelled_is_repeated_under_its_id() {
    let lab = Lab::new();
    let new = Registration::new("Camera", "localhost", 6_110);
    let mut cancelled = Box::pin(lab.client.register(&new));
    assert!(is_pending(cancelled.as_mut()));
    let asked = lab.asked("register");
    drop(cancelled);

    let mut again = pin!(lab.client.register(&new));
    assert!(is_pending(again.as_mut()));

    let asked_again = lab.asked("register");
    let id = |asked: &Asked| asked.request["service_info"]["id"].clone();
    assert!(id(&asked).is_string());
    assert_eq!(id(&asked), id(&asked_again));
}

#[test]
fn heartbeats_that_are_stopped_during_a_registration_stay_stopped() {
    let lab = Lab::with_service(true);
    let new = service("new");
    let mut registering = pin!(lab.client.register(&new));
    assert!(is_pending(registering.as_mut()));

    block_on(lab.client.stop_heartbeat());
    lab.answer(&lab.asked("register"), "new");
    block_on(registering).unwrap();

    assert_eq!(lab.client.service_id().as_deref(), Some("new"));
    lab.assert_no_heartbeats();
}

#[test]
fn heartbeats_that_are_started_during_a_registration_begin_with_it() {
    let lab = Lab::new();
    let new = service("new");
    let mut registering = pin!(lab.client.register(&new));
    assert!(is_pending(registering.as_mut()));

    block_on(lab.client.start_heartbeat()).unwrap();
    lab.assert_no_heartbeats();
    lab.answer(&lab.asked("register"), "new");
    block_on(registering).unwrap();

    lab.wait_for_heartbeat("new");
}

#[test]
fn heartbeats_that_were_wanted_for_what_never_came_do_not_begin_later() {
    let lab = Lab::new();
    let never = service("never");
    let mut cancelled = Box::pin(lab.client.register(&never));
    assert!(is_pending(cancelled.as_mut()));
    block_on(lab.client.start_heartbeat()).unwrap();
    let _ = lab.asked("register");

    drop(cancelled);
    lab.register_at_once("other");

    lab.assert_no_heartbeats();
}

#[test]
fn what_is_deregistered_while_it_is_being_registered_is_gone_in_the_end() {
    let lab = Lab::with_service(true);
    let new = Registration::new("Camera", "localhost", 6_110);
    let mut registering = pin!(lab.client.register(&new));
    assert!(is_pending(registering.as_mut()));
    let asked = lab.asked("register");

    let mut deregistering = pin!(lab.client.deregister());
    assert!(is_pending(deregistering.as_mut()));
    let ended = lab.asked("deregister");
    lab.answer(&ended, "old");
    assert!(block_on(deregistering).unwrap());
    lab.answer(&asked, "camera-1");
    lab.settle_while(registering.as_mut());
    let ended_too = lab.asked("deregister");
    lab.answer(&ended_too, "camera-1");

    assert_eq!(block_on(registering).unwrap(), "camera-1");
    assert_eq!(ended.request["service_id"], "old");
    assert_eq!(ended_too.request["service_id"], "camera-1");
    assert_eq!(lab.client.service_id(), None);
    lab.assert_no_heartbeats();
    let nothing = block_on(lab.client.start_heartbeat());
    assert!(matches!(nothing, Err(ClientError::NothingRegistered)));
}

#[test]
fn what_is_only_being_registered_is_not_known_when_it_is_deregistered() {
    let lab = Lab::new();
    let new = service("new");
    let mut registering = pin!(lab.client.register(&new));
    assert!(is_pending(registering.as_mut()));
    let asked = lab.asked("register");

    assert!(!block_on(lab.client.deregister()).unwrap());
    lab.answer(&asked, "new");
    lab.settle_while(registering.as_mut());
    lab.answer(&lab.asked("deregister"), "new");

    assert_eq!(block_on(registering).unwrap(), "new");
    assert_eq!(lab.client.service_id(), None);
}

#[test]
fn a_service_that_is_registered_again_after_its_end_stays() {
    let lab = Lab::new();
    let new = service("new");
    let mut before = pin!(lab.client.register(&new));
    assert!(is_pending(before.as_mut()));
    let asked_before = lab.asked("register");
    assert!(!block_on(lab.client.deregister()).unwrap());
    let mut after = pin!(lab.client.register(&new));
    assert!(is_pending(after.as_mut()));
    let asked_after = lab.asked("register");

    lab.answer(&asked_before, "new");
    block_on(before).unwrap();
    lab.answer(&asked_after, "new");
    block_on(after).unwrap();

    // No deregistration stands before what is asked next.
    lab.settle();
    assert_eq!(lab.client.service_id().as_deref(), Some("new"));
}

#[test]
fn a_service_that_is_being_deregistered_gets_no_heartbeats() {
    let lab = Lab::with_service(true);
    let mut deregistering = Box::pin(lab.client.deregister());
    assert!(is_pending(deregistering.as_mut()));

    let started = block_on(lab.client.start_heartbeat());
    assert!(matches!(started, Err(ClientError::NothingRegistered)));
    lab.assert_no_heartbeats();
    drop(deregistering);

    assert_eq!(lab.client.service_id().as_deref(), Some("old"));
    lab.assert_no_heartbeats();
    block_on(lab.client.start_heartbeat()).unwrap();
    lab.wait_for_heartbeat("old");
}

#[test]
fn a_reregistration_that_is_answered_late_undoes_no_later_registration() {
    let lab = Lab::with_service(false);
    let moved = service("old").metadata("rack", 4);
    let mut again = pin!(lab.client.reregister());
    assert!(is_pending(again.as_mut()));
    let asked_again = lab.asked("register");
    let mut moving = pin!(lab.client.register(&moved));
    assert!(is_pending(moving.as_mut()));

    lab.answer(&lab.asked("register"), "old");
    block_on(moving).unwrap();
    lab.answer(&asked_again, "old");
    assert_eq!(block_on(again).unwrap(), "old");

    let mut once_more = pin!(lab.client.reregister());
    assert!(is_pending(once_more.as_mut()));
    let said = &lab.asked("register").request["service_info"];
    assert_eq!(said["metadata"]["rack"], 4, "{said}");
}

#[test]
fn what_was_answered_just_before_the_client_is_closed_leaves_no_heartbeats() {
    let lab = Lab::with_service(true);
    let new = service("new");
    let mut registering = pin!(lab.client.register(&new));
    assert!(is_pending(registering.as_mut()));
    lab.answer(&lab.asked("register"), "new");
    lab.settle();

    lab.client.close();

    assert!(matches!(block_on(registering), Err(ClientError::Closed)));
    assert_eq!(lab.client.service_id(), None);
    lab.assert_no_heartbeats();
    for answer in [
        block_on(lab.client.start_heartbeat()),
        block_on(lab.client.register(&new)).map(drop),
        block_on(lab.client.reregister()).map(drop),
        block_on(lab.client.deregister()).map(drop),
    ] {
        assert!(matches!(answer, Err(ClientError::Closed)), "{answer:?}");
    }
}
