//! `service-registry export` and `import` from a database to etcd and back.

use std::fs;

use serde_json::json;

use super::wait_until;
use crate::support::{
    Etcd, EtcdProxy, Finished, Launch, Passage, assert_success, short_lived, singleton,
};

const FILE: &str = "lab.jsonl";

/// More than go into one transaction.
const SERVICES: usize = 300;

/// Runs a command on the registry that `etcd` keeps.
#[track_caller]
fn on_etcd(etcd: &Etcd, launch: &Launch, arguments: &[&str]) -> Finished {
    let settings = etcd.settings("a").to_string();
    launch.run(&[arguments, &["--backend", "etcd", "--etcd", &settings]].concat())
}

/// What a database with many services, and a policy, was exported as.
fn exported() -> (Launch, String) {
    let launch = Launch::new();
    let registry = launch.start();
    let client = registry.client();
    assert_success(&client.request(&singleton("z", "C")));
    for number in 0..SERVICES {
        let service = short_lived(&format!("s{}", SERVICES - number), "", 86_400);
        assert_success(&client.request(&service));
    }
    registry.stop();
    launch.run(&["export", FILE]).assert_code(0);
    let text = fs::read_to_string(launch.path(FILE)).unwrap();
    (launch, text)
}

#[test]
fn a_registry_goes_to_etcd_and_back_as_it_was() {
    let etcd = Etcd::start(1);
    let (launch, text) = exported();

    on_etcd(&etcd, &launch, &["import", FILE]).assert_code(0);
    on_etcd(&etcd, &launch, &["export", "again.jsonl"]).assert_code(0);

    assert_eq!(fs::read_to_string(launch.path("again.jsonl")).unwrap(), text);
    let back = Launch::new().file(FILE, &text);
    back.run(&["import", FILE]).assert_code(0);
    back.run(&["export", "again.jsonl"]).assert_code(0);
    assert_eq!(fs::read_to_string(back.path("again.jsonl")).unwrap(), text);
    // A registry that is started there has it, too.
    let list = etcd.registry("a").client().list();
    let listed = list["services"].as_array().unwrap().iter();
    let listed = listed.map(|service| service["id"].as_str().unwrap().to_owned());
    let expected = (0..SERVICES).map(|number| format!("s{}", SERVICES - number));
    assert!(listed.eq(["z".to_owned()].into_iter().chain(expected)), "{list}");
}

#[test]
fn etcd_that_is_used_or_not_empty_is_left_alone() {
    let etcd = Etcd::start(1);
    let launch = Launch::new().file(FILE, exported().1);
    let nothing = on_etcd(&etcd, &launch, &["export", "new.jsonl"]);
    nothing.assert_code(1);
    assert!(nothing.stderr.contains("no registry has used etcd"), "{}", nothing.stderr);

    let registry = etcd.registry("a");
    registry.client().register("old", "OLD");
    // It tells others that it is there a moment after it serves.
    wait_until("it is there", || registry.client().info()["cluster"]["registries"] == json!(["a"]));
    let in_use = on_etcd(&etcd, &launch, &["import", FILE, "--force"]);
    in_use.assert_code(1);
    assert!(in_use.stderr.contains("these registries use it: a"), "{}", in_use.stderr);
    on_etcd(&etcd, &launch, &["export", "live.jsonl"]).assert_code(0);
    assert!(fs::read_to_string(launch.path("live.jsonl")).unwrap().contains("\"id\":\"old\""));

    registry.stop();
    // Where it could not say goodbye, etcd forgets it some seconds later.
    wait_until("only what is in etcd is in the way", || {
        let not_empty = on_etcd(&etcd, &launch, &["import", FILE]);
        not_empty.assert_code(1);
        not_empty.stderr.contains("(services: 1, policies: 0)")
    });
    on_etcd(&etcd, &launch, &["import", FILE, "--force"]).assert_code(0);
    on_etcd(&etcd, &launch, &["export", "again.jsonl"]).assert_code(0);
    let (given, kept) = (launch.path(FILE), launch.path("again.jsonl"));
    assert_eq!(fs::read(kept).unwrap(), fs::read(given).unwrap());
}

/// The settings of what reaches `etcd` through `proxy`, and asks again as late as it may.
fn through(proxy: &EtcdProxy, etcd: &Etcd) -> String {
    let mut settings = etcd.settings("a");
    settings["endpoints"] = [proxy.url()].into();
    settings["request_timeout"] = 2.into();
    settings.to_string()
}

#[test]
fn an_import_that_was_killed_leaves_what_nobody_takes_for_a_list_until_it_is_done_again() {
    let etcd = Etcd::start(1);
    let proxy = EtcdProxy::to(&etcd.url(0));
    let launch = Launch::new().file(FILE, exported().1);
    let settings = through(&proxy, &etcd);

    // The first makes the list, the next one stores as much as goes into one.
    proxy.next_transactions(&[Passage::Answered, Passage::Answered, Passage::QuestionHeld]);
    let import = launch.begin(&["import", FILE, "--backend", "etcd", "--etcd", &settings]);
    proxy.wait_until_passed();
    import.signal("KILL");
    assert_eq!(import.wait().code(), None, "a signal ended it");

    let reason = "an import is under way, or was interrupted";
    let refused = [
        etcd.launch("a").start_in_vain(),
        on_etcd(&etcd, &launch, &["export", "half.jsonl"]),
        on_etcd(&etcd, &launch, &["import", FILE]),
    ];
    for finished in refused {
        finished.assert_code(1);
        assert!(finished.stderr.contains(reason), "{}", finished.stderr);
    }
    on_etcd(&etcd, &launch, &["import", FILE, "--force"]).assert_code(0);
    on_etcd(&etcd, &launch, &["export", "again.jsonl"]).assert_code(0);
    let (given, kept) = (launch.path(FILE), launch.path("again.jsonl"));
    assert_eq!(fs::read(kept).unwrap(), fs::read(given).unwrap());
    etcd.registry("a").client().register("later", "");
}

#[test]
fn an_import_whose_answers_were_lost_is_whole() {
    let etcd = Etcd::start(1);
    let proxy = EtcdProxy::to(&etcd.url(0));
    let launch = Launch::new().file(FILE, exported().1);
    let settings = through(&proxy, &etcd);

    let losses = [Passage::AnswerLost, Passage::QuestionLost, Passage::AnswerHeld];
    proxy.next_transactions(&losses.map(|loss| [loss, Passage::Answered]).concat());
    launch.run(&["import", FILE, "--backend", "etcd", "--etcd", &settings]).assert_code(0);

    proxy.wait_until_passed();
    on_etcd(&etcd, &launch, &["export", "again.jsonl"]).assert_code(0);
    let (given, kept) = (launch.path(FILE), launch.path("again.jsonl"));
    assert_eq!(fs::read(kept).unwrap(), fs::read(given).unwrap());
}

#[test]
fn an_import_that_etcd_does_not_answer_says_how_far_it_came_and_what_to_do() {
    let etcd = Etcd::start(1);
    let proxy = EtcdProxy::to(&etcd.url(0));
    let launch = Launch::new().file(FILE, exported().1);
    let settings = through(&proxy, &etcd);

    let [well, lost] = [Passage::Answered, Passage::QuestionLost];
    proxy.next_transactions(&[well, well, lost, lost]);
    let finished = launch.run(&["import", FILE, "--backend", "etcd", "--etcd", &settings]);

    finished.assert_code(1);
    let told = finished.complaint();
    assert!(told.contains("of 302 changes are made: run the same again with --force"), "{told}");
    assert!(etcd.launch("a").start_in_vain().stderr.contains("import"));
}
