//! kill -9 at random moments under load: what was acknowledged is there, and nothing else.

mod picture;
mod writer;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use picture::Picture;
use writer::{Counts, Writer};

use crate::support::{Chance, Launch, Registry, repetitions};

const ROUNDS_VARIABLE: &str = "SERVICE_REGISTRY_CRASH_ROUNDS";
const ROUNDS: u64 = 20;

const FILE: &str = "service_registry.db";

/// The longest time from the first request to the kill.
const LONGEST_LIFE_MILLISECONDS: u64 = 150;

/// How long a registry that is killed before it is ready may have lived.
const LONGEST_START_MILLISECONDS: u64 = 40;

/// What the file holds, seen by somebody else: pages in order, and every service whole.
#[track_caller]
fn content_of_the_file(launch: &Launch) -> Picture {
    // A copy, because looking at the file would already be recovering it.
    let copy = Launch::new();
    for name in [FILE.to_owned(), format!("{FILE}-wal")] {
        if launch.path(&name).exists() {
            fs::copy(launch.path(&name), copy.path(&name)).unwrap();
        }
    }
    let database = Connection::open(copy.path(FILE)).unwrap();
    let verdict: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    Picture::in_file(&database)
}

/// Lets all writers write until the registry is killed at a random moment.
fn write_until_killed(registry: Registry, writers: &mut [Writer], chance: &mut Chance) {
    let life = Duration::from_millis(chance.u64(0..=LONGEST_LIFE_MILLISECONDS));
    let requests = registry.endpoints().requests.clone();
    let killed = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in writers {
            let (requests, killed) = (&requests, &killed);
            scope.spawn(move || writer.write_until(requests, killed));
        }
        // No condition is waited for: the moment must be one that nobody chose.
        thread::sleep(life);
        registry.kill();
        killed.store(true, Ordering::Release);
    });
}

/// Starts a registry that does not live to be ready. True if it was killed in time.
fn kill_while_starting(launch: &Launch, chance: &mut Chance) {
    let life = Duration::from_millis(chance.u64(0..=LONGEST_START_MILLISECONDS));
    let process = launch.spawn();
    thread::sleep(life);
    drop(process);
}

#[test]
fn after_kill_9_every_acknowledged_write_is_there_and_nothing_is_half_written() {
    let started = Instant::now();
    let rounds = repetitions(ROUNDS_VARIABLE, ROUNDS);
    let mut chance = Chance::new();
    // Commits of heartbeats mix with those of the writers.
    let launch = Launch::new().flag("--cleanup-interval", "0.1").flag("--log-level", "warn");
    let mut writers: Vec<Writer> = [2, 2, 20, 20, 200]
        .into_iter()
        .enumerate()
        .map(|(number, services)| Writer::new(number, services, chance.fork()))
        .collect();

    let mut counts = Counts::default();
    for round in 0..rounds {
        write_until_killed(launch.start(), &mut writers, &mut chance);
        counts.kills += 1;
        let in_file = content_of_the_file(&launch);
        if chance.bool() {
            kill_while_starting(&launch, &mut chance);
            counts.kills += 1;
        }

        let registry = launch.start();

        let found = Picture::of(&registry.client().list());
        assert_eq!(found, in_file, "round {round}: what the file holds is what is served");
        for writer in &mut writers {
            counts.add(&writer.explain(&found));
        }
        registry.kill();
        counts.kills += 1;
    }

    eprintln!("{rounds} rounds in {:.1} s: {counts}", started.elapsed().as_secs_f64());
    assert!(counts.acknowledged > 10 * rounds, "there was something to lose: {counts}");
    assert!(counts.unanswered > 0, "it was killed in the middle of something: {counts}");
}
