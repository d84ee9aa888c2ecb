//! What a client puts into a request to recognize its reply.
//!
//! The protocol has no such thing, and the Python registry ignores it: a client of that one can
//! only count on the order of the replies, and a late reply is taken for the next. A client of
//! this registry can send a `request_id`, which comes back in the reply.

use serde_json::Value;

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
    pub(super) fn read(request: &impl Object) -> Result<Option<Self>, RequestFault> {
        const EXPECTED: &str = "a string or a whole number of at most 64 bytes";

        let read = |value: &Value| {
            let json = match value {
                Value::String(_) => value.to_string(),
                Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
                _ => return None,
            };
            (json.len() <= LENGTH_MAX).then(|| Self(json.into()))
        };
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
    use serde_json::{Map, json};

    use super::*;

    fn read(id: Value) -> Result<Option<RequestId>, RequestFault> {
        RequestId::read(&Map::from_iter([(REQUEST_ID.to_owned(), id)]))
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
