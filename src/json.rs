//! JSON, kept as the text that it is.
//!
//! What a client says of a service is stored, shown and published as it came; the registry looks
//! at a few fields of it. So it is kept as text, which is one piece of memory and is copied where
//! it is wanted, and not as a tree of values, which is a piece for each of them.
//!
//! The text is always *compact*, as `serde_json` writes it: no blanks, each key of an object
//! once, texts escaped where they must be and nowhere else. Here is what such a text holds; how
//! one is made is in `json/compact.rs`, and what need not be made into one, in `json/plain.rs`.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

mod compact;
mod plain;
mod private_names;

/// A JSON value, as compact text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(String);

/// A text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be JSON")]
pub struct NotJson;

impl Json {
    /// Reads a JSON value. An object that has a key several times gets the last of its values, in
    /// the place of the first, as in Python.
    ///
    /// # Errors
    /// [`NotJson`], also where it is nested more than 127 levels deep, or a text in it begins
    /// as the names do that `serde_json` takes for its own.
    pub fn read(json: &[u8]) -> Result<Self, NotJson> {
        compact::read(json).map(Self)
    }

    /// The object without fields.
    #[must_use]
    pub fn empty_object() -> Self {
        Self("{}".to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The object with these fields, one after the other.
    #[cfg(feature = "etcd")]
    pub(crate) fn of_fields(fields: [&str; 3]) -> Self {
        Self(format!("{{{}}}", fields.join(",")))
    }

    /// Whether it is an object.
    #[cfg(feature = "etcd")]
    pub(crate) fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// A part of such a text, which is a value itself.
    pub(crate) fn of_part(part: &str) -> Self {
        Self(part.to_owned())
    }

    /// Sets the field `name` of this object to the text `value`, in its place, or after all
    /// others.
    pub(crate) fn set_text(&mut self, name: &str, value: &str) {
        let field = fields(&self.0).find(|(known, _)| is_text(known, name));
        if field.is_some_and(|(_, known)| text(known).as_deref() == Some(value)) {
            return;
        }
        let mut json = String::with_capacity(self.0.len() + name.len() + value.len() + 6);
        write_with(&mut json, &self.0, name, value);
        self.0 = json;
    }
}

impl From<Json> for String {
    fn from(json: Json) -> Self {
        json.0
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        Self(value.to_string())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        raw(&self.0).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Self::read(json.get().as_bytes()).map_err(serde::de::Error::custom)
    }
}

/// The value that the compact text `json` is, for what writes JSON.
pub(crate) fn raw(json: &str) -> serde_json::Result<&RawValue> {
    serde_json::from_str(json)
}

/// The fields of the object `json`, the names as they are written. None, where it is none.
pub(crate) fn fields(json: &str) -> impl Iterator<Item = (&str, &str)> + Clone {
    let mut rest = inside(json, '{', '}');
    std::iter::from_fn(move || {
        let (name, behind) = split(rest)?;
        let (value, behind) = split(behind.strip_prefix(':')?)?;
        rest = behind.strip_prefix(',').unwrap_or(behind);
        Some((name, value))
    })
}

/// The same of an object as it came, and before it is made compact, where it is so small and plain
/// that its fields are compact already; see `json/plain.rs`.
pub(crate) fn plain_fields(json: &[u8]) -> Option<Vec<(&str, &str)>> {
    plain::fields(json)
}

/// The items of the list `json`. None, where it is none.
pub(crate) fn items(json: &str) -> impl Iterator<Item = &str> + Clone {
    let mut rest = inside(json, '[', ']');
    std::iter::from_fn(move || {
        let (item, behind) = split(rest)?;
        rest = behind.strip_prefix(',').unwrap_or(behind);
        Some(item)
    })
}

/// All that is in `json`, itself first, each with the number of the objects and lists around it:
/// keys and values, whole, and of objects and lists the beginning.
pub(crate) fn pieces(json: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut rest, mut depth) = (json, 0_usize);
    std::iter::from_fn(move || {
        while let Some(behind) = rest.strip_prefix([',', ':', '}', ']']) {
            depth -= usize::from(rest.starts_with(['}', ']']));
            rest = behind;
        }
        let is_opening = rest.starts_with(['{', '[']);
        let length = if is_opening { 1 } else { length(rest.as_bytes()) };
        let (piece, behind) = rest.split_at_checked(length).filter(|_| length > 0)?;
        rest = behind;
        let around = depth;
        depth += usize::from(is_opening);
        Some((around, piece))
    })
}

/// What the text `json` says, where it is a text.
pub(crate) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inside))
    }
}

/// Whether `json` is the text `expected`.
pub(crate) fn is_text(json: &str, expected: &str) -> bool {
    text(json).is_some_and(|text| text == expected)
}

/// Writes a text.
pub(crate) fn write_text(json: &mut String, text: &str) {
    let is_escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if text.bytes().any(is_escaped) {
        // A text cannot fail to be JSON.
        json.push_str(&serde_json::to_string(text).unwrap_or_default());
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
}

/// Writes the object `object` with its field `name` set to the text `value`: in its place, or
/// after all others.
pub(crate) fn write_with(json: &mut String, object: &str, name: &str, value: &str) {
    let mut is_set = false;
    json.push('{');
    for (known, old) in fields(object) {
        json.push_str(known);
        json.push(':');
        if is_text(known, name) {
            write_text(json, value);
            is_set = true;
        } else {
            json.push_str(old);
        }
        json.push(',');
    }
    if !is_set {
        write_text(json, name);
        json.push(':');
        write_text(json, value);
        json.push(',');
    }
    json.pop();
    json.push('}');
}

fn inside(json: &str, open: char, close: char) -> &str {
    json.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).unwrap_or_default()
}

/// The value at the beginning of `json`, and what comes after it; none, where nothing is there.
fn split(json: &str) -> Option<(&str, &str)> {
    json.split_at_checked(length(json.as_bytes())).filter(|(value, _)| !value.is_empty())
}

/// How long the value at the beginning of `json` is: as far as what can come after it.
fn length(json: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b',' | b':' | b'}' | b']' if depth == 0 => break,
            b'}' | b']' => depth -= 1,
            b'{' | b'[' => depth += 1,
            b'"' => at += behind_text(&json[at..]),
            _ => {}
        }
        at += 1;
    }
    at
}

/// Where the text at the beginning of `json` ends: at its second quote.
fn behind_text(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_and_items_are_found_whatever_stands_in_them() {
        let value = json!({
            "": "", "a\"}": "\\", "list": [1, "],", {"x": [2]}, []], "n": -1.5, "e": {}, "t": true
        });
        let json = value.to_string();

        for (name, inner) in fields(&json) {
            let name = text(name).unwrap();
            assert_eq!(inner, value[&*name].to_string());
        }
        assert_eq!(fields(&json).count(), 6);
        let list = value["list"].to_string();
        let found: Vec<&str> = items(&list).collect();
        assert_eq!(found, ["1", r#""],""#, r#"{"x":[2]}"#, "[]"]);
    }

    #[test]
    fn pieces_are_told_with_what_is_around_them() {
        let found: Vec<(usize, &str)> = pieces(r#"{"a}":[{},-1],"b":null}"#).collect();

        let inside = [(1, r#""a}""#), (1, "["), (2, "{"), (2, "-1"), (1, r#""b""#), (1, "null")];
        assert_eq!(found[0], (0, "{"));
        assert_eq!(found[1..], inside);
        assert_eq!(pieces("true").collect::<Vec<_>>(), [(0, "true")]);
    }

    #[test]
    fn what_is_empty_or_something_else_has_nothing_in_it() {
        for json in ["{}", "[]", "1", "null", r#""{""#, r#""[1]""#, ""] {
            assert_eq!((fields(json).count(), items(json).count()), (0, 0), "{json}");
        }
        for json in ["1", "null", "{}", ""] {
            assert_eq!(text(json), None, "{json}");
        }
    }

    #[test]
    fn a_text_is_written_as_serde_json_writes_it() {
        for text in ["", "a", "\"\\/\u{8}\n\u{0}\u{1f}\u{7f}", "é\u{2028}𝄞"] {
            let mut json = String::new();
            write_text(&mut json, text);

            assert_eq!(json, serde_json::to_string(text).unwrap());
            assert_eq!(super::text(&json).unwrap(), text);
        }
    }

    #[test]
    fn a_field_is_set_in_its_place_or_behind_all_others() {
        for (before, after) in [
            ("{}", r#"{"id":"a\"b"}"#),
            (r#"{"x":1}"#, r#"{"x":1,"id":"a\"b"}"#),
            (r#"{"id":null,"x":1}"#, r#"{"id":"a\"b","x":1}"#),
            (r#"{"id":"a\"b","x":1}"#, r#"{"id":"a\"b","x":1}"#),
        ] {
            let mut json = Json::read(before.as_bytes()).unwrap();
            json.set_text("id", "a\"b");

            assert_eq!(json.as_str(), after);
        }
    }
}
