//! A disk that takes what is written and fails to make it safe. SQLite then reports that a commit
//! failed whose every byte stands in its log, and the next start could take it for made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Launch, assert_refused, assert_success, ids, registration, short_lived};

/// Stands before the system's own functions and fails while a certain file exists.
const FAILING_SYNC: &str = r#"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>

static int fails(void) {
    const char *flag = getenv("FAIL_SYNC_WHILE");
    return flag && access(flag, F_OK) == 0;
}

int fsync(int file) {
    if (fails()) { errno = EIO; return -1; }
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    if (fails()) { errno = EIO; return -1; }
    return (int)syscall(SYS_fdatasync, file);
}
"#;

/// Builds the library, with the compiler that built SQLite.
fn failing_sync(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("failing_sync.c"), folder.join("failing_sync.so"));
    fs::write(&source, FAILING_SYNC).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut command = Command::new(compiler);
    command.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    assert!(command.status().unwrap().success());
    library
}

#[test]
fn what_was_refused_because_of_a_failed_sync_never_comes_true() {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("syncs-fail");
    let library = failing_sync(folder.path());
    let launch = Launch::new()
        .variable("LD_PRELOAD", library.to_str().unwrap())
        .variable("FAIL_SYNC_WHILE", flag.to_str().unwrap());
    let registry = launch.start();
    let client = registry.client();
    client.register("kept", "KEPT");

    fs::write(&flag, "").unwrap();
    assert_refused(&client.deregister("kept"), "storage_failed", &["Service not found"]);
    let refusal = client.request(&registration("refused", "REFUSED"));
    assert_refused(&refusal, "storage_failed", &["Failed to register service"]);
    assert_eq!(ids(&client.list()), ["kept"]);
    registry.kill();
    fs::remove_file(&flag).unwrap();

    let registry = launch.start();
    let client = registry.client();
    assert_eq!(ids(&client.list()), ["kept"]);
    assert_success(&client.request(&short_lived("after", "AFTER", 30)));
}
