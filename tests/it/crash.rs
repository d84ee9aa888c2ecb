//! kill -9 at random moments under load: what was acknowledged is there, and nothing else, what
//! services said of sharing their types counts again, each belongs to whoever registered it, and
//! the silent are in nobody's way.

mod claimant;
mod picture;
mod writer;

use std::fs;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use claimant::Claimant;
use picture::Picture;
use writer::{Counts, Writer};

use crate::support::{Chance, Launch, Registry, TrueInTheEnd, repetitions};

const ROUNDS_VARIABLE: &str = "SERVICE_REGISTRY_CRASH_ROUNDS";
const ROUNDS: u64 = 20;

const FILE: &str = "service_registry.db";

/// The longest time from the first request to the kill.
const LONGEST_LIFE_MILLISECONDS: u64 = 150;

/// One life in so many is long enough for services to expire.
const LONG_LIVES: u64 = 10;
const LONG_LIFE_MILLISECONDS: u64 = 2_500;

/// How often more rounds are added, at the most, where the disk was so slow that there was too
/// little to lose.
const ADDITIONS: u64 = 9;

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

/// Lets all clients write until the registry is killed at a random moment.
fn write_until_killed(
    registry: Registry,
    writers: &mut [Writer],
    claimant: &mut Claimant,
    chance: &mut Chance,
) {
    let longest = match chance.u64(..LONG_LIVES) {
        0 => LONG_LIFE_MILLISECONDS,
        _ => LONGEST_LIFE_MILLISECONDS,
    };
    let life = Duration::from_millis(chance.u64(0..=longest));
    let requests = registry.endpoints().requests.clone();
    let killed = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in writers {
            let (requests, killed) = (&requests, &killed);
            scope.spawn(move || writer.write_until(requests, killed));
        }
        let (requests, killed_now) = (&requests, &killed);
        scope.spawn(move || claimant.claim_until(requests, killed_now));
        // No condition is waited for: the moment must be one that nobody chose.
        thread::sleep(life);
        let _killed = TrueInTheEnd(&killed);
        registry.kill();
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
    let mut claimant = Claimant::new(chance.fork());

    let mut counts = Counts::default();
    let mut policies = 0;
    for round in 0..(1 + ADDITIONS) * rounds {
        let is_enough = counts.acknowledged > 10 * rounds
            && counts.unanswered > 0
            && counts.heirs > 0
            && policies > 0;
        if round >= rounds && is_enough {
            break;
        }
        write_until_killed(launch.start(), &mut writers, &mut claimant, &mut chance);
        counts.kills += 1;
        let in_file = content_of_the_file(&launch);
        if chance.bool() {
            kill_while_starting(&launch, &mut chance);
            counts.kills += 1;
        }

        let registry = launch.start();

        let client = registry.client();
        let list = client.list();
        let served = Picture::of(&list);
        let in_file_served = in_file.without_policies();
        assert_eq!(served, in_file_served, "round {round}: what the file holds is served");
        for writer in &mut writers {
            counts.add(&writer.explain(&in_file));
        }
        counts.add(&claimant.explain(&list));
        counts.add(&claimant.succeed_the_silent(&client, &list));
        policies += in_file.policies();
        registry.kill();
        counts.kills += 1;
    }

    eprintln!("{rounds} rounds in {:.1} s: {counts}", started.elapsed().as_secs_f64());
    assert!(counts.acknowledged > 10 * rounds, "there was something to lose: {counts}");
    assert!(counts.heirs > 0, "there were services to make room: {counts}");
    assert!(policies > 0, "there were policies to remember");
    assert!(counts.unanswered > 0, "it was killed in the middle of something: {counts}");
}
