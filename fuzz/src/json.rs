//! What every body that leaves a registry must be.

use serde_json::{Map, Value};

/// An object in JSON, as any client reads it.
pub(crate) fn object_in(body: &[u8]) -> Map<String, Value> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => object,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(body)),
    }
}

/// An answer: it says whether it worked, and if not, why.
pub(crate) fn answer_in(body: &[u8]) -> Map<String, Value> {
    let answer = object_in(body);
    let text = |field: &str| answer.get(field).and_then(Value::as_str);
    match answer.get("success") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => {
            assert!(text("error").is_some_and(|error| !error.is_empty()), "{answer:?}");
            assert!(text("code").is_some_and(|code| code != "internal"), "{answer:?}");
        }
        _ => panic!("{answer:?} does not say whether it worked"),
    }
    answer
}
