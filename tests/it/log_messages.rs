//! Every message of level warning or above is in docs/operation.md, with its cause.

use std::fs;
use std::path::{Path, PathBuf};

/// What begins a message.
const MACROS: [&str; 2] = ["warn!(", "error!("];

/// Messages that are made elsewhere than where they are logged: who logs them, and the words with
/// which the file that makes them does so. Nothing here but Rust's own is without such a file.
const MADE_ELSEWHERE: [(&str, &str, &str); 6] = [
    ("src/server/journal.rs", "src/server/journal.rs", "fell silent within"),
    ("src/server/timer.rs", "src/server/refusals.rs", "most of them"),
    ("src/server/requests.rs", "src/server/refusals.rs", "most of them"),
    ("src/server/timer.rs", "src/server/descriptors.rs", "file descriptors are in use"),
    ("src/server/gatekeeper.rs", "src/server/gatekeeper.rs", "their keys are not in `curve`"),
    ("src/cli/logging.rs", "src/cli/logging.rs", "panic::set_hook"),
];

/// What Rust says of a panic.
const PANIC: &str = "panicked at";

/// The fewest letters by which a message can be told from others.
const WORDS_MIN: usize = 8;

/// A message as it stands in the code.
#[derive(Debug)]
struct Message {
    file: String,
    /// With its placeholders.
    text: String,
}

impl Message {
    /// The longest part that is always the same.
    fn constant(&self) -> &str {
        let parts = self.text.split(['{', '}']).step_by(2);
        let parts = parts.map(|part| part.trim_matches(|c: char| !c.is_alphanumeric()));
        parts.max_by_key(|part| part.len()).unwrap_or_default()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The text in the first pair of quotes, as the program has it.
fn literal(code: &str) -> String {
    let begin = code.find('"').expect("a message has a text") + 1;
    let mut text = String::new();
    let mut characters = code[begin..].chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => return text,
            '\\' if characters.next_if_eq(&'\n').is_some() => {
                while characters.next_if(|next| next.is_whitespace()).is_some() {}
            }
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    panic!("a text has an end: {code}");
}

fn messages_in(path: &Path) -> Vec<Message> {
    let code = fs::read_to_string(path).unwrap();
    let code = code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let file = path.strip_prefix(root()).unwrap().to_str().unwrap();
    let places = MACROS.iter().flat_map(|name| {
        let is_word =
            |at: &usize| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        code.match_indices(name).map(|(at, _)| at).filter(is_word).collect::<Vec<_>>()
    });
    places.map(|at| Message { file: file.to_owned(), text: literal(&code[at..]) }).collect()
}

fn messages() -> Vec<Message> {
    let files = files(&root().join("src"));
    let found: Vec<Message> = files.iter().flat_map(|file| messages_in(file)).collect();
    assert!(found.len() > 20, "they are looked for as they are written: {found:?}");
    found
}

/// The tables of messages, whose words may stand on several lines.
fn documented() -> String {
    let page = fs::read_to_string(root().join("docs/operation.md")).unwrap();
    let (_, tables) = page.split_once("\n## Log messages\n").expect("there is a chapter");
    tables.split("\n## ").next().unwrap_or_default().to_owned()
}

#[test]
fn every_warning_and_error_is_documented_with_its_cause() {
    let documented = documented();

    let missing: Vec<String> = messages()
        .iter()
        .filter(|message| message.constant().len() >= WORDS_MIN)
        .filter(|message| !documented.contains(message.constant()))
        .map(|Message { file, text }| format!("{file}: {text}"))
        .collect();

    assert!(missing.is_empty(), "not in docs/operation.md:\n{}", missing.join("\n"));
}

#[test]
fn messages_that_are_made_elsewhere_are_documented_too() {
    let documented = documented();

    for (_, maker, words) in MADE_ELSEWHERE {
        let code = fs::read_to_string(root().join(maker)).unwrap();
        assert!(code.contains(words), "{words:?} is no more in {maker}");
        let documented_words = if words.contains("set_hook") { PANIC } else { words };
        assert!(documented.contains(documented_words), "{words:?} is not in docs/operation.md");
    }
    for Message { file, text } in messages().iter().filter(|it| it.constant().len() < WORDS_MIN) {
        let is_known = MADE_ELSEWHERE.iter().any(|(logger, ..)| logger == file);
        assert!(is_known, "{file} logs {text:?}, which is made elsewhere");
    }
}

#[test]
fn every_message_has_a_cause_and_a_remedy() {
    let documented = documented();

    for row in documented.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();

        assert!(cells.len() == 3 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}
