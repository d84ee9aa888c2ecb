//! What a client puts into a request to recognize its reply.
//!
//! The protocol has no such thing, and the Python registry ignores it: a client of that one can
//! only count on the order of the replies, and a late reply is taken for the next. A client of
//! this registry can send a `request_id`, which comes back in the reply.

use super::fault::RequestFault;
use super::fields::Fields;
use super::object::Object;

/// The longest id, in bytes of JSON. A UUID with its quotes takes 38.
const LENGTH_MAX: usize = 64;

/// The field's name, in requests and replies.
pub const REQUEST_ID: &str = "request_id";

/// A string or a whole number, as its JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Box<str>);

impl RequestId {
    pub(super) fn read(request: &Object<'_>) -> Result<Option<Self>, RequestFault> {
        const EXPECTED: &str = "a string or a whole number of at most 64 bytes";

        let is_id = |json: &str| {
            let is_whole = json.parse::<i64>().is_ok() || json.parse::<u64>().is_ok();
            json.len() <= LENGTH_MAX && (json.starts_with('"') || is_whole)
        };
        let read = |json: &str| is_id(json).then(|| Self(json.into()));
        Fields::of_request(request).optional(REQUEST_ID, EXPECTED, read)
    }

    /// Puts the id at the end of the JSON object `body`.
    pub fn echo(&self, body: &mut Vec<u8>) {
        if body.pop_if(|last| *last == b'}').is_some() {
            let echo = format!(",\"{REQUEST_ID}\":{}}}", self.0);
            body.extend_from_slice(echo.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(id: Value) -> Result<Option<RequestId>, RequestFault> {
        let request = json!({REQUEST_ID: id}).to_string();
        RequestId::read(&Object::of(&request).unwrap())
    }

    #[test]
    fn an_id_comes_back_as_it_came() {
        for id in [json!("a \"b\" ✓"), json!(""), json!(42), json!(-1), json!(u64::MAX)] {
            let mut body = br#"{"success":true}"#.to_vec();

            read(id.clone()).unwrap().unwrap().echo(&mut body);

            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body, json!({"success": true, "request_id": id}));
        }
    }

    #[test]
    fn null_is_no_id_and_other_kinds_are_refused() {
        assert_eq!(read(Value::Null), Ok(None));
        for id in [json!(1.5), json!([1]), json!({}), json!(true), json!("x".repeat(63))] {
            assert!(matches!(read(id), Err(RequestFault::InvalidField { .. })));
        }
        assert!(read(json!("x".repeat(62))).is_ok());
    }
}
