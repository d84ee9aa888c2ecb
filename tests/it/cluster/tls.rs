//! Members and registries that know each other by certificates.

use serde_json::{Value, json};

use super::{assert_outlives_its_member, wait_until, wait_until_agreed};
use crate::support::{Authority, Etcd};

/// The settings of a registry called `name`, as `authority` has certified it.
fn settings(etcd: &Etcd, name: &str, authority: &Authority) -> Value {
    let mut settings = etcd.settings(name);
    settings["ca_file"] = authority.file("authority.pem").into();
    settings["cert_file"] = authority.file("registry.pem").into();
    settings["key_file"] = authority.file("registry.key").into();
    settings
}

#[test]
fn registries_that_show_a_certificate_share_a_list_with_each_other() {
    let authority = Authority::new();
    let etcd = Etcd::behind_tls(&authority);
    let [a, b] = ["a", "b"].map(|name| settings(&etcd, name, &authority));
    let (a, b) = (Etcd::launch_with(&a).start(), Etcd::launch_with(&b).start());
    let (at_a, at_b) = (a.client(), b.client());

    at_a.register("psu-1", "PSU");

    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 1);
    assert_eq!(at_b.deregister("psu-1")["success"], true);
    wait_until_agreed(&[&at_a, &at_b], <[_]>::is_empty);
    // The herald, which tells who is there, and the commands show it, too.
    let both = json!(["a", "b"]);
    wait_until("both are there", || at_a.info()["cluster"]["registries"] == both);
    let exported = settings(&etcd, "a", &authority).to_string();
    let arguments = ["export", "lab.jsonl", "--backend", "etcd", "--etcd", &exported];
    a.launch().run(&arguments).assert_code(0);
}

#[test]
fn a_member_that_comes_back_is_known_by_its_certificate_again() {
    let authority = Authority::new();
    let etcd = Etcd::behind_tls(&authority);
    let a = Etcd::launch_with(&settings(&etcd, "a", &authority)).start();

    assert_outlives_its_member(etcd, &a);
}

#[test]
fn beside_passwords_a_certificate_with_a_common_name_is_refused_and_one_without_is_not() {
    let authority = Authority::new();
    let mut etcd = Etcd::behind_tls(&authority);
    etcd.ask_for_passwords();
    let mut settings = settings(&etcd, "a", &authority);
    settings["user"] = "registry".into();
    settings["password_file"] = "password".into();
    let launch = |settings: &Value| Etcd::launch_with(settings).file("password", "registry");

    launch(&settings).start().client().register("psu-1", "PSU");

    settings["cert_file"] = authority.file("named.pem").into();
    settings["key_file"] = authority.file("named.key").into();
    let finished = launch(&settings).start_in_vain();
    finished.assert_code(1);
    assert!(finished.complaint().contains("CommonName of client"), "{}", finished.stderr);
}

/// Starts with `mistake` in the settings, and returns what it complains of.
#[track_caller]
fn complaint(mut settings: Value, mistake: &Value) -> String {
    for (key, value) in mistake.as_object().unwrap() {
        settings[key] = value.clone();
    }
    settings.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let finished = Etcd::launch_with(&settings).start_in_vain();
    finished.assert_code(1);
    finished.complaint().to_owned()
}

#[test]
fn who_is_not_certified_or_does_not_know_the_member_does_not_start() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let etcd = Etcd::behind_tls(&authority);
    let [cert, key] = ["registry.pem", "registry.key"].map(|name| stranger.file(name));
    let plain = etcd.url(0).replacen("https", "http", 1);

    for (mistake, reason) in [
        (json!({"cert_file": null, "key_file": null}), "see whether it takes the certificate"),
        (json!({"cert_file": cert, "key_file": key}), "see whether it takes the certificate"),
        (json!({"ca_file": stranger.file("authority.pem")}), "invalid peer certificate"),
        (json!({"ca_file": null}), "invalid peer certificate: UnknownIssuer"),
        (json!({"endpoints": [plain]}), "does not answer"),
    ] {
        let told = complaint(settings(&etcd, "a", &authority), &mistake);

        assert!(told.contains(reason), "{mistake}: {told}");
        assert!(told.contains(&etcd.url(0)["https".len()..]), "{mistake}: {told}");
    }
}

#[test]
fn a_file_that_is_missing_or_holds_something_else_is_named() {
    let authority = Authority::new();
    let etcd = Etcd::behind_tls(&authority);
    let [cert, key] = ["registry.pem", "registry.key"];

    for (setting, file, words) in [
        ("ca_file", "missing.pem", "cannot read"),
        ("cert_file", "missing.pem", "cannot read"),
        ("key_file", "missing.key", "cannot read"),
        ("ca_file", key, "holds no certificate"),
        ("cert_file", key, "holds no certificate"),
        ("key_file", cert, "holds no key"),
    ] {
        let path = authority.file(file);
        let told = complaint(settings(&etcd, "a", &authority), &json!({setting: path}));

        assert!(told.contains(words) && told.contains(&path), "{setting}: {told}");
    }
    let other = authority.file("member.key");
    let told = complaint(settings(&etcd, "a", &authority), &json!({"key_file": other}));
    let words = format!("{other} does not go with {}", authority.file(cert));
    assert!(told.contains(&words), "{told}");
}
