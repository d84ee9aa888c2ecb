//! A log that nobody reads must not hold up the registry.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use crate::support::{Client, DEADLINE, Transcript, registration, wait_until};

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
    let stdout = running.0.stdout.take().unwrap();
    let (sender, line) = channel();
    thread::spawn(move || sender.send(BufReader::new(stdout).lines().next().unwrap().unwrap()));
    let ready = line.recv_timeout(DEADLINE).expect("it becomes ready");
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

    let mut status = None;
    wait_until("it ends", || {
        status = running.0.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0));
}
