//! A disk on which one call goes wrong, each in its turn, or all from one on: whatever fails or
//! stands still, what was acknowledged is there afterwards, what was refused is not, and the
//! registry says why and goes on.
//!
//! The calls are counted first, on a good disk. A day's tests leave out some of them;
//! `scripts/failing-disk` leaves out none.

mod story;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use rusqlite::Connection;
use serde_json::{Value, json};

use story::{
    BACKUP, FILE, Told, Truth, assert_in_order, assert_nothing_left_behind, prepare, tell,
};

use crate::support::{
    Calls, Fate, FaultyDisk, Impatient, Launch, Registry, assert_refused, assert_success, ids,
    registration, repetitions,
};

/// One of so many calls goes wrong in its turn.
const STRIDE_VARIABLE: &str = "SERVICE_REGISTRY_FAILING_DISK_STRIDE";
const STRIDE: u64 = 3;

/// How many stories are told at once. Each waits most of the time, for its service to expire.
const TELLERS: usize = 8;

const FOR_EVER: u64 = u64::MAX;

/// How a registry's life on the faulty disk ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// By kill -9, with the disk as it is.
    Kill,
    /// By `terminate`, with the disk as it is.
    Stop,
    /// The disk is mended, and the registry stores again.
    Mend,
}

/// A folder in which the story can begin, on a good disk.
fn place() -> (FaultyDisk, Launch) {
    let launch = Launch::new().flag("--cleanup-interval", "0.1").flag("--log-level", "info");
    prepare(launch.folder());
    FaultyDisk::under(launch)
}

fn client_of(registry: &Registry) -> Impatient {
    Impatient::connect(&registry.endpoints().requests, registry.transcript())
}

/// How many calls there are when nothing goes wrong: until the story is told, and until the
/// registry has ended.
#[track_caller]
fn count(calls: Calls) -> (u64, u64) {
    let (disk, launch) = place();
    let registry = launch.start();
    disk.goes_wrong(calls, FOR_EVER..=FOR_EVER, Fate::Fails);
    let told = tell(client_of(&registry), &launch, false, &AtomicBool::new(false));
    assert_eq!(told.refusals, 0);
    let until_told = disk.calls();
    registry.stop();
    (until_told, disk.calls())
}

/// Does `task` with the numbers of some calls up to `last`, several at once. With how the life of
/// a registry then ends, too: with each of `ends` where no call is left out, or one of them.
fn for_each_call(last: u64, ends: &[End], task: impl Fn(u64, End) + Sync) {
    let stride = repetitions(STRIDE_VARIABLE, STRIDE);
    let next = AtomicU64::new(fastrand::u64(1..=stride));
    thread::scope(|scope| {
        for _ in 0..TELLERS {
            scope.spawn(|| {
                loop {
                    let call = next.fetch_add(stride, Ordering::SeqCst);
                    if call > last {
                        return;
                    }
                    let one = call as usize % ends.len();
                    let ends = if stride == 1 { ends } else { &ends[one..=one] };
                    for end in ends {
                        eprintln!("call {call} of {last}, {end:?}");
                        task(call, *end);
                    }
                }
            });
        }
    });
}

/// Ends the registry, and checks that it said what went wrong.
#[track_caller]
fn end(registry: Registry, disk: &FaultyDisk, how: End) {
    match how {
        End::Mend => {
            disk.is_mended();
            registry.client().register("mended", "");
            assert_success(&registry.client().deregister("mended"));
            if registry.log().contains("could not store changes") {
                registry.wait_for_line("stores again");
            }
            registry.kill();
        }
        End::Kill => registry.kill(),
        End::Stop => {
            let wrong_before = disk.wrong_calls();
            assert_success(&registry.client().request(&json!({"action": "terminate"})));
            let finished = registry.wait();
            if finished.code() != Some(0) {
                finished.assert_code(1);
                assert!(disk.wrong_calls() > wrong_before, "{finished:?}");
                assert!(finished.complaint().contains(FILE), "{finished:?}");
            }
        }
    }
    disk.is_mended();
}

/// A registry that is started after all this, on a good disk, finds just what is true.
#[track_caller]
fn assert_finds(launch: &Launch, told: &Told, story: &str) {
    if launch.path(BACKUP).exists() {
        assert_in_order(&Connection::open(launch.path(BACKUP)).unwrap());
    } else {
        assert!(!told.truth.has_backup, "{story}: the backup is not there");
    }
    let registry = launch.start();
    // Its file is its own, so it is looked into when it has ended; what it found, it serves.
    registry.client().register("afterwards", "");
    let backup = registry.run(&["backup", BACKUP, "--force"]);
    backup.assert_code(0);
    registry.stop();

    let mut found = Truth::in_file(launch);
    assert_eq!(found.services.pop().map(|(id, _)| id).as_deref(), Some("afterwards"), "{story}");
    let is_true =
        |truth: &Truth| found.services == truth.services && found.policies == truth.policies;
    let mut truths = vec![told.truth.clone()];
    truths.extend(told.perhaps.map(|step| told.truth.with(step)));
    let swept: Vec<Truth> = truths.iter().map(|truth| truth.with(story::Step::Sweep)).collect();
    truths.extend(swept);
    assert!(truths.iter().any(is_true), "{story}: found {found:?}, expected {told:?}");
    assert_in_order(&Connection::open(launch.path(BACKUP)).unwrap());
    assert_nothing_left_behind(launch.folder());
}

#[test]
fn whichever_call_fails_once_exactly_its_request_is_refused_and_can_be_repeated() {
    let (_, last) = count(Calls::All);

    for fate in [Fate::Fails, Fate::Tears] {
        for_each_call(last, &[End::Kill, End::Stop], |call, how| {
            let (disk, launch) = place();
            let registry = launch.start();
            disk.goes_wrong(Calls::All, call..=call, fate);

            let told = tell(client_of(&registry), &launch, false, &AtomicBool::new(false));

            assert!(told.perhaps.is_none(), "{told:?}");
            if disk.wrong_calls() > 0 {
                registry.wait_for_line("cannot");
            }
            end(registry, &disk, how);
            assert_nothing_left_behind(launch.folder());
            assert_finds(&launch, &told, &format!("call {call}, {fate:?}, {how:?}"));
        });
    }
}

#[test]
fn from_whichever_call_on_all_fail_nothing_that_was_refused_comes_true_unless_it_was_said() {
    for calls in [Calls::All, Calls::Syncs] {
        let (last, _) = count(calls);
        for_each_call(last, &[End::Kill, End::Stop, End::Mend], |call, how| {
            let (disk, launch) = place();
            let registry = launch.start();
            disk.goes_wrong(calls, call..=FOR_EVER, Fate::Fails);

            let told = tell(client_of(&registry), &launch, true, &AtomicBool::new(false));

            if disk.wrong_calls() > 0 {
                registry.wait_for_line("cannot");
            }
            assert!(calls == Calls::All || told.perhaps.is_none(), "{told:?}");
            let told = match how {
                End::Mend => Told { perhaps: None, ..told },
                _ => told,
            };
            end(registry, &disk, how);
            assert_nothing_left_behind(launch.folder());
            assert_finds(&launch, &told, &format!("from call {call} of {calls:?} on, {how:?}"));
        });
    }
}

#[test]
fn whichever_call_stands_still_reads_and_heartbeats_go_on_and_all_else_when_it_does() {
    let (last, _) = count(Calls::All);

    for_each_call(last, &[End::Mend, End::Kill], |call, how| {
        let (disk, launch) = place();
        let registry = launch.start();
        let (client, heart) = (registry.client(), registry.heartbeat_client());
        let (killed, is_told) = (AtomicBool::new(false), AtomicBool::new(false));
        disk.goes_wrong(Calls::All, call..=call, Fate::Stalls);

        let told = thread::scope(|scope| {
            let (teller, launch, killed, is_told) =
                (client_of(&registry), &launch, &killed, &is_told);
            let teller = scope.spawn(move || {
                let told = tell(teller, launch, false, killed);
                is_told.store(true, Ordering::SeqCst);
                told
            });
            if disk.waits_for_stall(|| is_told.load(Ordering::SeqCst)) {
                let list = client.list();
                // One of them expires, and another is expired by the story.
                let living = |id: &&str| !["brief", "silent"].contains(id);
                for service in ids(&list).into_iter().filter(living) {
                    assert_success(&client.get(service));
                    assert_success(&heart.renew(service));
                }
                assert_success(&client.health());
                match how {
                    End::Kill => {
                        registry.signal("KILL");
                        killed.store(true, Ordering::SeqCst);
                    }
                    _ => disk.is_mended(),
                }
            }
            teller.join().unwrap()
        });

        assert_eq!(told.refusals, 0, "{told:?}");
        match how {
            End::Kill if killed.into_inner() => drop(registry.wait()),
            _ => registry.kill(),
        }
        disk.is_mended();
        assert_finds(&launch, &told, &format!("call {call} stood still, {how:?}"));
    });
}

/// The files that a start may find.
#[derive(Debug, Clone, Copy)]
enum Found {
    Nothing,
    /// A file of the Python registry, which is changed, and of which a copy is kept.
    Older,
    /// A file whose last changes stand in its log.
    Killed,
}

const PYTHON_FILE: &str = "
    CREATE TABLE services (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL,
        metadata TEXT, ttl INTEGER NOT NULL, last_heartbeat INTEGER NOT NULL, tags TEXT
    );
    INSERT INTO services VALUES ('kept', 'kept', 'lab', 1, '{}', 3600, 4000000000, '[]')";

/// A folder, on a good disk, in which a start finds this.
#[track_caller]
fn place_with(found: Found) -> (FaultyDisk, Launch) {
    let (disk, launch) = FaultyDisk::under(Launch::new().flag("--log-level", "warn"));
    match found {
        Found::Nothing => {}
        Found::Older => {
            let file = Connection::open(launch.path(FILE)).unwrap();
            file.execute_batch(PYTHON_FILE).unwrap();
        }
        Found::Killed => {
            let registry = launch.start();
            registry.client().register("kept", "KEPT");
            registry.kill();
        }
    }
    (disk, launch)
}

#[test]
fn whichever_call_of_a_start_fails_it_says_so_or_starts_and_the_next_finds_all() {
    for found in [Found::Nothing, Found::Older, Found::Killed] {
        let (disk, launch) = place_with(found);
        disk.goes_wrong(Calls::AllAndOpening, FOR_EVER..=FOR_EVER, Fate::Fails);
        launch.start();
        let kept = if matches!(found, Found::Nothing) { vec![] } else { vec!["kept"] };

        for_each_call(disk.calls(), &[End::Kill], |call, _| {
            let (disk, launch) = place_with(found);
            disk.goes_wrong(Calls::AllAndOpening, call..=call, Fate::Tears);

            match launch.try_start() {
                Ok(registry) => assert_eq!(ids(&registry.client().list()), kept, "{found:?}"),
                Err(finished) => {
                    finished.assert_code(1);
                    assert!(finished.complaint().contains(FILE), "{finished:?}");
                }
            }
            disk.is_mended();

            assert_nothing_left_behind(launch.folder());
            let registry = launch.start();
            assert_eq!(ids(&registry.client().list()), kept, "{found:?}, call {call}");
            registry.client().register("afterwards", "");
            registry.stop();
            assert_in_order(&Connection::open(launch.path(FILE)).unwrap());
        });
    }
}

/// Where a disk fails altogether just when it should make a commit safe, nothing can be written
/// over that commit.
#[test]
fn a_refusal_says_where_nothing_is_certain_and_all_is_when_the_disk_is_back() {
    let (disk, launch) = FaultyDisk::under(Launch::new());
    let registry = launch.start();
    let client = registry.client();
    let with_port = |port: u16| {
        let mut request = registration("dev", "DEV");
        request["service_info"]["port"] = port.into();
        request
    };
    // The last call of a registration is its sync.
    let mut calls = 0;
    for port in 1..=3 {
        disk.counts();
        assert_success(&client.request(&with_port(port)));
        calls = disk.calls();
    }

    disk.goes_wrong(Calls::All, calls..=FOR_EVER, Fate::Fails);
    let uncertain = client.request(&with_port(4));
    let certain = client.request(&with_port(5));
    disk.is_mended();
    client.register("other", "OTHER");
    registry.kill();

    let says_so = |refusal: &Value| {
        assert_refused(refusal, "storage_failed", &[]);
        refusal["message"].as_str().unwrap().contains("may have come true at its next start")
    };
    assert!(says_so(&uncertain), "{uncertain}");
    assert!(!says_so(&certain), "{certain}");
    let registry = launch.start();
    assert_eq!(registry.client().get("dev")["service"]["port"], 3);
}
