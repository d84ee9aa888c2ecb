//! What tests ask of answers.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

#[track_caller]
pub(crate) fn assert_success(reply: &Value) {
    assert_eq!(reply["success"], true, "{reply}");
}

/// A refusal with this code, whose error names every one of `words`.
#[track_caller]
pub(crate) fn assert_refused(reply: &Value, code: &str, words: &[&str]) {
    assert_eq!(reply["success"], false, "{reply}");
    assert_eq!(reply["code"], code, "{reply}");
    let error = reply["error"].as_str().unwrap_or_default();
    for word in words {
        assert!(error.contains(word), "{error:?} does not say {word:?}");
    }
}

/// The ids of the services in an answer to `list` or `info`, in their order.
#[track_caller]
pub(crate) fn ids(reply: &Value) -> Vec<&str> {
    let services = reply["services"].as_array().expect("the answer has services");
    services.iter().map(|service| service["id"].as_str().expect("an id is a text")).collect()
}

#[track_caller]
pub(crate) fn whole_number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no whole number"))
}

/// Now, as the protocol tells times.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
