//! Small libraries in C that Linux loads into the registry's process before the system's own
//! functions, so that chosen calls of the system go wrong.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

/// The library of this name, from the file beside this one. Built with the compiler that built
/// SQLite, once in a run of the tests.
#[track_caller]
pub(super) fn preloaded(name: &'static str) -> PathBuf {
    static BUILT: LazyLock<Mutex<HashMap<&str, PathBuf>>> = LazyLock::new(Mutex::default);
    let mut built = BUILT.lock().expect("another library was built");
    built.entry(name).or_insert_with(|| build(name)).clone()
}

#[track_caller]
fn build(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support");
    let fresh = folder.join(format!("{name}-{}.so", std::process::id()));
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut command = Command::new(compiler);
    command.args(["-O1", "-Wall", "-shared", "-fPIC", "-o"]).arg(&fresh);
    command.arg(sources.join(format!("{name}.c")));
    assert!(command.status().expect("there is a C compiler").success());
    // In one step, because other runs may be loading it.
    let library = folder.join(format!("{name}.so"));
    fs::rename(&fresh, &library).unwrap();
    library
}
