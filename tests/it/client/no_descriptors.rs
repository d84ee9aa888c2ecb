//! Clients whose process has no descriptor left, so that no heartbeats can be started. Each test
//! runs in a process of its own, because the limit on open files is that of a whole process.

use std::env;
use std::fs::File;
use std::iter;
use std::pin::pin;
use std::process::Command;

use futures::executor::block_on;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use service_registry::client::ClientError;

use super::asynchronous::{begin, camera};
use crate::support::Place;

/// Set in the process that is made for a test.
const OWN_PROCESS: &str = "SERVICE_REGISTRY_TEST_HAS_OWN_PROCESS";

/// How many descriptors such a process may have: more than it has open when it takes the rest.
const DESCRIPTORS_MAX: u64 = 512;

/// Runs `story`, which is the test called `name`, in a process of its own.
#[track_caller]
fn in_own_process(name: &str, story: impl FnOnce()) {
    if env::var_os(OWN_PROCESS).is_some() {
        return story();
    }
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut test = Command::new(env::current_exe().unwrap());
    test.args(["--exact", "--nocapture", &format!("{module}::{name}")]).env(OWN_PROCESS, "1");
    let output = test.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    // Also if no test has this name, the process succeeds.
    let has_passed = output.status.success() && told.contains("1 passed");
    assert!(has_passed, "{told}{}", String::from_utf8_lossy(&output.stderr));
}

/// Opens files until this process has no descriptor left, and returns them.
fn take_all_descriptors() -> Vec<File> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS_MAX.min(hard), hard).unwrap();
    iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn a_service_whose_heartbeats_cannot_start_is_deregistered() {
    in_own_process("a_service_whose_heartbeats_cannot_start_is_deregistered", || {
        let (place, _registry) = Place::start();
        let client = place.client();
        // Its connection is kept for what is asked next.
        assert_eq!(client.list_services(None).unwrap(), []);

        let taken = take_all_descriptors();
        let registered = client.register_scoped(&camera("camera-1"));
        drop(taken);

        assert!(matches!(registered.err(), Some(ClientError::Resources(_))));
        assert_eq!(client.list_services(None).unwrap(), []);
    });
}

#[test]
fn an_asynchronous_clients_service_whose_heartbeats_cannot_start_is_deregistered() {
    let name = "an_asynchronous_clients_service_whose_heartbeats_cannot_start_is_deregistered";
    in_own_process(name, || {
        let (place, _registry) = Place::start();
        let client = place.async_client();
        block_on(async {
            // As above.
            assert_eq!(client.list_services(None).await.unwrap(), []);
            let camera = camera("camera-1");
            let mut registering = pin!(client.register(&camera));
            begin(registering.as_mut()).await;
            // They are to begin when the service is registered.
            client.start_heartbeat().await.unwrap();

            let taken = take_all_descriptors();
            let registered = registering.await;
            drop(taken);

            assert!(matches!(registered, Err(ClientError::Resources(_))), "{registered:?}");
            assert_eq!(client.service_id(), None);
            assert_eq!(client.list_services(None).await.unwrap(), []);
        });
    });
}
