//! Fields that are missing, of the wrong kind, or out of range.

use serde_json::{Value, json};

use super::{Unharmed, registration_with};
use crate::support::{Registry, assert_success};

/// What a value is called in an error: small ones as they are, others by their kind.
fn kind(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Each of `values` in `field` of `service_info` is refused with an error that names the
/// field, what it must be, and what it is.
#[track_caller]
fn assert_wrong_kinds(field: &str, allowed: &str, values: &[Value]) {
    let registry = Unharmed::start();
    for value in values {
        let request = registration_with(|request| {
            request["service_info"][field] = value.clone();
        });

        let must_be = format!("Invalid field in service_info: {field} must be {allowed}");
        let not = format!("not {}", kind(value));
        registry.assert_refuses(&request, "invalid_field", &[&must_be, &not]);
    }
    registry.assert_unharmed();
}

/// As [`assert_wrong_kinds`], for values of the right kind that are not allowed.
#[track_caller]
fn assert_out_of_range(field: &str, allowed: &str, values: &[Value]) {
    let registry = Unharmed::start();
    for value in values {
        let request = registration_with(|request| {
            request["service_info"][field] = value.clone();
        });

        let must_be = format!("Invalid field in service_info: {field} must be {allowed}");
        registry.assert_refuses(&request, "invalid_field", &[&must_be]);
    }
    registry.assert_unharmed();
}

#[test]
fn a_name_that_is_no_text_is_refused() {
    assert_wrong_kinds("name", "a string", &[json!(5), json!(true), json!([]), json!({})]);
}

#[test]
fn a_host_that_is_no_text_is_refused() {
    assert_wrong_kinds("host", "a string", &[json!(5), json!(false), json!(["h"]), json!({})]);
}

#[test]
fn a_port_that_is_no_whole_number_is_refused() {
    let allowed = "a whole number from 0 to 65535";

    assert_wrong_kinds("port", allowed, &[json!("6110"), json!(true), json!([]), json!({})]);
    assert_out_of_range("port", allowed, &[json!(-1), json!(65536), json!(6110.5), json!(1e3)]);
}

#[test]
fn tags_that_are_no_list_of_texts_are_refused() {
    let allowed = "a list of strings";

    assert_wrong_kinds("tags", allowed, &[json!("x"), json!(5), json!({}), json!(true)]);
    assert_out_of_range("tags", allowed, &[json!([1]), json!(["a", null]), json!([["a"]])]);
}

#[test]
fn metadata_that_is_no_object_is_refused() {
    let values = [json!("x"), json!(5), json!([]), json!(true)];

    assert_wrong_kinds("metadata", "an object", &values);
}

#[test]
fn an_id_that_is_no_text_is_refused() {
    assert_wrong_kinds("id", "a string", &[json!(5), json!(true), json!([]), json!({})]);
}

#[test]
fn a_type_that_is_no_text_is_refused() {
    assert_wrong_kinds("type", "a string", &[json!(5), json!(false), json!([]), json!({})]);
}

#[test]
fn a_policy_that_is_not_true_or_false_is_refused() {
    let values = [json!("yes"), json!(1), json!([]), json!({})];

    assert_wrong_kinds("singleton", "true or false", &values);
    assert_wrong_kinds("allow_duplicate_service_type", "true or false", &values);
}

#[test]
fn a_ttl_that_is_no_whole_number_of_seconds_is_refused() {
    let must_be = "Invalid field: ttl must be a whole number of seconds from 1 to 4294967295";
    let registry = Unharmed::start();

    for value in [json!("30"), json!(true), json!([]), json!({})] {
        let request = registration_with(|request| request["ttl"] = value.clone());
        let not = format!("not {}", kind(&value));
        registry.assert_refuses(&request, "invalid_field", &[must_be, &not]);
    }
    for value in [json!(0), json!(-5), json!(30.5), json!(4_294_967_296_u64)] {
        let request = registration_with(|request| request["ttl"] = value.clone());
        registry.assert_refuses(&request, "invalid_field", &[must_be]);
    }

    registry.assert_unharmed();
}

#[test]
fn a_service_info_that_is_no_object_is_refused() {
    let registry = Unharmed::start();

    for value in [json!("dev"), json!(5), json!([]), json!(true)] {
        let request = registration_with(|request| request["service_info"] = value.clone());
        let not = format!("not {}", kind(&value));
        let words = ["Invalid field: service_info must be an object", &not];
        registry.assert_refuses(&request, "invalid_field", &words);
    }

    registry.assert_unharmed();
}

#[test]
fn a_required_field_that_is_missing_or_null_is_refused() {
    let registry = Unharmed::start();

    for field in ["name", "host", "port"] {
        let missing = registration_with(|request| {
            request["service_info"].as_object_mut().unwrap().remove(field);
        });
        let error = format!("Missing required field in service_info: {field}");
        registry.assert_refuses(&missing, "missing_field", &[&error]);
        let null = registration_with(|request| request["service_info"][field] = Value::Null);
        let reply = registry.client.request(&null);
        assert_eq!(reply["success"], false, "{reply}");
        assert!(reply["error"].as_str().unwrap().contains(field), "{reply}");
    }
    let null = registration_with(|request| request["service_info"] = Value::Null);
    let reply = registry.client.request(&null);
    assert_eq!(reply["success"], false, "{reply}");
    assert!(reply["error"].as_str().unwrap().contains("service_info"), "{reply}");

    registry.assert_unharmed();
}

#[test]
fn a_service_id_that_is_no_text_is_refused() {
    let registry = Unharmed::start();

    for action in ["deregister", "renew", "get"] {
        for value in [json!(5), json!(true), json!(["keeper"]), json!({})] {
            let request = json!({"action": action, "service_id": value.clone()});
            let not = format!("not {}", kind(&value));
            let words = ["Invalid field: service_id must be a string", &not];
            registry.assert_refuses(&request, "invalid_field", &words);
        }
        for missing in [json!({}), json!({"service_id": null}), json!({"service_id": ""})] {
            let mut request = missing;
            request["action"] = action.into();
            let words = ["Missing required field: service_id"];
            registry.assert_refuses(&request, "missing_field", &words);
        }
    }

    registry.assert_unharmed();
}

#[test]
fn a_service_type_that_is_no_text_is_refused() {
    let registry = Unharmed::start();

    for action in ["list", "discover"] {
        for value in [json!(5), json!(true), json!(["KEPT"]), json!({})] {
            let request = json!({"action": action, "service_type": value.clone()});
            let not = format!("not {}", kind(&value));
            let words = ["Invalid field: service_type must be a string", &not];
            registry.assert_refuses(&request, "invalid_field", &words);
        }
    }
    for service_type in [json!(null), json!("")] {
        let request = json!({"action": "discover", "service_type": service_type});
        let words = ["Missing required field: service_type"];
        registry.assert_refuses(&request, "missing_field", &words);
    }

    registry.assert_unharmed();
}

#[test]
fn a_null_optional_field_counts_as_absent_and_so_do_an_empty_id_and_type() {
    let registry = Registry::start();
    let client = registry.client();
    let service_info = json!({
        "name": "dev", "host": "h", "port": 0, "id": null, "type": null, "metadata": null,
        "tags": null, "singleton": null, "allow_duplicate_service_type": null,
    });

    let with_nulls =
        client.request(&json!({"action": "register", "service_info": service_info, "ttl": null}));
    let with_empties = client.request(&json!({
        "action": "register",
        "service_info": {"name": "dev", "host": "h", "port": 0, "id": "", "type": ""},
    }));

    for reply in [with_nulls, with_empties] {
        assert_success(&reply);
        let id = reply["service_id"].as_str().unwrap();
        assert!(id.starts_with("dev-"), "{id} is generated");
        let service = &client.get(id)["service"];
        assert_eq!(service["ttl"], 30);
        assert_eq!(service["tags"], json!([]));
        assert_eq!(service["metadata"], json!({}));
    }
}

#[test]
fn other_empty_texts_are_values_and_are_kept() {
    let registry = Registry::start();
    let client = registry.client();

    assert_success(&client.request(&json!({
        "action": "register",
        "service_info": {
            "name": "", "host": "", "port": 0, "id": "blank", "tags": [""], "metadata": {"": ""},
        },
    })));

    let service = &client.get("blank")["service"];
    assert_eq!(service["name"], "");
    assert_eq!(service["host"], "");
    assert_eq!(service["tags"], json!([""]));
    assert_eq!(service["metadata"], json!({"": ""}));
}
