//! Names of fields that the JSON reader takes for its own.
//!
//! serde_json marks numbers and raw text inside itself by objects with such a name, and takes an
//! object with one in a message for its mark: it reads the text in it as JSON, and begins to count
//! levels anew. A few kilobytes would so become a value of thousands of levels, which overflows the
//! stack, or a value that is stored and cannot be read again. Nobody else has a use for these
//! names, so a message with one in it is refused before it is read.

/// What all these names begin with.
const PRIVATE: &[u8] = b"$serde_json::private::";

/// Whether `body` has a text that begins so, with or without escapes.
pub(super) fn are_in(body: &[u8]) -> bool {
    if body.contains(&b'\\') {
        // Whether a backslash is itself escaped makes no difference that matters.
        contains(&unescaped(body), PRIVATE)
    } else {
        contains(body, PRIVATE)
    }
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    // Looks for a rare byte first, which is the fastest search there is.
    body.contains(&b'$') && body.windows(wanted.len()).any(|part| part == wanted)
}

/// The body with `\u00..` replaced by what it stands for; of the names in question nothing else
/// can be escaped.
fn unescaped(body: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((first, behind)) = rest.split_first() {
        match escape(rest) {
            Some((byte, behind)) => {
                text.push(byte);
                rest = behind;
            }
            None => {
                text.push(*first);
                rest = behind;
            }
        }
    }
    text
}

/// The byte that an escape at the beginning of `text` stands for, and what comes after it.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, behind) = text.strip_prefix(br"\u00")?.split_at_checked(2)?;
    let digits = str::from_utf8(digits).ok()?;
    Some((u8::from_str_radix(digits, 16).ok()?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_names_are_found_however_they_are_written() {
        for private in [
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"{"a":[{"$serde_json::private::RawValue":"[]"}]}"#,
            r#"{"\u0024serde_json::private::Number":"1"}"#,
            r#"{"$serde_jso\u006e\u003A:private::RawValue":"1"}"#,
        ] {
            assert!(are_in(private.as_bytes()), "{private}");
        }
    }

    #[test]
    fn other_names_are_not_taken_for_private_ones() {
        for other in [r#"{"$":1}"#, r#"{"$serde_json":1}"#, r#"{"a":"\u0024\u00"}"#, r"\u00", ""] {
            assert!(!are_in(other.as_bytes()), "{other}");
        }
    }
}
