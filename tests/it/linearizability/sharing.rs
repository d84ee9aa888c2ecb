//! Clients of two registries that share a list, one of which is killed and comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::clients::Recording;
use super::one_order::assert_one_order;
use super::specification::Answer;
use super::told::{Life, assert_told};
use super::{HISTORIES, HISTORIES_VARIABLE, LONGEST_LIFE_MILLISECONDS, QUESTIONS, place};
use crate::support::{
    Chance, DEADLINE, Endpoints, Etcd, Event, Registry, registration, repetitions,
};

/// So many by each client of the registry that lives on, at the most: until the other is back.
const QUESTIONS_MAX: usize = 2_000;

const A: usize = 0;
const B: usize = 1;

/// Lets clients ask both registries; the second is killed meanwhile, and its next life, which is
/// returned, begins and is asked too before the first is let alone.
fn run(
    recording: &Recording,
    a: &Endpoints,
    b: Registry,
    chance: &mut Chance,
) -> (Registry, Vec<Event>) {
    wait_until_it_stores(&b);
    let subscriber = b.subscriber();
    let (launch, endpoints) = (b.launch().clone(), b.endpoints().clone());
    let life = Duration::from_millis(chance.u64(0..=LONGEST_LIFE_MILLISECONDS));
    let (is_killed, is_done) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let (mut at_a, mut at_b) = (chance.fork(), chance.fork());
        let (is_killed, is_done) = (&is_killed, &is_done);
        scope.spawn(move || {
            let is_over = || is_done.load(Ordering::Acquire);
            recording.run_at(A, a, QUESTIONS_MAX, &mut at_a, is_over);
        });
        let killed = scope.spawn(move || {
            let is_over = || is_killed.load(Ordering::Acquire);
            recording.run_at(B, &endpoints, usize::MAX, &mut at_b, is_over);
        });
        thread::sleep(life);
        b.kill();
        is_killed.store(true, Ordering::Release);
        killed.join().unwrap();
        let again = launch.start();
        recording.run_at(B, again.endpoints(), QUESTIONS, chance, || false);
        is_done.store(true, Ordering::Release);
        (again, subscriber.last_words())
    })
}

/// An etcd whose disk stands still, because others write much, takes nothing for a while.
#[track_caller]
fn wait_until_it_stores(registry: &Registry) {
    let (client, started) = (registry.client(), Instant::now());
    while client.request(&registration("of-no-history", ""))["success"] != true {
        assert!(started.elapsed() < DEADLINE * 4, "it stores nothing");
        // Nothing tells when it does.
        thread::sleep(Duration::from_millis(50));
    }
}

/// Both tell the same under one number, but for what each reads from its own clock: when the
/// service was heard last.
#[track_caller]
fn assert_told_alike(all: &[Event], some: &[Event]) {
    let what = |event: &Event| {
        let mut service = event.body["data"]["service_info"].clone();
        if let Some(fields) = service.as_object_mut() {
            fields.remove("last_heartbeat");
        }
        (event.body["epoch"].clone(), service)
    };
    for event in some {
        let is_same = |other: &&Event| other.body["seq"] == event.body["seq"];
        if let Some(other) = all.iter().find(is_same) {
            assert_eq!((event.about(), what(event)), (other.about(), what(other)));
        }
    }
}

#[test]
fn clients_of_two_registries_see_one_order_across_kill_9_of_one_of_them() {
    let started = Instant::now();
    let etcd = Etcd::start(1);
    let (a, mut b) = (etcd.registry("a"), etcd.registry("b"));
    wait_until_it_stores(&a);
    let mut subscriber = a.subscriber();
    let mut chance = Chance::new();
    let histories = repetitions(HISTORIES_VARIABLE, HISTORIES);
    let (mut operations, mut refused, mut unanswered) = (0, 0, 0);
    for number in 0..histories {
        let recording = Recording::new(number);
        wait_until_it_stores(&a);
        let since = place(&mut subscriber);
        let (again, told_by_b) = run(&recording, a.endpoints(), b, &mut chance);
        b = again;
        recording.ask_for_all_at(A, a.endpoints());
        recording.ask_for_all_at(B, b.endpoints());
        wait_until_it_stores(&a);
        let events = subscriber.all_with_probes_until_now();
        assert_told_alike(&events, &told_by_b);
        let life = Life { since, services: Vec::new(), events, is_whole: true };

        assert_one_order(&recording, &life);
        assert_told(&recording, &[life]);

        let all = recording.history().operations();
        operations += all.len();
        let answers = || all.iter().map(|it| it.operation.answer.as_ref());
        refused += answers().filter(|it| matches!(it, Some(Answer::TakenBy(_)))).count();
        unanswered += answers().filter(Option::is_none).count();
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "two registries: {histories} histories with {operations} operations, {refused} refused, \
         {unanswered} unanswered, in {seconds:.1} s"
    );
}
