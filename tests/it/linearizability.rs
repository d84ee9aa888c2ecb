//! Concurrent clients see one registry: whatever they ask at once, and whatever disk, commit or
//! process fails under it, their answers are those of a registry that does one thing after the
//! other, and a subscriber is told exactly what happened, in its order.

mod clients;
mod history;
mod one_order;
#[cfg(feature = "etcd")]
mod sharing;
mod specification;
mod told;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use service_registry::backend::BackendError;

use clients::Recording;
use history::{Asked, History, Line};
use one_order::assert_one_order;
use specification::{Answer, Question};
use told::{Life, Place, assert_told};

use crate::support::{
    Chance, Embedded, Endpoints, Launch, ScriptedBackend, Subscriber, TrueInTheEnd, repetitions,
};

const HISTORIES_VARIABLE: &str = "SERVICE_REGISTRY_HISTORIES";

/// So many of each kind.
const HISTORIES: u64 = 8;

/// So many by each client.
const QUESTIONS: usize = 40;

/// The longest time that a disk stalls, and the longest time to a kill.
const LONGEST_STALL_MILLISECONDS: u64 = 8;
const LONGEST_LIFE_MILLISECONDS: u64 = 60;

/// Records histories, one after the other, with a subscriber who hears all of them, and checks
/// both.
#[track_caller]
fn assert_histories(
    endpoints: &Endpoints,
    subscriber: &mut Subscriber,
    chance: &mut Chance,
    what: &str,
) {
    let started = Instant::now();
    let mut since = place(subscriber);
    let mut operations = 0;
    let mut unanswered = 0;
    let histories = repetitions(HISTORIES_VARIABLE, HISTORIES);
    for number in 0..histories {
        let recording = Recording::new(number);
        recording.run(endpoints, QUESTIONS, chance, || false);
        recording.ask_for_all(endpoints);

        let history = recording.history();
        history.assert_linearizable();
        let events = subscriber.all_with_probes_until_now();
        let life = Life { since, services: Vec::new(), events, is_whole: true };
        since = life.end();
        assert_one_order(&recording, &life);
        assert_told(&recording, &[life]);

        let all = history.operations();
        operations += all.len();
        unanswered += all.iter().filter(|it| it.answered.is_none()).count();
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "{what}: {histories} histories with {operations} operations, {unanswered} of them \
         unanswered, in {seconds:.1} s"
    );
}

/// The place of the last event until now.
#[track_caller]
fn place(subscriber: &mut Subscriber) -> Place {
    Place::of(subscriber.all_with_probes_until_now().last().expect("of the probe"))
}

/// A history in which each question is answered before the next is asked.
fn one_after_the_other(steps: &[(Question, Option<Answer>)]) -> History {
    let mut history = History::default();
    for (number, (question, answer)) in steps.iter().enumerate() {
        let line = Line { registry: 0, number };
        history.ask(line, *question);
        if let Some(answer) = answer {
            history.answer(line, answer.clone());
        }
    }
    history
}

const fn register(id: u8, version: u16) -> Question {
    Question::Register { id, service_type: id, shared: false, version }
}

const fn get(id: u8) -> Question {
    Question::Get { id }
}

#[test]
fn concurrent_clients_see_one_registry_and_its_events_tell_the_same() {
    let registry = Launch::new().flag("--cleanup-interval", "0.1").start();
    let mut subscriber = registry.subscriber();
    let mut chance = Chance::new();

    assert_histories(registry.endpoints(), &mut subscriber, &mut chance, "the program");
}

#[test]
fn they_do_so_on_a_disk_that_stalls_and_fails() {
    let mut chance = Chance::new();
    let mut troubles = chance.fork();
    let server = Embedded::start_cleaning_up_every_second(ScriptedBackend::new(move |commit| {
        thread::sleep(Duration::from_millis(troubles.u64(0..=LONGEST_STALL_MILLISECONDS)));
        let is_of_a_probe =
            commit.stored.iter().chain(&commit.removed).any(|id| Subscriber::is_probe(id));
        if troubles.u8(..4) == 0 && !is_of_a_probe {
            Err(BackendError::new("the disk is in trouble"))
        } else {
            Ok(())
        }
    }));
    let mut subscriber = server.subscriber();

    assert_histories(server.endpoints(), &mut subscriber, &mut chance, "a bad disk");
}

#[test]
fn they_do_so_across_kill_9_and_a_restart() {
    let started = Instant::now();
    let mut chance = Chance::new();
    let launch = Launch::new();
    let histories = repetitions(HISTORIES_VARIABLE, HISTORIES);
    let mut operations = 0;
    let mut told = 0;
    for number in 0..histories {
        let recording = Recording::new(number);
        let registry = launch.start();
        let endpoints = registry.endpoints().clone();
        let mut subscriber = registry.subscriber();
        let since = place(&mut subscriber);
        let life = Duration::from_millis(chance.u64(0..=LONGEST_LIFE_MILLISECONDS));
        let killed = AtomicBool::new(false);

        thread::scope(|scope| {
            let mut fork = chance.fork();
            let (recording, killed, endpoints) = (&recording, &killed, &endpoints);
            let is_over = || killed.load(Ordering::Acquire);
            scope.spawn(move || recording.run(endpoints, usize::MAX, &mut fork, is_over));
            thread::sleep(life);
            let _killed = TrueInTheEnd(killed);
            registry.kill();
        });
        let events = subscriber.last_words();
        let first = Life { since, services: Vec::new(), events, is_whole: false };

        let registry = launch.start();
        let mut subscriber = registry.subscriber();
        let since = place(&mut subscriber);
        let services = recording.ask_for_all(registry.endpoints());
        recording.run(registry.endpoints(), QUESTIONS, &mut chance, || false);
        recording.ask_for_all(registry.endpoints());
        let events = subscriber.all_with_probes_until_now();
        let second = Life { since, services, events, is_whole: true };
        registry.kill();

        let history = recording.history();
        history.assert_linearizable();
        told += first.events.len() + second.events.len();
        assert_told(&recording, &[first, second]);
        operations += history.operations().len();
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "kill -9: {histories} histories with {operations} operations, {told} events told, in \
         {seconds:.1} s"
    );
}

#[test]
fn histories_that_no_registry_could_have_are_noticed() {
    use Answer::{Done, Nobody, Service, Services, TakenBy};
    let deregister = |id| Question::Deregister { id };
    let discover = |service_type| Question::Discover { service_type };
    let renew = |id| Question::Renew { id };
    let taking =
        |id, service_type, version| Question::Register { id, service_type, shared: false, version };
    let done = Some(Done);
    let wrong = [
        ("lost", vec![(register(0, 1), done.clone()), (get(0), Some(Nobody))]),
        (
            "stale",
            vec![
                (register(0, 1), done.clone()),
                (register(0, 2), done.clone()),
                (get(0), Some(Service(0, 1))),
            ],
        ),
        (
            "back again",
            vec![
                (register(0, 1), done.clone()),
                (deregister(0), done.clone()),
                (get(0), Some(Service(0, 1))),
            ],
        ),
        (
            "two holders of a type",
            vec![(register(0, 1), done.clone()), (taking(1, 0, 2), done.clone())],
        ),
        (
            "refused for nobody",
            vec![(register(0, 1), done.clone()), (taking(1, 2, 2), Some(TakenBy(0)))],
        ),
        (
            "discovered as another type",
            vec![(register(0, 1), done.clone()), (discover(1), Some(Service(0, 1)))],
        ),
        ("not discovered", vec![(register(0, 1), done.clone()), (discover(0), Some(Nobody))]),
        (
            "renewed when gone",
            vec![
                (register(0, 1), done.clone()),
                (deregister(0), done.clone()),
                (renew(0), done.clone()),
            ],
        ),
        (
            "listed in the wrong order",
            vec![
                (register(0, 1), done.clone()),
                (register(1, 2), done.clone()),
                (Question::List, Some(Services(vec![(1, 2), (0, 1)]))),
            ],
        ),
        (
            "refused and there",
            vec![(register(0, 1), Some(Answer::NotStored)), (get(0), Some(Service(0, 1)))],
        ),
        (
            "seen, then not yet",
            vec![(register(0, 1), None), (get(0), Some(Service(0, 1))), (get(0), Some(Nobody))],
        ),
    ];

    for (name, steps) in wrong {
        assert!(!one_after_the_other(&steps).is_linearizable(), "{name}");
        let (_, rightly) = steps.split_last().unwrap();
        assert!(one_after_the_other(rightly).is_linearizable(), "{name}, without its end");
    }
}

#[test]
fn an_unanswered_request_may_have_happened_or_happen_late_or_never() {
    let unseen = [(register(0, 1), None), (get(0), Some(Answer::Nobody))];
    let late = [&unseen[..], &[(get(0), Some(Answer::Service(0, 1)))]].concat();

    assert!(one_after_the_other(&unseen).is_linearizable());
    assert!(one_after_the_other(&late).is_linearizable());
}

#[test]
fn any_answer_of_a_real_history_that_is_falsified_is_noticed() {
    let registry = Launch::new().start();
    let recording = Recording::new(0);
    recording.run(registry.endpoints(), 12, &mut Chance::new(), || false);
    let history = recording.history();
    history.assert_linearizable();

    let mut falsified = 0;
    for Asked { answered, operation, .. } in history.operations() {
        let (Some(place), Some(Answer::Service(id, version))) = (answered, operation.answer) else {
            continue;
        };
        let false_history = history.with_answer(place, Answer::Service(id, version + 1_000));
        assert!(!false_history.is_linearizable(), "{:?}", operation.question);
        falsified += 1;
    }

    assert!(falsified > 0, "there was something to falsify");
}
