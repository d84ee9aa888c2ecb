//! Reading JSON into compact text, without a tree of values in between.

use std::fmt::{self, Write};
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{NotJson, private_names, write_text};

/// As what `serde_json` shows a number that is no whole one, or a large one, or -0, to those who
/// take it as it is written. No object has such a key, see `private_names.rs`.
const NUMBER: &str = "$serde_json::private::Number";

/// How many keys of an object are compared with each other. With more of them, a map is faster.
const KEYS_COMPARED: usize = 32;

/// The compact text of the JSON value that `json` is.
pub(super) fn read(json: &[u8]) -> Result<String, NotJson> {
    if private_names::are_in(json) {
        return Err(NotJson);
    }
    let mut writer = Writer::with_capacity(json.len());
    let mut reader = serde_json::Deserializer::from_slice(json);
    let read = writer.deserialize(&mut reader).and_then(|()| reader.end());
    if writer.needs_map {
        let value: Value = serde_json::from_slice(json).map_err(|_| NotJson)?;
        return Ok(value.to_string());
    }
    read.map(|()| writer.text).map_err(|_| NotJson)
}

/// Writes what it is shown.
#[derive(Default)]
struct Writer {
    text: String,
    /// Where the keys stand of all objects that are not at their end yet.
    keys: Vec<Range<usize>>,
    /// A key stands in an object more than once, or might.
    needs_map: bool,
}

impl Writer {
    fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), keys: Vec::with_capacity(16), needs_map: false }
    }

    fn write(&mut self, number: impl fmt::Display) {
        // Nothing that is written to a text can fail.
        let _ = write!(self.text, "{number}");
    }

    /// Whether this key of an object is its first of that name, as far as that was looked at.
    fn is_new(&self, key: &Range<usize>, others: &[Range<usize>]) -> bool {
        let key = &self.text[key.clone()];
        others.len() < KEYS_COMPARED && others.iter().all(|other| self.text[other.clone()] != *key)
    }
}

impl<'de> DeserializeSeed<'de> for &mut Writer {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Writer {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.text.push_str("null");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.text.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.write(number);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.write(number);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        write_text(&mut self.text, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.text.push('[');
        let empty = self.text.len();
        while items.next_element_seed(&mut *self)?.is_some() {
            self.text.push(',');
        }
        if self.text.len() > empty {
            self.text.pop();
        }
        self.text.push(']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let start = self.keys.len();
        self.text.push('{');
        while let Some(key) = fields.next_key_seed(Key(&mut *self))? {
            let Some(key) = key else {
                self.text.pop();
                return fields.next_value_seed(Digits(&mut self.text));
            };
            if !self.is_new(&key, &self.keys[start..]) {
                self.needs_map = true;
                return Err(A::Error::custom("a map must find the last of the values of a key"));
            }
            self.keys.push(key);
            self.text.push(':');
            fields.next_value_seed(&mut *self)?;
            self.text.push(',');
        }
        if self.keys.len() > start {
            self.text.pop();
        }
        self.keys.truncate(start);
        self.text.push('}');
        Ok(())
    }
}

/// Writes the key of an object, and tells where it stands; none, where the object is a number.
struct Key<'a>(&'a mut Writer);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<Range<usize>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Option<Range<usize>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        if key == NUMBER {
            return Ok(None);
        }
        let text = &mut self.0.text;
        let start = text.len();
        write_text(text, key);
        Ok(Some(start..text.len()))
    }
}

/// Writes a number.
struct Digits<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Digits<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Digits<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number")
    }

    fn visit_str<E>(self, digits: &str) -> Result<(), E> {
        self.0.push_str(digits);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a tree of values makes of it.
    fn by_tree(json: &str) -> Option<String> {
        serde_json::from_str::<Value>(json).ok().map(|value| value.to_string())
    }

    /// Pieces of JSON, put together at random: mostly none, often almost.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            " ",
            "\n",
            "\"a\"",
            "\"a\":",
            "\"b\":1",
            "1",
            "-0",
            "1.50",
            "1E5",
            "1e-5",
            "00",
            "null",
            "true",
            "false",
            "\"\\u00e9\\ud834\\udd1e\"",
            "\"\\ud834\"",
            "\"\\/\\n\"",
            "\"\u{7f}é\"",
            "\"",
            "\\",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    /// Objects with as many keys as are compared, or a few less or more, of which none comes again
    /// or one does, written in another way.
    fn large_objects() -> impl Strategy<Value = String> {
        let count = KEYS_COMPARED - 2..KEYS_COMPARED + 3;
        (count, prop::option::of(0..KEYS_COMPARED)).prop_map(|(count, again)| {
            let field = |number: usize| format!(r#""{number:02}" : {number}"#);
            let escaped = |number: usize| format!("{number:02}").replace('0', r"\u0030");
            let again = again.map(|number| format!(r#""{}" : [-0.0, 1e+05]"#, escaped(number)));
            let fields = (0..count).map(field).chain(again);
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        })
    }

    /// Values in which keys come again, and more of them than are compared.
    fn objects() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec!["1", "\"x\"", "null", "[]", "{}", "[1, {\"k\": 2}]"]);
        let leaf = leaf.prop_map(str::to_owned);
        leaf.prop_recursive(3, 64, 40, |inner| {
            prop::collection::vec((0..50, inner), 0..40).prop_map(|fields| {
                let fields = fields.iter().map(|(key, value)| format!("\"{key}\" : {value}"));
                format!("{{ {} }}", fields.collect::<Vec<_>>().join(" , "))
            })
        })
    }

    proptest! {
        #[test]
        fn it_is_what_a_tree_of_values_makes_of_it(
            json in prop_oneof![pieces(), objects(), large_objects()],
        ) {
            prop_assert_eq!(read(json.as_bytes()).ok(), by_tree(&json));
        }
    }

    #[test]
    fn the_last_value_of_a_key_counts_in_the_place_of_the_first() {
        let json = r#"{"a": 1, "b": {"c": 1, "d": 2, "c": 3}, "\u0061": 4}"#;

        assert_eq!(read(json.as_bytes()).unwrap(), r#"{"a":4,"b":{"c":3,"d":2}}"#);
    }

    #[test]
    fn what_is_nested_too_deep_or_has_a_private_name_is_refused() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));

        assert_eq!(read(nested(127).as_bytes()), Ok(nested(127)));
        for json in [&nested(128), r#"{"$serde_json::private::Number":"1"}"#, ""] {
            assert_eq!(read(json.as_bytes()), Err(NotJson));
        }
    }
}
