//! The host has hardly any time for the registry, because something else takes it all.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::heart::Heart;
use crate::support::{Launch, Registry, assert_success, ids, short_lived, wait_until};

const TTL: Duration = Duration::from_secs(3);

/// For so long the registry starves. Longer than the ttl.
const STARVATION: Duration = Duration::from_secs(8);

/// Programs that take all the time of the one processor on which the registry may run, so that
/// it gets what nobody else wants. Dropping them ends them.
struct Load(Vec<Child>);

impl Load {
    const PROGRAMS: usize = 16;

    #[track_caller]
    fn on(registry: &Registry) -> Self {
        let process = registry.process_id().to_string();
        run("taskset", &["--all-tasks", "--cpu-list", "--pid", "0", &process]);
        run("chrt", &["--all-tasks", "--idle", "--pid", "0", &process]);
        let busy = |_| {
            Command::new("taskset")
                .args(["--cpu-list", "0", "sh", "-c", "while :; do :; done"])
                .spawn()
                .expect("the load starts")
        };
        Self((0..Self::PROGRAMS).map(busy).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Both fail where it has ended already, which is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

#[test]
#[ignore = "slows down every test beside it: cargo test --test it time::starved -- --ignored"]
fn a_starved_registry_expires_nobody_who_is_alive() {
    let registry = Launch::new().flag("--cleanup-interval", "0.2").start();
    let client = registry.client();
    let alive = ["alive".to_owned()];
    assert_success(&client.request(&short_lived("alive", "ALIVE", TTL.as_secs() as u32)));
    let heart = Heart::start(&registry, &alive);
    let mut subscriber = registry.subscriber();

    let load = Load::on(&registry);
    thread::sleep(STARVATION);
    drop(load);

    assert_success(&client.discover("ALIVE"));
    wait_until("the log tells of it", || registry.log().contains("stood still for"));
    assert!(subscriber.all_until_now().is_empty());
    assert_eq!(ids(&client.list()), alive);
    heart.stop();
}
