//! What the library takes where it is built for clients alone.

use std::process::Command;

/// The crates that the clients use themselves. One more would come to every device service.
const CLIENT_CRATES: [&str; 13] = [
    "crossbeam-channel",
    "fastrand",
    "futures-channel",
    "futures-core",
    "if-addrs",
    "log",
    "nix",
    "serde",
    "serde_json",
    "thiserror",
    "uuid",
    "zeroize",
    "zmq",
];

/// The names of the crates that the library uses itself when it is built with `features`.
fn crates(features: &[&str]) -> Vec<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--offline", "--edges", "normal", "--depth", "1"]);
    cargo.args(["--prefix", "none", "--format", "{p}"]).args(features);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    // The first is the library itself.
    let others = tree.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    others.map(str::to_owned).collect()
}

#[test]
fn a_client_takes_no_crate_of_the_server_or_the_program() {
    assert_eq!(crates(&["--no-default-features"]), CLIENT_CRATES);
}

#[test]
fn a_server_takes_no_crate_of_the_program() {
    let crates = crates(&["--no-default-features", "--features", "server"]);

    for of_the_server in ["rusqlite", "mio", "serde-saphyr", "httparse"] {
        assert!(
            crates.iter().any(|name| name == of_the_server),
            "{of_the_server} is one of {crates:?}"
        );
    }
    for of_the_program in ["argh", "ratatui", "roff", "hdrhistogram", "simplelog"] {
        assert!(
            crates.iter().all(|name| name != of_the_program),
            "{of_the_program} is one of {crates:?}"
        );
    }
}
