//! The log as the journal of systemd wants it, and as everybody else does.

use std::process::Command;

use crate::support::{Finished, Launch, Process};

const BINARY: &str = env!("CARGO_BIN_EXE_service-registry");

/// Names the stream that standard error is, as systemd does. In the shell, because that stream is
/// made together with the process.
const CONNECTED: &str =
    r#"JOURNAL_STREAM=$(stat --dereference --format %d:%i /dev/stderr) exec "$0" start "$@""#;

/// Another stream than standard error, as after a redirection.
const CONNECTED_ELSEWHERE: &str = r#"JOURNAL_STREAM=1:1 exec "$0" start "$@""#;

fn spawn(script: &str, launch: &Launch, flags: &[&str]) -> Process {
    let mut command = Command::new("sh");
    let ports = ["--req-port", "0", "--pub-port", "0", "--hb-port", "0"];
    command.args(["-c", script, BINARY]).args(ports).args(flags);
    Process::spawn(command.current_dir(launch.folder()))
}

#[track_caller]
fn start_and_stop(script: &str) -> Finished {
    let launch = Launch::new();
    let mut process = spawn(script, &launch, &["--bind", "*"]);
    process.next_line().expect("it becomes ready");
    process.signal("TERM");
    process.wait()
}

#[test]
fn for_the_journal_a_line_begins_with_its_priority_and_has_no_time_stamp() {
    let finished = start_and_stop(CONNECTED);

    let log = &finished.assert_code(0).stderr;
    assert!(log.lines().all(|line| line.starts_with("<6>(") || line.starts_with("<4>(")), "{log}");
    assert!(log.lines().any(|line| line == "<6>(main) stopped"), "{log}");
    assert!(log.lines().any(|line| line.starts_with("<4>(main) everybody who reaches")), "{log}");
}

#[test]
fn for_the_journal_a_complaint_is_an_error() {
    let launch = Launch::new();
    let refused = spawn(CONNECTED, &launch, &["--bind", "no address"]).wait();

    refused.assert_code(2);
    let lines: Vec<&str> = refused.stderr.lines().collect();
    assert!(lines[0].starts_with("<3>service-registry: "), "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("<3>")), "{lines:?}");
}

#[test]
fn for_everybody_else_a_line_begins_with_its_time() {
    let finished = start_and_stop(CONNECTED_ELSEWHERE);

    let log = &finished.assert_code(0).stderr;
    assert!(!log.is_empty());
    for line in log.lines() {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.len() >= "2026-11-22T21:00:00Z".len() && time.contains('T'), "{line}");
        assert!(rest.starts_with("[INFO") || rest.starts_with("[WARN"), "{line}");
    }
}
