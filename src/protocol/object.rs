//! A JSON object on its way in: the fields of a message, in the order in which they came.
//!
//! A message has a handful of fields, each of which is looked up once. So they stand in a list
//! that borrows their names from the message, which takes a fraction of the time that it takes to
//! build a map.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A JSON object whose fields can be looked up.
pub(super) trait Object {
    /// The value of `field`: the last one, where it is there more than once.
    fn get(&self, field: &str) -> Option<&Value>;
}

/// The JSON object that a message is.
#[derive(Debug, Default, PartialEq)]
pub(super) struct MessageObject<'a> {
    fields: Vec<(FieldName<'a>, Value)>,
}

#[derive(Debug, PartialEq)]
struct FieldName<'a>(Cow<'a, str>);

impl Object for Map<String, Value> {
    fn get(&self, field: &str) -> Option<&Value> {
        self.get(field)
    }
}

impl MessageObject<'_> {
    /// Takes the value of `field` out.
    pub(super) fn take(&mut self, field: &str) -> Option<Value> {
        let mut fields = self.fields.iter_mut().rev();
        fields.find(|(name, _)| name.0 == field).map(|(_, value)| value.take())
    }
}

impl Object for MessageObject<'_> {
    fn get(&self, field: &str) -> Option<&Value> {
        self.fields.iter().rev().find(|(name, _)| name.0 == field).map(|(_, value)| value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for MessageObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = MessageObject<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                // The longest request has five fields.
                let mut fields = Vec::with_capacity(5);
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(MessageObject { fields })
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for FieldName<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl<'de> Visitor<'de> for Name {
            type Value = FieldName<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a field")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(FieldName(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(FieldName(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Option<MessageObject<'_>> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn the_last_of_several_fields_of_one_name_counts_as_in_python() {
        let object = read(r#"{"a": 1, "b": [true], "a": {"c": null}, "": 5}"#).unwrap();

        assert_eq!(object.get("a"), Some(&json!({"c": null})));
        assert_eq!(object.get("b"), Some(&json!([true])));
        assert_eq!(object.get(""), Some(&json!(5)));
        assert_eq!(object.get("c"), None);
    }

    #[test]
    fn what_is_taken_is_taken_out() {
        let mut object = read(r#"{"a": 1, "a": {"b": 2}}"#).unwrap();

        assert_eq!(object.take("a"), Some(json!({"b": 2})));
        assert_eq!(object.get("a"), Some(&Value::Null));
        assert_eq!(object.take("c"), None);
    }

    #[test]
    fn a_name_that_is_written_with_escapes_is_the_name_that_it_stands_for() {
        let object = read(r#"{"\u0061ction": "health"}"#).unwrap();

        assert_eq!(object.get("action"), Some(&json!("health")));
    }

    #[test]
    fn what_is_no_object_is_none() {
        for text in ["[]", "1", "\"{}\"", "null", "{", "{}}", "{\"a\"}", ""] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
