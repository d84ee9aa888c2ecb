//! Rules of the house that a program can check: who may use what, and how long things may be.

use std::fs;
use std::path::{Path, PathBuf};

use service_registry::protocol::action::Action;

const LINE_LENGTH_MAX: usize = 100;
const FILE_LENGTH_MAX: usize = 400;
const FUNCTION_LENGTH_MAX: usize = 70;

/// A file of the project.
struct Source {
    /// Its path from the project's folder.
    path: String,
    text: String,
}

impl Source {
    /// Everything before the tests, which stand at the end or in a file of their own.
    fn without_tests(&self) -> impl Iterator<Item = &str> {
        let is_tests = self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        let lines = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        lines.filter(move |_| !is_tests)
    }

    /// The lines that are no comments, which may say what code may not.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.without_tests().enumerate();
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The functions outside the tests: the number of the first line, the name, and how many lines
    /// there are.
    fn functions(&self) -> Vec<(usize, &str, usize)> {
        let lines: Vec<&str> = self.without_tests().collect();
        let mut functions = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            let Some(name) = function_begun_by(line) else { continue };
            let depth = depth(line);
            // What rustfmt has formatted ends with a line as far left as it began.
            let ends = |line: &&str| self::depth(line) == depth && line.ends_with(['}', ';']);
            let last = lines[number..].iter().position(ends).expect("a function ends");
            functions.push((number + 1, name, last + 1));
        }
        functions
    }

    /// The module of the crate that it belongs to.
    fn module(&self) -> String {
        let path = self.path.strip_prefix("src/").expect("modules are in src");
        let end = path.find(['/', '.']).expect("a module is a folder or a file");
        path[..end].to_owned()
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }
}

/// The name of the function whose first line this is.
fn function_begun_by(line: &str) -> Option<&str> {
    let (before, rest) = line.trim_start().split_once("fn ")?;
    let is_keyword = |word: &str| matches!(word, "const" | "async") || word.starts_with("pub");
    let is_function = before.split_whitespace().all(is_keyword);
    let end = rest.find(['(', '<']).filter(|_| is_function)?;
    Some(&rest[..end])
}

/// How far a line is indented.
fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                sources.push(Source { path, text });
            }
        }
    }
    assert!(!sources.is_empty(), "there is something to check");
    sources
}

/// None of `words` stands in code outside `allowed`, and `allowed` exists.
#[track_caller]
fn assert_only_in(allowed: &[&str], words: &[&str]) {
    let sources = sources(&["src"]);
    let is_used =
        |source: &Source| source.code().any(|(_, line)| words.iter().any(|w| line.contains(w)));
    assert!(
        sources.iter().any(|source| source.is_in(allowed) && is_used(source)),
        "{words:?} are nowhere; do the words or the places still fit?"
    );
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !source.is_in(allowed)) {
        for (number, line) in source.code() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "only in {allowed:?}:\n{}", found.join("\n"));
}

#[test]
fn only_the_clock_and_the_clients_deadlines_read_a_clock() {
    assert_only_in(
        &["src/clock.rs", "src/client", "src/cli"],
        &["Instant::now", "SystemTime::now", ".elapsed()", "now_v7", "UNIX_EPOCH"],
    );
}

#[test]
fn only_the_files_made_for_it_start_threads() {
    let words = ["thread::spawn", "thread::Builder", "Builder::new().name", "thread::scope"];

    let files = [
        "src/server/thread.rs",
        "src/client/thread.rs",
        "src/cli/logging.rs",
        "src/cli/start/signals.rs",
        "src/cli/start/supervision.rs",
        "src/cli/top/feed.rs",
    ];
    assert_only_in(&files, &words);
}

#[test]
fn only_server_client_and_load_use_zeromq() {
    // A load needs sockets with many requests under way, which no client has.
    let places = ["src/server", "src/client", "src/cli/bench", "src/curve.rs"];
    assert_only_in(&places, &["zmq::"]);
}

#[test]
fn only_its_backend_uses_sqlite() {
    assert_only_in(&["src/backend/sqlite"], &["rusqlite"]);
}

#[test]
fn only_the_program_parses_arguments() {
    assert_only_in(&["src/cli", "src/main.rs"], &["argh"]);
}

#[test]
fn only_the_program_prints() {
    assert_only_in(&["src/cli", "src/main.rs"], &["println!", "print!(", "stdout()", "stderr()"]);
}

#[test]
fn the_core_knows_no_random_numbers_no_log_and_no_threads() {
    let words = ["Uuid::new", "fastrand", "rand::", "log::", "std::thread", "crossbeam_channel"];
    let mut found = Vec::new();

    for source in sources(&["src"]) {
        let core = ["src/json", "src/service", "src/registry", "src/protocol"];
        for (number, line) in source.code().filter(|_| source.is_in(&core)) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }

    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The modules of `src`, each with those that it may use, all of which stand above it here.
/// ZeroMQ is in `curve`, `client` and `server` alone, so whatever does not use them is free of it.
const LAYERS: [(&str, &[&str]); 16] = [
    ("address", &[]),
    ("clock", &[]),
    ("json", &[]),
    ("key", &[]),
    ("limits", &[]),
    ("mailbox", &[]),
    ("access", &["clock", "key"]),
    ("service", &["access", "json", "limits"]),
    ("registry", &["access", "clock", "json", "limits", "service"]),
    ("protocol", &["access", "clock", "json", "limits", "registry", "service"]),
    ("backend", &["clock", "json", "registry", "service"]),
    ("config", &["access", "address", "backend", "key", "limits"]),
    ("curve", &["key"]),
    ("client", &["address", "clock", "curve", "mailbox", "protocol", "service"]),
    (
        "server",
        &[
            "access", "backend", "clock", "config", "curve", "json", "key", "limits", "mailbox",
            "protocol", "registry", "service",
        ],
    ),
    // The program sees the library as every other program does.
    ("cli", &[]),
];

#[test]
fn every_module_has_its_layer() {
    let mut modules: Vec<String> = sources(&["src"]).iter().map(Source::module).collect();
    modules.sort();
    modules.dedup();
    modules.retain(|module| !matches!(module.as_str(), "lib" | "main"));

    let mut layers = LAYERS.map(|(module, _)| module);
    layers.sort_unstable();
    assert_eq!(modules, layers);
}

#[test]
fn layers_stand_above_what_uses_them() {
    for (number, (module, used)) in LAYERS.iter().enumerate() {
        for lower in *used {
            let stands_above = LAYERS[..number].iter().any(|(other, _)| other == lower);
            assert!(stands_above, "{module} uses {lower}");
        }
    }
}

#[test]
fn imports_run_one_way() {
    let mut found = Vec::new();

    for source in sources(&["src"]) {
        let module = source.module();
        let Some((_, used)) = LAYERS.iter().find(|(layer, _)| *layer == module) else { continue };
        for (number, line) in source.code() {
            for name in line.split("crate::").skip(1) {
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
                let name = &name[..end.unwrap_or(name.len())];
                if name != module && !used.contains(&name) {
                    found.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
                }
            }
        }
    }

    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_line_is_longer_than_a_hundred_characters() {
    let mut found = Vec::new();

    for source in sources(&["src", "tests"]) {
        for (number, line) in source.text.lines().enumerate() {
            let length = line.chars().count();
            if length > LINE_LENGTH_MAX {
                found.push(format!("{}:{}: {length} characters", source.path, number + 1));
            }
        }
    }

    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_file_is_longer_than_four_hundred_lines_without_its_tests() {
    let mut found = Vec::new();

    for source in sources(&["src", "tests"]) {
        let lines = source.without_tests().count();
        if lines > FILE_LENGTH_MAX {
            found.push(format!("{}: {lines} lines", source.path));
        }
    }

    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_function_is_longer_than_seventy_lines() {
    let sources = sources(&["src", "examples", "benches"]);
    let functions = sources.iter().flat_map(|source| {
        source.functions().into_iter().map(move |function| (source.path.as_str(), function))
    });
    let (mut seen, mut found) = (0, Vec::new());

    for (path, (number, name, length)) in functions {
        seen += 1;
        if length > FUNCTION_LENGTH_MAX {
            found.push(format!("{path}:{number}: {name} has {length} lines"));
        }
    }

    assert!(seen > 1_000, "only {seen} functions are seen; do they still look like this?");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_file_says_what_lives_in_it() {
    let silent: Vec<String> = sources(&["src", "tests"])
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path)
        .collect();

    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn every_action_is_documented() {
    let page = fs::read_to_string(root().join("docs/protocol.md")).unwrap();

    for action in Action::ALL.map(Action::name) {
        assert!(page.contains(&format!("`{action}`")), "{action} is not in docs/protocol.md");
    }
}
