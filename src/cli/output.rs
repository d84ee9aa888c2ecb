//! What reaches the terminal: printing, and making text from elsewhere harmless.

use std::fmt;
use std::io::{self, Write};

use log::Level;

use super::failure::Failure;
use super::{PROGRAM, journal};

/// Prints `text` and the end of its line on standard output. A reader that went away, as in
/// `| head -1`, has read what it wanted.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    print_while_read(text).map(|_| ())
}

/// As [`print`], and tells whether the reader is still there.
pub(super) fn print_while_read(text: &str) -> Result<bool, Failure> {
    let mut output = io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Output(error)),
    }
}

/// Says on standard error what went wrong. Where even that fails, nobody is left to tell.
pub(super) fn complain(text: &str) {
    let priority = if journal::is_connected() { journal::priority(Level::Error) } else { "" };
    for (number, line) in text.split('\n').enumerate() {
        let program = if number == 0 { format!("{PROGRAM}: ") } else { String::new() };
        let _ = writeln!(io::stderr(), "{priority}{program}{}", harmless(line));
    }
}

/// `text` without what a terminal acts upon or a reader is deceived by; it comes from whoever
/// can reach the registry.
pub(super) fn harmless(text: &str) -> String {
    escape(text, |character| character.escape_default().collect())
}

/// The same for JSON text, which means the same afterwards: such characters stand in its
/// strings only.
pub(super) fn harmless_json(json: &str) -> String {
    escape(json, |character| format!("\\u{:04x}", u32::from(character)))
}

/// `count` of something, which is called `one` or `many`.
pub(super) fn counted<N>(count: N, one: &str, many: &str) -> String
where
    N: fmt::Display + From<u8> + PartialEq,
{
    let name = if count == N::from(1) { one } else { many };
    format!("{count} {name}")
}

/// Cells in columns, each as wide as its widest cell.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn escape(text: &str, escaped: impl Fn(char) -> String) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) {
            result.push_str(&escaped(character));
        } else {
            result.push(character);
        }
    }
    result
}

/// Control characters, and those that hide or reorder text.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn control_characters_are_escaped_and_letters_are_not() {
        assert_eq!(harmless("a\u{1b}[2Jb\nc\u{9b}d"), r"a\u{1b}[2Jb\nc\u{9b}d");
        assert_eq!(harmless("abc\u{202e}def"), r"abc\u{202e}def");
        assert_eq!(harmless("Größe 5 µm – 実験"), "Größe 5 µm – 実験");
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = json!({"a\u{7f}": "\u{9b}31m \u{1b} \u{202e} ß"});

        let json = harmless_json(&value.to_string());

        assert!(!json.chars().any(is_harmful), "{json:?}");
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["ID", "NAME"], vec!["ä-1", "x"], vec!["b"]]
            .map(|row| row.into_iter().map(str::to_owned).collect());

        assert_eq!(aligned(&rows), "ID   NAME\nä-1  x\nb");
    }
}
