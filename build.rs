//! The version that the program tells: that of the package, and the commit, where there is one. And
//! which C++ library is linked.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let version = env!("CARGO_PKG_VERSION");
    let commit = commit().unwrap_or_default();
    let suffix = if commit.is_empty() { String::new() } else { format!(" ({commit})") };
    println!("cargo::rustc-env=SERVICE_REGISTRY_VERSION={version}{suffix}");
    println!("cargo::rustc-env=SERVICE_REGISTRY_COMMIT={commit}");
    link_cpp_library();
}

/// Links the C++ library that ZeroMQ needs into the program, where the compiler has it as an
/// archive. The shared one keeps a megabyte in memory, of which ZeroMQ uses next to nothing.
fn link_cpp_library() {
    const ARCHIVE: &str = "libstdc++.a";

    let is_gnu = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|name| name == "gnu");
    let is_native = env::var("HOST").ok() == env::var("TARGET").ok();
    let (Some(archive), Ok(folder)) = (library(ARCHIVE), env::var("OUT_DIR")) else { return };
    if !(is_gnu && is_native) {
        return;
    }
    // The linker takes the first of this name, and this folder has nothing but the archive.
    let link = Path::new(&folder).join(ARCHIVE);
    let _ = fs::remove_file(&link);
    if symlink(archive, link).is_ok() {
        println!("cargo::rustc-link-search=native={folder}");
    }
}

/// Where the compiler has its library of this name.
fn library(name: &str) -> Option<PathBuf> {
    let printed = output("c++", &[&format!("-print-file-name={name}")])?;
    // It repeats the name of one that it does not have.
    Some(PathBuf::from(printed)).filter(|path| path.is_absolute())
}

/// The commit of this folder, where it is a git repository of its own and git is there to ask.
fn commit() -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().ok()?;
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != folder {
        return None;
    }
    // Written by every commit and checkout. A file that is not there would mean to ask again for
    // every build.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if folder.join(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=10", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    output("git", arguments)
}

/// What a command says, where it is there and succeeds.
fn output(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
