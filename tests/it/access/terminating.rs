//! `terminate`: who may stop the registry.

use serde_json::json;

use super::Host;
use crate::support::{Launch, assert_refused, assert_success};

#[test]
fn programs_on_the_loopback_stop_it_by_default() {
    let registry = Launch::new().start();

    assert_success(&Host::at("127.0.0.9", &registry).request(&json!({"action": "terminate"})));

    registry.wait().assert_code(0);
}

#[test]
fn never_means_that_a_signal_alone_stops_it() {
    let registry = Launch::new().flag("--terminate", "never").start();
    let host = Host::at("127.0.0.1", &registry);

    let refusal = host.request(&json!({"action": "terminate"}));
    let by_command = registry.run(&["stop"]);

    assert_refused(&refusal, "not_allowed", &["Not allowed"]);
    assert!(refusal["message"].as_str().unwrap().contains("signals alone"), "{refusal}");
    by_command.assert_code(1);
    assert!(by_command.complaint().contains("`terminate` in registry.yaml"));
    assert_success(&host.health());
    registry.signal("TERM");
    registry.wait().assert_code(0);
}

#[test]
fn a_host_beyond_the_loopback_stops_it_only_where_whoever_is_allowed_may() {
    // Some address of this host that is not on its loopback, where it has one.
    let mut own = if_addrs::get_if_addrs().unwrap().into_iter().map(|one| one.ip());
    let Some(own) = own.find(|address| address.is_ipv4() && !address.is_loopback()) else {
        return;
    };
    let launch = Launch::new().flag("--bind", &own.to_string());

    let careful = launch.start();
    let host = Host::at(&own.to_string(), &careful);
    let refusal = host.request(&json!({"action": "terminate"}));
    assert_refused(&refusal, "not_allowed", &["Not allowed"]);
    assert!(refusal["message"].as_str().unwrap().contains("127.0.0.1"), "{refusal}");
    assert_success(&host.health());
    careful.signal("TERM");
    careful.wait().assert_code(0);

    let trusting = launch.flag("--terminate", "allowed").start();
    let reply = Host::at(&own.to_string(), &trusting).request(&json!({"action": "terminate"}));
    assert_success(&reply);
    trusting.wait().assert_code(0);
}
