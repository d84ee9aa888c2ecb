//! What is said to etcd's JSON gateway, and what it answers: its names, its numbers in quotes,
//! its keys and values in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Any bytes, as etcd has keys and values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(de::Error::custom)
    }
}

/// A number of 64 bits, as the gateway writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Number(pub(super) u64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(de::Error::custom)
    }
}

/// A question for all keys from `key` on and before `range_end`, or for `key` alone.
#[derive(Debug, Clone, Serialize, Default)]
pub(super) struct Range {
    pub(super) key: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) range_end: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<Number>,
    /// As it stood then; as it stands without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min_mod_revision: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sort_order: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sort_target: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Put {
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<Number>,
}

#[derive(Debug, Serialize)]
pub(super) struct Delete {
    pub(super) key: Bytes,
}

/// What must be so, for a transaction to happen.
#[derive(Debug, Serialize)]
pub(super) struct Compare {
    key: Bytes,
    target: &'static str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mod_revision: Option<Number>,
}

impl Compare {
    /// That `key` has this value.
    pub(super) const fn holds(key: Bytes, value: Bytes) -> Self {
        Self { key, target: "VALUE", result: "EQUAL", value: Some(value), mod_revision: None }
    }

    /// That there is no `key`.
    pub(super) const fn is_absent(key: Bytes) -> Self {
        let never = Some(Number(0));
        Self { key, target: "MOD", result: "EQUAL", value: None, mod_revision: never }
    }
}

#[derive(Debug, Serialize)]
pub(super) enum Operation {
    #[serde(rename = "request_put")]
    Put(Put),
    #[serde(rename = "request_delete_range")]
    Delete(Delete),
    #[serde(rename = "request_range")]
    Range(Range),
}

#[derive(Debug, Serialize)]
pub(super) struct Txn {
    pub(super) compare: [Compare; 1],
    pub(super) success: Vec<Operation>,
    pub(super) failure: Vec<Operation>,
}

#[derive(Debug, Deserialize, Default)]
pub(super) struct Header {
    #[serde(default)]
    pub(super) cluster_id: Number,
    #[serde(default)]
    pub(super) member_id: Number,
    #[serde(default)]
    pub(super) revision: Number,
}

/// A question that says nothing more than what it is about.
#[derive(Debug, Serialize)]
pub(super) struct Nothing {}

#[derive(Debug, Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    pub(super) header: Header,
    #[serde(default)]
    pub(super) version: String,
    /// 0, where it knows none.
    #[serde(default)]
    pub(super) leader: Number,
    /// What it complains of.
    #[serde(default)]
    pub(super) errors: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MemberList {
    #[serde(default)]
    pub(super) members: Vec<ListedMember>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListedMember {
    #[serde(rename = "ID")]
    pub(super) id: Number,
    /// None, before it was started for the first time.
    #[serde(default)]
    pub(super) name: Box<str>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct KeyValue {
    pub(super) key: Bytes,
    #[serde(default)]
    pub(super) value: Bytes,
    #[serde(default)]
    pub(super) mod_revision: Number,
}

#[derive(Debug, Deserialize)]
pub(super) struct RangeAnswer {
    #[serde(default)]
    pub(super) header: Header,
    #[serde(default)]
    pub(super) kvs: Vec<KeyValue>,
    #[serde(default)]
    pub(super) more: bool,
}

/// An answer of which nothing matters but that it came.
#[derive(Debug, Deserialize)]
pub(super) struct Done {}

#[derive(Debug, Deserialize)]
pub(super) struct TxnAnswer {
    #[serde(default)]
    pub(super) header: Header,
    #[serde(default)]
    pub(super) succeeded: bool,
    #[serde(default)]
    pub(super) responses: Vec<OperationAnswer>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OperationAnswer {
    pub(super) response_range: Option<RangeAnswer>,
}

#[derive(Debug, Serialize)]
pub(super) struct Watch {
    pub(super) create_request: WatchFrom,
}

#[derive(Debug, Serialize)]
pub(super) struct WatchFrom {
    pub(super) key: Bytes,
    pub(super) range_end: Bytes,
    pub(super) start_revision: Number,
}

/// A line of the answer to [`Watch`], which never ends.
#[derive(Debug, Deserialize)]
pub(super) struct WatchLine {
    pub(super) result: Option<WatchResult>,
    pub(super) error: Option<Problem>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WatchResult {
    #[serde(default)]
    pub(super) header: Header,
    #[serde(default)]
    pub(super) canceled: bool,
    /// Where it was cancelled because what it asks for is forgotten.
    #[serde(default)]
    pub(super) compact_revision: Number,
    #[serde(default)]
    pub(super) cancel_reason: String,
    #[serde(default)]
    pub(super) events: Vec<WatchEvent>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WatchEvent {
    #[serde(default)]
    pub(super) r#type: Happened,
    pub(super) kv: KeyValue,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
pub(super) enum Happened {
    #[default]
    #[serde(rename = "PUT")]
    Put,
    #[serde(rename = "DELETE")]
    Delete,
}

#[derive(Debug, Serialize)]
pub(super) struct GrantLease {
    #[serde(rename = "TTL")]
    pub(super) ttl: Number,
}

#[derive(Debug, Serialize)]
pub(super) struct LeaseId {
    #[serde(rename = "ID")]
    pub(super) id: Number,
}

#[derive(Debug, Deserialize)]
pub(super) struct Granted {
    #[serde(rename = "ID")]
    pub(super) id: Number,
}

/// A line of the answer to a renewal.
#[derive(Debug, Deserialize)]
pub(super) struct RenewedLine {
    pub(super) result: Option<Renewed>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Renewed {
    /// 0, where there is no such lease any more.
    #[serde(rename = "TTL", default)]
    pub(super) ttl: Number,
}

#[derive(Debug, Serialize)]
pub(super) struct Credentials<'a> {
    pub(super) name: &'a str,
    pub(super) password: &'a str,
}

#[derive(Debug, Deserialize)]
pub(super) struct Authenticated {
    pub(super) token: String,
}

/// What etcd says where it does not do what it is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    /// Of gRPC.
    #[serde(default, alias = "grpc_code")]
    pub(super) code: u16,
    #[serde(default)]
    pub(super) message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_base64_and_numbers_in_quotes() {
        let range = Range { key: "head".into(), limit: Some(Number(7)), ..Range::default() };

        assert_eq!(serde_json::to_string(&range).unwrap(), r#"{"key":"aGVhZA==","limit":"7"}"#);
    }

    #[test]
    fn what_is_zero_or_empty_is_left_out_of_answers() {
        let answer: TxnAnswer = serde_json::from_str(
            r#"{"header":{"revision":"2"},"responses":[{"response_range":{"kvs":[
               {"key":"aGVhZA==","create_revision":"2","mod_revision":"2","version":"1"}]}}]}"#,
        )
        .unwrap();

        assert_eq!((answer.succeeded, answer.header.revision), (false, Number(2)));
        let range = answer.responses[0].response_range.as_ref().unwrap();
        assert_eq!(range.kvs[0].key, Bytes::from("head"));
        assert_eq!(range.kvs[0].value, Bytes::default());
    }

    #[test]
    fn a_watch_tells_of_puts_deletions_and_its_end() {
        let line: WatchLine = serde_json::from_str(
            r#"{"result":{"events":[{"kv":{"key":"YQ==","mod_revision":"3"}},
                {"type":"DELETE","kv":{"key":"Yg==","mod_revision":"4"}}]}}"#,
        )
        .unwrap();

        let events = line.result.unwrap().events;
        assert_eq!(events[0].r#type, Happened::Put);
        assert_eq!(events[1].r#type, Happened::Delete);
        let end: WatchLine =
            serde_json::from_str(r#"{"result":{"canceled":true,"compact_revision":"9"}}"#).unwrap();
        assert_eq!(end.result.unwrap().compact_revision, Number(9));
    }
}
