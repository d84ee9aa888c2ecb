//! Reading a small object where it stands.
//!
//! Most messages are one object of a few texts and numbers. Blanks may stand between these, as
//! Python writes them, but each of them is compact as it came. So they are parts of the message,
//! and nothing is copied. Whatever else a message may be, `compact.rs` reads.

/// The most fields of a small object. Those that clients send have two or three.
const FIELDS_MAX: usize = 8;

/// Keys and values, as they are written.
type Fields<'a> = Vec<(&'a str, &'a str)>;

/// The fields of the object that `json` is, as they stand in its compact text. None where it is
/// no such object: it has no field or many, or one key twice; there is an object or a list in it;
/// something in it is not compact, or might not be; or it is no JSON at all.
pub(super) fn fields(json: &[u8]) -> Option<Fields<'_>> {
    let mut fields = Fields::with_capacity(FIELDS_MAX);
    let mut rest = behind('{', str::from_utf8(json).ok()?)?;
    loop {
        let (key, colon) = split_text(rest)?;
        let (value, end) = split_value(behind(':', colon)?)?;
        if fields.len() == FIELDS_MAX || fields.iter().any(|(known, _)| *known == key) {
            return None;
        }
        fields.push((key, value));
        match behind(',', end) {
            Some(next) => rest = next,
            None => return behind('}', end)?.is_empty().then_some(fields),
        }
    }
}

/// What comes after `mark`, where that is next. Blanks before and after it do not count.
fn behind(mark: char, json: &str) -> Option<&str> {
    without_blanks(json).strip_prefix(mark).map(without_blanks)
}

fn without_blanks(json: &str) -> &str {
    json.trim_start_matches([' ', '\n', '\r', '\t'])
}

/// The text at the beginning of `json`, with its quotes, and what comes after it. None where it has
/// an escape, or should have, or what might begin a name that is refused (`private_names.rs`).
fn split_text(json: &str) -> Option<(&str, &str)> {
    let inside = json.strip_prefix('"')?.as_bytes();
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'$' | 0..b' ');
    let length = inside.iter().position(is_special).filter(|end| inside[*end] == b'"')?;
    json.split_at_checked(length + 2)
}

fn split_value(json: &str) -> Option<(&str, &str)> {
    if json.starts_with('"') {
        return split_text(json);
    }
    let length = json.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let (word, rest) = json.split_at_checked(length)?;
    (matches!(word, "true" | "false" | "null") || is_whole(word)).then_some((word, rest))
}

/// Whether `word` is a whole number, and not a large one.
fn is_whole(word: &str) -> bool {
    let is_canonical = word == "0" || !word.starts_with('0');
    (1..=18).contains(&word.len()) && is_canonical && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::{self, Json};

    /// What is usual, and now and then what is not.
    fn mostly(
        usual: &'static [&'static str],
        odd: &'static [&'static str],
    ) -> impl Strategy<Value = &'static str> {
        prop_oneof![20 => prop::sample::select(usual), 1 => prop::sample::select(odd)]
    }

    /// Small objects, and what is almost one.
    fn objects() -> impl Strategy<Value = String> {
        let blank = || mostly(&["", " ", "\n\t\r "], &["\u{c}", "\u{a0}"]);
        let key = mostly(&[r#""a""#, r#""b""#, r#""c""#, r#""é""#, r#""""#], &[r#""\n""#, "a"]);
        let value = mostly(
            &[
                r#""""#,
                r#""x: y, {}""#,
                "\"\u{7f}é\"",
                "0",
                "7",
                "123456789012345678",
                "true",
                "null",
            ],
            &[
                r#""\u0041""#,
                r#""\"""#,
                "\"\n\"",
                "\"",
                r#""$""#,
                r#""$serde_json::private::x""#,
                "00",
                "01",
                "-0",
                "-1",
                "1.0",
                "1e5",
                "18446744073709551616",
                "nul",
                "True",
                "[]",
                "{}",
                "",
            ],
        );
        let field = (blank(), key, blank(), blank(), value, blank());
        let field = field.prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
        let end = mostly(&["}"], &[",}", "", "}}", "} x"]);
        (blank(), prop::collection::vec(field, 0..5), end, blank())
            .prop_map(|(a, fields, end, b)| format!("{a}{{{}{end}{b}", fields.join(",")))
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_stands_in_the_compact_text(json in objects()) {
            if let Some(found) = fields(json.as_bytes()) {
                let compact = Json::read(json.as_bytes());
                prop_assert!(compact.is_ok(), "{json} is no JSON");
                let compact = compact.unwrap();
                prop_assert_eq!(found, json::fields(compact.as_str()).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn what_clients_send_is_found_however_they_write_it() {
        let expected = vec![(r#""action""#, r#""renew""#), (r#""n""#, "12"), (r#""x""#, "null")];

        for json in [
            r#"{"action":"renew","n":12,"x":null}"#,
            r#"{"action": "renew", "n": 12, "x": null}"#,
            "\n{\n  \"action\" : \"renew\",\n  \"n\" : 12,\n  \"x\" : null\n}\n",
        ] {
            assert_eq!(fields(json.as_bytes()).as_ref(), Some(&expected), "{json}");
        }
    }

    #[test]
    fn an_object_with_many_fields_is_no_small_one() {
        let object = |count: usize| {
            let fields: Vec<String> = (0..count).map(|number| format!("\"{number}\":1")).collect();
            format!("{{{}}}", fields.join(","))
        };

        assert_eq!(fields(object(FIELDS_MAX).as_bytes()).map(|f| f.len()), Some(FIELDS_MAX));
        assert_eq!(fields(object(FIELDS_MAX + 1).as_bytes()), None);
    }
}
