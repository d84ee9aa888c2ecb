//! An etcd that asks who one is.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    assert_outlives_its_member, in_contact, wait_until, wait_until_agreed, wait_until_registered,
};
use crate::support::{Etcd, Registry};

/// For how long etcd knows a token that nobody shows, in seconds.
const TOKEN_TTL: u64 = 1;

/// The settings of a registry called `name`, and the registry as they make it.
#[track_caller]
fn start(etcd: &Etcd, name: &str) -> Registry {
    Etcd::launch_with(&settings(etcd, name)).file("password", "registry\n").start()
}

/// Those of a registry with a file `password`.
fn settings(etcd: &Etcd, name: &str) -> Value {
    let mut settings = etcd.settings(name);
    settings["user"] = "registry".into();
    settings["password_file"] = "password".into();
    settings
}

fn etcd_with_passwords() -> Etcd {
    let mut etcd = Etcd::with_flags(&["--auth-token-ttl", &TOKEN_TTL.to_string()]);
    etcd.ask_for_passwords();
    etcd
}

#[test]
fn registries_with_a_user_and_its_password_share_a_list() {
    let etcd = etcd_with_passwords();
    let (a, b) = (start(&etcd, "a"), start(&etcd, "b"));
    let (at_a, at_b) = (a.client(), b.client());

    at_a.register("psu-1", "PSU");

    wait_until_agreed(&[&at_a, &at_b], |list| list.len() == 1);
    let both = json!(["a", "b"]);
    wait_until("both are there", || at_b.info()["cluster"]["registries"] == both);
    wait_until("the members are known", || at_a.info()["cluster"]["etcd"].is_object());
}

#[test]
fn a_token_that_has_run_out_is_followed_by_another_and_nobody_is_refused() {
    let etcd = etcd_with_passwords();
    let a = start(&etcd, "a");
    let client = a.client();
    client.register("with-the-first-token", "");

    // Nothing tells when etcd has forgotten it.
    thread::sleep(Duration::from_secs(3 * TOKEN_TTL));
    client.register("with-the-second", "");

    // What changes any user makes all tokens old.
    etcd.administer(&["user", "add", "another:another"]);
    client.register("with-the-third", "");
    wait_until("it is in contact", || in_contact(&client));
}

#[test]
fn tokens_that_a_member_forgot_with_its_end_are_followed_by_others() {
    let etcd = etcd_with_passwords();
    let a = start(&etcd, "a");

    assert_outlives_its_member(etcd, &a);
}

#[test]
fn a_registry_whose_user_is_taken_away_is_out_of_contact_and_tells_why() {
    let etcd = etcd_with_passwords();
    let a = start(&etcd, "a");
    let client = a.client();
    client.register("before", "");

    etcd.administer(&["user", "delete", "registry"]);

    wait_until("the contact is lost", || !in_contact(&client));
    let reason = || client.info()["cluster"]["reason"].to_string();
    wait_until("it tells why", || reason().contains("authentication failed"));
    assert_eq!(client.get("before")["success"], true, "reads go on");
    for command in ["user add registry:registry", "user grant-role registry registry"] {
        etcd.administer(&command.split(' ').collect::<Vec<_>>());
    }
    wait_until("it is back", || in_contact(&client));
    wait_until_registered(&client, "behind");
}

#[test]
fn who_may_not_use_etcd_does_not_start_and_is_told_why() {
    let etcd = etcd_with_passwords();
    etcd.administer(&["user", "add", "nobody:registry"]);
    let nobody = json!({"user": "nobody"});

    for (password, mistake, reason) in [
        ("wrong\n", json!({}), "authentication failed, invalid user ID or password"),
        ("registry", json!({"user": "unknown"}), "authentication failed, invalid user ID"),
        ("registry", json!({"user": null, "password_file": null}), "user name is empty"),
        ("registry", nobody, "permission denied"),
        ("registry", json!({"prefix": "/elsewhere/"}), "permission denied"),
        ("\n", json!({}), "password holds no password"),
        ("registry", json!({"password_file": "missing"}), "cannot read missing"),
    ] {
        let mut settings = settings(&etcd, "a");
        for (key, value) in mistake.as_object().unwrap() {
            settings[key] = value.clone();
        }
        settings.as_object_mut().unwrap().retain(|_, value| !value.is_null());

        let finished = Etcd::launch_with(&settings).file("password", password).start_in_vain();

        finished.assert_code(1);
        let told = finished.complaint();
        assert!(told.contains(reason), "{mistake}: {told}");
        assert!(!finished.stderr.contains("wrong"), "no password is told: {}", finished.stderr);
    }
}
