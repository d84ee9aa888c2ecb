//! A secret key stays in its file.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use service_registry::curve::KeyPair;

use super::{FILE, Lab, SERVER_FILE};

/// All ways in which a key could be written.
fn ways_to_write(key: &[u8], file: &str) -> Vec<String> {
    let text = file.split('"').nth(3).expect("the secret key stands behind the public one");
    let mut hex = String::new();
    for byte in key {
        write!(hex, "{byte:02x}").unwrap();
    }
    let list = format!("{key:?}");
    vec![text.to_owned(), hex.to_uppercase(), hex, list.trim_matches(['[', ']']).to_owned()]
}

#[test]
fn no_log_no_answer_and_no_complaint_has_a_secret_key() {
    let Some(lab) = Lab::new() else { return };
    let launch = lab.launch.clone().flag("--log-level", "trace");
    let registry = launch.start();
    let mut said = String::new();
    let client = lab.host("admin", &registry);
    for action in ["info", "list", "health", "no such action"] {
        said += &client.request(&json!({"action": action})).to_string();
    }
    for name in ["admin", "read", "stranger"] {
        let flags = lab.flags(name);
        for command in [&["status"] as &[&str], &["status", "--json"], &["stop", "--json"]] {
            if (name, command[0]) == ("admin", "stop") {
                continue;
            }
            let finished =
                registry.run(&[command, &[&flags[0], &flags[1], "--timeout=0.3"]].concat());
            said += &format!("{}{}", finished.stdout, finished.stderr);
        }
    }
    fs::write(launch.path(FILE), lab.settings(&["read"])).unwrap();
    registry.signal("HUP");
    registry.wait_for_line("read anew");
    fs::write(launch.path(FILE), "curve: 1\n").unwrap();
    registry.signal("HUP");
    registry.wait_for_line("stay as they are");
    let builder = lab.builder("admin", &registry);
    said += &format!("{builder:?} {builder:#?} {:?}", lab.curve("read"));
    registry.signal("TERM");
    let finished = registry.wait();
    said += &format!("{}{}", finished.stdout, finished.stderr);
    // A key that stands where a file should be named, and a file that is open to all.
    fs::write(launch.path(FILE), "").unwrap();
    fs::set_permissions(launch.path("admin"), Permissions::from_mode(0o644)).unwrap();
    let text = fs::read_to_string(launch.path("admin")).unwrap();
    let secret = text.split('"').nth(3).unwrap();
    let as_path = format!("--key-file={secret}");
    let server_key = format!("--server-key={}", lab.server);
    let commands = [["health", &as_path, &server_key], ["health", "--key-file=admin", &server_key]];
    for arguments in commands {
        let finished = lab.launch.run(&arguments);
        finished.assert_code(1);
        said += &format!("{}{}", finished.stdout, finished.stderr);
    }
    let settings = format!("curve: {{key_file: '{secret}', clients: [{{name: a, key: b}}]}}\n");
    fs::write(launch.path(FILE), settings).unwrap();
    said += &launch.start_in_vain().stderr;
    said += &launch.flag("--curve", secret).start_in_vain().stderr;

    assert!(said.contains(&lab.server.to_string()), "the public key is no secret");
    let registry = KeyPair::load(&lab.launch.path(SERVER_FILE)).unwrap();
    let all = lab.clients.iter().map(|(name, keys)| (*name, keys));
    for (name, keys) in all.chain([(SERVER_FILE, &registry)]) {
        let file = fs::read_to_string(lab.launch.path(name)).unwrap();
        for way in ways_to_write(keys.secret.as_bytes(), &file) {
            assert!(!said.contains(&way), "the secret key of {name} is told");
        }
    }
}
