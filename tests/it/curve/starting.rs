//! What a registry needs to start with keys, and that it never runs open instead.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use service_registry::curve::check_available;

use super::{Lab, SERVER_FILE};
use crate::support::Launch;

/// From the documentation of libzmq: everybody knows it.
const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";

fn curve(key_file: &str) -> String {
    format!(
        r#"{{"key_file": "{key_file}", "clients": [
            {{"name": "me", "key": "{PUBLIC}", "rights": "admin"}}
        ]}}"#
    )
}

#[test]
fn without_curve_in_libzmq_a_registry_that_should_have_keys_does_not_start() {
    if check_available().is_ok() {
        return;
    }
    let launch = Launch::new().flag("--curve", &curve(SERVER_FILE));

    let finished = launch.start_in_vain();

    finished.assert_code(1);
    let complaint = finished.complaint();
    for word in ["`curve` is set", "no CURVE", "docs/security.md"] {
        assert!(complaint.contains(word), "{complaint}");
    }
    assert!(!launch.path("service_registry.db").exists(), "nothing was begun");
}

#[test]
fn without_curve_in_libzmq_no_keys_are_made_and_no_client_asks_openly() {
    if check_available().is_ok() {
        return;
    }
    let launch = Launch::new().file("own.key", key_file_text());
    fs::set_permissions(launch.path("own.key"), Permissions::from_mode(0o600)).unwrap();
    let server_key = format!("--server-key={PUBLIC}");

    for arguments in [
        &["keygen", "new.key"] as &[&str],
        &["health", "--key-file=own.key", &server_key],
        &["watch", "--key-file=own.key", &server_key],
    ] {
        let finished = launch.run(arguments);

        finished.assert_code(1);
        assert!(finished.complaint().contains("no CURVE"), "{finished:?}");
    }
    assert!(!launch.path("new.key").exists());
}

#[test]
fn the_keys_of_a_registry_must_be_there_and_nobody_elses() {
    let Some(lab) = Lab::new() else { return };
    let refusal = || {
        let finished = lab.launch.start_in_vain();
        finished.assert_code(1);
        finished.complaint().to_owned()
    };
    let path = lab.launch.path(SERVER_FILE);

    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let exposed = refusal();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "no keys").unwrap();
    let broken = refusal();
    fs::remove_file(&path).unwrap();
    let missing = refusal();

    for word in ["server.key", "mode 0640", "chmod 600"] {
        assert!(exposed.contains(word), "{exposed}");
    }
    assert!(broken.contains("server.key is no key file"), "{broken}");
    assert!(missing.contains("cannot read the key file server.key"), "{missing}");
    assert!(!lab.launch.path("service_registry.db").exists(), "nothing was begun");
}

#[test]
fn keys_are_made_once_and_for_their_owner() {
    if check_available().is_err() {
        return;
    }
    let launch = Launch::new();

    let made = launch.run(&["keygen", "own.key"]);
    let again = launch.run(&["keygen", "own.key"]);

    made.assert_code(0);
    let public = made.stdout.trim();
    assert_eq!(public.len(), 40, "{public}");
    assert_eq!(made.stderr, "");
    let text = fs::read_to_string(launch.path("own.key")).unwrap();
    assert!(text.contains(&format!("public-key = \"{public}\"")), "{public}");
    let mode = fs::metadata(launch.path("own.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    again.assert_code(1);
    assert!(again.complaint().contains("own.key exists"), "{again:?}");
    assert_eq!(fs::read_to_string(launch.path("own.key")).unwrap(), text);
}

#[test]
fn a_mistake_in_the_keys_of_the_clients_is_named_with_its_place() {
    let launch = Launch::new().file(
        "registry.yaml",
        "\ncurve:\n  key_file: a\n  clients: [{name: me, key: 'short', rights: admin}]\n",
    );

    let finished = launch.start_in_vain();

    finished.assert_code(2);
    let complaint = finished.complaint();
    assert!(complaint.contains("registry.yaml:2: curve: client \"me\": the key is no key"));
    assert!(!complaint.contains("short"), "{complaint}");
}

#[test]
fn one_key_without_the_other_is_no_way_to_ask() {
    let launch = Launch::new();

    for arguments in [["health", "--key-file=own.key"], ["health", "--server-key=x"]] {
        launch.run(&arguments).assert_code(2);
    }
    let finished = launch.variable("SERVICE_REGISTRY_KEY_FILE", "own.key").run(&["health"]);
    finished.assert_code(2);
    assert!(finished.complaint().contains("--server-key"), "{finished:?}");
}

fn key_file_text() -> String {
    // The secret is in the documentation of libzmq as well.
    let secret = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
    format!("curve\n    public-key = \"{PUBLIC}\"\n    secret-key = \"{secret}\"\n")
}
