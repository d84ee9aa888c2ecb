//! Does an answer hold what was recorded?
//!
//! Objects may have further keys, and nothing else may differ. Metadata is the client's own:
//! it comes back without further keys and in its order. A recording has placeholders where it
//! cannot know the value: `$now`, `$uuid1`, `$req_port`, `$pub_port`, `$hb_port`.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::support::{Endpoints, port_of, unix_seconds};

const UUID: &str = "$uuid";
const UUID_LENGTH: usize = 36;

/// Where a value stands, for the one who reads a failed test, and for what its times may be.
#[derive(Debug, Clone)]
pub(super) struct Place {
    path: String,
    /// Events and heartbeats lie anywhere in the case; the rest happens in its step.
    may_be_old: bool,
}

impl Place {
    pub(super) fn reply(step: &str) -> Self {
        Self { path: format!("{step}, reply"), may_be_old: false }
    }

    pub(super) fn event(step: &str) -> Self {
        Self { path: format!("{step}, event"), may_be_old: true }
    }

    fn key(&self, key: &str) -> Self {
        let may_be_old = self.may_be_old || key == "last_heartbeat";
        Self { path: format!("{}.{key}", self.path), may_be_old }
    }

    fn index(&self, index: usize) -> Self {
        Self { path: format!("{}[{index}]", self.path), may_be_old: self.may_be_old }
    }
}

/// What the placeholders of one case stand for.
pub(super) struct Placeholders {
    uuids: HashMap<String, String>,
    ports: [(&'static str, u16); 3],
    case_started: u64,
    step_started: u64,
}

impl Placeholders {
    pub(super) fn new(endpoints: &Endpoints) -> Self {
        let ports = [
            ("$req_port", port_of(&endpoints.requests)),
            ("$pub_port", port_of(&endpoints.events)),
            ("$hb_port", port_of(&endpoints.heartbeats)),
        ];
        let now = unix_seconds();
        Self { uuids: HashMap::new(), ports, case_started: now, step_started: now }
    }

    pub(super) fn start_step(&mut self) {
        self.step_started = unix_seconds();
    }

    /// A request, with the values that its placeholders got in answers before.
    pub(super) fn filled_in(&self, request: &Value) -> Value {
        match request {
            Value::String(text) => {
                let fill =
                    |text: String, (name, uuid): (&String, &String)| text.replace(name, uuid);
                Value::String(self.uuids.iter().fold(text.clone(), fill))
            }
            Value::Array(values) => values.iter().map(|value| self.filled_in(value)).collect(),
            Value::Object(object) => {
                object.iter().map(|(key, value)| (key.clone(), self.filled_in(value))).collect()
            }
            other => other.clone(),
        }
    }

    #[track_caller]
    pub(super) fn expect(&mut self, expected: &Value, actual: &Value, place: Place) {
        if let Err(difference) = self.compare(expected, actual, &place) {
            panic!("{difference}\nrecorded: {expected}\n     got: {actual}");
        }
    }

    fn compare(&mut self, expected: &Value, actual: &Value, place: &Place) -> Result<(), String> {
        match (expected, actual) {
            (Value::String(expected), _) if expected.starts_with('$') => {
                self.compare_placeholder(expected, actual, place)
            }
            (Value::String(expected), Value::String(actual)) if expected.contains(UUID) => {
                self.compare_uuid(expected, actual, place)
            }
            (Value::Object(expected), Value::Object(actual)) => {
                for (key, expected) in expected {
                    let place = place.key(key);
                    let actual =
                        actual.get(key).ok_or_else(|| format!("{} is missing", place.path))?;
                    if key == "metadata" {
                        compare_exactly(expected, actual, &place)?;
                    } else {
                        self.compare(expected, actual, &place)?;
                    }
                }
                Ok(())
            }
            (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
                let mut pairs = expected.iter().zip(actual).enumerate();
                pairs.try_for_each(|(at, (expected, actual))| {
                    self.compare(expected, actual, &place.index(at))
                })
            }
            _ => compare_exactly(expected, actual, place),
        }
    }

    fn compare_placeholder(
        &mut self,
        expected: &str,
        actual: &Value,
        place: &Place,
    ) -> Result<(), String> {
        if expected == "$now" {
            return within(actual, self.times(place), place);
        }
        if let Some((_, port)) = self.ports.iter().find(|(name, _)| *name == expected) {
            return compare_exactly(&Value::from(*port), actual, place);
        }
        let text = actual.as_str().ok_or_else(|| format!("{} is no text", place.path))?;
        self.compare_uuid(expected, text, place)
    }

    /// `expected` is a text with one placeholder such as `$uuid1` at its end.
    fn compare_uuid(&mut self, expected: &str, actual: &str, place: &Place) -> Result<(), String> {
        let differs = || format!("{} is {actual:?} instead of {expected:?}", place.path);
        let (prefix, name) = expected.split_at(expected.find(UUID).ok_or_else(differs)?);
        let uuid = actual.strip_prefix(prefix).ok_or_else(differs)?;
        if !is_uuid_v4(uuid) {
            return Err(format!("{}: {uuid:?} is no UUID of version 4", place.path));
        }
        let known = self.uuids.entry(name.to_owned()).or_insert_with(|| uuid.to_owned());
        if known == uuid { Ok(()) } else { Err(differs()) }
    }

    fn times(&self, place: &Place) -> RangeInclusive<u64> {
        let earliest = if place.may_be_old { self.case_started } else { self.step_started };
        earliest..=unix_seconds()
    }
}

/// Equal, with the keys of objects in the same order.
fn compare_exactly(expected: &Value, actual: &Value, place: &Place) -> Result<(), String> {
    // The text of a value has its keys in their order; equality alone does not ask for it.
    let (expected, actual) = (expected.to_string(), actual.to_string());
    if expected == actual {
        Ok(())
    } else {
        Err(format!("{} is {actual} instead of {expected}", place.path))
    }
}

fn within(actual: &Value, range: RangeInclusive<u64>, place: &Place) -> Result<(), String> {
    match actual.as_u64() {
        None => Err(format!("{} is {actual} and no whole number", place.path)),
        Some(time) if range.contains(&time) => Ok(()),
        Some(time) => Err(format!("{} is {time} and not within {range:?}", place.path)),
    }
}

fn is_uuid_v4(text: &str) -> bool {
    text.len() == UUID_LENGTH
        && text.char_indices().all(|(at, character)| match at {
            8 | 13 | 18 | 23 => character == '-',
            14 => character == '4',
            19 => matches!(character, '8' | '9' | 'a' | 'b'),
            _ => matches!(character, '0'..='9' | 'a'..='f'),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIRST: &str = "3f0c4c1e-8f5a-4d3b-9c9d-2f1f0a6e7b11";
    const SECOND: &str = "0b7d6f0a-1c2d-4e3f-8a9b-5c6d7e8f9a0b";

    fn placeholders() -> Placeholders {
        let endpoint = |port: u16| format!("tcp://127.0.0.1:{port}");
        Placeholders::new(&Endpoints {
            requests: endpoint(1),
            events: endpoint(2),
            heartbeats: endpoint(3),
        })
    }

    fn differences(expected: Value, actual: Value) -> Result<(), String> {
        placeholders().compare(&expected, &actual, &Place::reply("here"))
    }

    #[test]
    fn a_further_key_is_no_difference_and_a_missing_one_is() {
        assert_eq!(differences(json!({"a": 1}), json!({"b": 2, "a": 1})), Ok(()));

        let missing = differences(json!({"a": {"b": 1}}), json!({"a": {}}));

        assert_eq!(missing, Err("here, reply.a.b is missing".to_owned()));
    }

    #[test]
    fn metadata_has_the_recorded_keys_in_the_recorded_order_and_no_others() {
        let recorded = json!({"metadata": {"z": 1, "a": 2}});

        assert_eq!(differences(recorded.clone(), recorded.clone()), Ok(()));
        assert!(differences(recorded.clone(), json!({"metadata": {"a": 2, "z": 1}})).is_err());
        assert!(differences(recorded, json!({"metadata": {"z": 1, "a": 2, "b": 3}})).is_err());
    }

    #[test]
    fn arrays_are_as_long_as_recorded() {
        assert!(differences(json!([]), json!([1])).is_err());
        assert!(differences(json!([1, 2]), json!([1])).is_err());
    }

    #[test]
    fn now_is_a_whole_number_close_to_now() {
        let now = unix_seconds();

        assert_eq!(differences(json!("$now"), json!(now)), Ok(()));
        assert!(differences(json!("$now"), json!(now - 60)).is_err());
        assert!(differences(json!("$now"), json!(now + 60)).is_err());
        assert!(differences(json!("$now"), json!(now as f64 + 0.5)).is_err());
        assert!(differences(json!("$now"), json!("$now")).is_err());
    }

    #[test]
    fn a_uuid_has_version_4_and_is_the_same_everywhere() {
        let recorded = json!(["dev-$uuid1", "dev-$uuid1"]);
        let first = format!("dev-{FIRST}");

        assert_eq!(differences(recorded.clone(), json!([first, first])), Ok(()));
        assert!(differences(recorded.clone(), json!([first, format!("dev-{SECOND}")])).is_err());
        assert!(differences(json!("$uuid1"), json!(FIRST.replacen("-4", "-1", 1))).is_err());
        assert!(differences(json!("$uuid1"), json!(FIRST.to_uppercase())).is_err());
        assert_eq!(differences(json!(["$uuid1", "$uuid2"]), json!([FIRST, SECOND])), Ok(()));
    }

    #[test]
    fn ports_are_those_of_the_ready_line() {
        assert_eq!(differences(json!("$pub_port"), json!(2)), Ok(()));
        assert!(differences(json!("$pub_port"), json!(1)).is_err());
        assert!(differences(json!("$pub_port"), json!("2")).is_err());
    }

    #[test]
    fn a_number_of_another_kind_is_a_difference() {
        assert!(differences(json!({"ttl": 30}), json!({"ttl": 30.0})).is_err());
        assert!(differences(json!({"success": true}), json!({"success": 1})).is_err());
    }
}
