//! The signs of life of the threads that only registries on etcd have.

use std::thread;
use std::time::Duration;

use crate::service_manager::{Manager, assert_watched};
use crate::support::Etcd;

/// Systemd takes the registry for dead after this. Longer than what etcd may take to answer.
const TIMEOUT: Duration = Duration::from_secs(16);

#[test]
fn no_sign_of_life_is_given_while_the_follower_or_the_herald_hangs() {
    thread::scope(|scope| {
        for name in ["follower", "herald", "storage"] {
            scope.spawn(move || {
                let etcd = Etcd::start(1);
                assert_watched(Manager::of(etcd.launch("a")), name);
            });
        }
    });
}

#[test]
fn an_etcd_that_does_not_answer_is_no_reason_to_end_the_registry() {
    let etcd = Etcd::start(1);
    let manager = Manager::of(etcd.launch("a")).with_watchdog(TIMEOUT);
    let registry = manager.launch.start();
    manager.waits_for("WATCHDOG=1");

    etcd.signal_all("STOP");

    for _ in 0..3 {
        manager.waits_for("WATCHDOG=1");
    }
    assert!(!registry.log().contains("no work is done"), "{}", registry.log());
    registry.wait_for_line("out of contact");
    etcd.signal_all("CONT");
    registry.stop();
}
