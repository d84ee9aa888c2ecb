//! A log that nobody reads must not hold up the registry.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Client, Transcript, registration};

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_holds_up_neither_registrations_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let ports = ["--req-port", "0", "--pub-port", "0", "--hb-port", "0"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_service-registry"));
    command.current_dir(folder.path()).arg("start").args(ports);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut ready = String::new();
    let stdout = running.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut ready).unwrap();
    let endpoint = ready.split([' ', ',']).find(|word| word.starts_with("tcp://")).unwrap();
    let client = Client::connect(endpoint, &Transcript::default());

    // Each is logged in a line: far more than a pipe holds.
    for number in 0..2_000 {
        client.send(&registration(&format!("dev-{number}"), ""));
    }
    for number in 0..2_000 {
        assert_eq!(client.receive()["service_id"], format!("dev-{number}"));
    }
    let id = running.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());

    let deadline = Instant::now() + Duration::from_secs(10);
    let status = loop {
        match running.0.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(Instant::now() < deadline, "it does not end"),
        }
        thread::yield_now();
    };
    assert_eq!(status.code(), Some(0));
}
