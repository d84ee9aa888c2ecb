//! The limits as settings: where they come from, and what is wrong with them.

use crate::support::{Launch, assert_success, registration};

#[test]
fn limits_come_from_the_file_and_a_flag_wins_over_it() {
    let launch = Launch::new().file("registry.yaml", "limits:\n  services: 1\n  tags: 1\n");
    let registry = launch.flag("--limits", "services=2").start();
    let client = registry.client();

    client.register("a", "");
    client.register("b", "");
    let refusal = client.request(&registration("c", ""));
    assert_eq!(refusal["limit"], "services");
    let mut tagged = registration("a", "");
    tagged["service_info"]["tags"] = serde_json::json!(["x", "y"]);
    assert_eq!(client.request(&tagged)["limit"], "tags");
}

#[test]
fn a_limit_that_makes_no_sense_is_told_before_anything_starts() {
    for (file, expected) in [
        ("limits:\n  tags: 0\n", "limits: tags must be a whole number from 1 to 65536, not 0"),
        (
            "limits:\n  tags: '8'\n",
            "limits: tags must be a whole number from 1 to 65536, not \"8\"",
        ),
        ("limits:\n  ports: [5]\n", "limits: ports is no limit; the limits are message_bytes, "),
        (
            "limits:\n  memory_bytes: 33554432\n",
            "limits: memory_bytes must be at least 167772160, ",
        ),
        ("limits:\n  ports: 5\n", "limits: ports is no limit; the limits are message_bytes, "),
        ("limits: 5\n", "limits: must be a mapping of limits to whole numbers"),
        ("limits:\n  ttl_min: 9\n  ttl_max: 8\n", "limits: ttl_max must be at least ttl_min, 9"),
    ] {
        let finished = Launch::new().file("registry.yaml", file).start_in_vain();

        finished.assert_code(2);
        assert!(finished.complaint().contains(expected), "{}", finished.complaint());
    }
}

#[test]
fn a_flag_that_makes_no_sense_is_told_what_it_can_be() {
    let finished = Launch::new().flag("--limits", "tags=0").start_in_vain();

    finished.assert_code(2);
    let complaint = finished.complaint();
    assert!(complaint.contains("--limits: tags must be a whole number from 1"), "{complaint}");
}

#[test]
fn no_limits_are_the_defaults() {
    let registry = Launch::new().file("registry.yaml", "limits: {}\n").start();

    assert_success(&registry.client().health());
}
