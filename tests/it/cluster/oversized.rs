//! Requests that are more than etcd takes at once.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{wait_until, wait_until_agreed};
use crate::support::{Client, Etcd, registration, short_lived};

/// More than etcd takes changes in one transaction.
const SILENT: usize = 130;

/// They are stored one by one where one of them is too much: within the 3 s after which a registry
/// that was busy with that is out of contact, also on a slow disk.
const OTHERS: usize = 10;

/// Asks for `odd` among many others, all of them at once, and returns the answer to it; all others
/// must be answered well.
#[track_caller]
fn ask_among_others(client: &Client, odd: &Value) -> Value {
    let other = |number: usize| registration(&format!("other-{number}"), "");
    let half = OTHERS / 2;
    (0..half).for_each(|number| client.send(&other(number)));
    client.send(odd);
    (half..OTHERS).for_each(|number| client.send(&other(number)));

    let mut answers: Vec<Value> = (0..=OTHERS).map(|_| client.receive()).collect();
    let answer = answers.remove(half);
    for answer in answers {
        assert_eq!(answer["success"], true, "{answer}");
    }
    answer
}

#[test]
fn a_registration_that_is_too_long_for_etcd_is_refused_and_no_other() {
    let etcd = Etcd::with_flags(&["--max-request-bytes", "100000"]);
    let (a, b) = (etcd.registry("a"), etcd.registry("b"));
    let client = a.client();
    let mut long = registration("long", "");
    long["service_info"]["metadata"] = json!({"text": "x".repeat(50_000)});

    let answer = ask_among_others(&client, &long);

    assert_eq!(answer["code"], "storage_failed", "{answer}");
    let reason = answer["message"].as_str().unwrap();
    assert!(reason.contains("too large") && reason.contains("--max-request-bytes"), "{reason}");
    wait_until_agreed(&[&client, &b.client()], |list| list.len() == OTHERS);
    assert!(!a.log().contains("could not store changes"), "nothing is wrong: {}", a.log());
}

#[test]
fn a_registration_that_makes_more_changes_than_etcd_takes_is_refused_and_no_other() {
    let etcd = Etcd::start(1);
    // It cleans nothing up meanwhile.
    let a = etcd.launch("a").flag("--cleanup-interval", "3600").start();
    let client = a.client();
    for number in 0..SILENT {
        let mut silent = short_lived(&format!("silent-{number}"), "T", 1);
        silent["service_info"]["allow_duplicate_service_type"] = true.into();
        client.send(&silent);
    }
    (0..SILENT).for_each(|_| assert_eq!(client.receive()["success"], true));
    client.wait_until_critical(&format!("silent-{}", SILENT - 1));

    let only = registration("only", "T");
    // Until all that others may have heard is known; whoever asks before takes some of them out.
    thread::sleep(Duration::from_secs(6));
    wait_until("it has heard itself since", || {
        client.info()["cluster"]["heard_seconds_ago"].as_f64().is_some_and(|ago| ago < 1.0)
    });
    let answer = ask_among_others(&client, &only);

    assert_eq!(answer["code"], "storage_failed", "{answer}");
    let reason = answer["message"].as_str().unwrap();
    assert!(reason.contains("changes at once, and etcd takes 126"), "{reason}");
    let answer = client.get("only");
    assert_eq!(answer["success"], false, "{answer}");
}
