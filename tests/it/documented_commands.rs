//! The command lines in README.md and in docs: the program has what they say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What stands in front of a subcommand where somebody is told to type one.
const CALLS: [&str; 2] = ["service-registry ", "cargo run --release -- "];

/// What ends a command line: the end of its quotation, a comment, another command, or the
/// arguments of a program that is run.
const ENDS: [&str; 5] = ["`", " #", " && ", " | ", " -- "];

/// A command line that a page tells.
struct CommandLine {
    /// Where it stands, for a test that fails.
    place: String,
    subcommand: String,
    flags: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    [root().join("README.md")].into_iter().chain(pages).collect()
}

fn command_lines(page: &Path) -> Vec<CommandLine> {
    let text = fs::read_to_string(page).unwrap().replace("\\\n", " ");
    let mut found = Vec::new();
    for line in text.lines() {
        for call in CALLS {
            for (begin, _) in line.match_indices(call) {
                let rest = &line[begin + call.len()..];
                let place = format!("{}: {line}", page.display());
                found.extend(command_line(place, rest));
            }
        }
    }
    found
}

/// None where `text` goes on with something else than a subcommand, as the line that tells that
/// a registry is ready.
fn command_line(place: String, text: &str) -> Option<CommandLine> {
    let end = ENDS.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    let mut words = text[..end].split_whitespace();
    let subcommand = words.next().filter(|word| !word.ends_with(':') && !word.starts_with('-'))?;
    let flags = words.filter(|word| word.starts_with("--"));
    let flags = flags.map(|word| word.split('=').next().unwrap_or(word).to_owned());
    Some(CommandLine { place, subcommand: subcommand.to_owned(), flags: flags.collect() })
}

fn help(arguments: &[&str]) -> String {
    let mut program = Command::new(env!("CARGO_BIN_EXE_service-registry"));
    let output = program.args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{arguments:?} is no command");
    String::from_utf8(output.stdout).unwrap()
}

/// The first words of the lines between `title` and the next empty line.
fn names_under(title: &str, help: &str) -> BTreeSet<String> {
    let lines = help.lines().skip_while(|line| *line != title).skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    // What is indented further goes on with an explanation.
    let names = lines.filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' '));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn every_command_line_that_is_told_can_be_typed() {
    let mut wrong = Vec::new();

    for line in pages().iter().flat_map(|page| command_lines(page)) {
        let flags = names_under("Options:", &help(&[&line.subcommand]));
        let unknown = line.flags.iter().filter(|flag| !flags.contains(*flag));
        wrong.extend(unknown.map(|flag| format!("there is no {flag} in {}", line.place)));
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names behind `scripts/` in a text.
fn scripts_in(text: &str) -> BTreeSet<String> {
    let names = text.split("scripts/").skip(1);
    let names = names.map(|rest| {
        let is_of_name = |character: char| character.is_ascii_lowercase() || character == '-';
        rest.chars().take_while(|character| is_of_name(*character)).collect::<String>()
    });
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_script_that_is_told_is_there_and_every_one_that_is_there_is_told() {
    let scripts: Vec<PathBuf> =
        fs::read_dir(root().join("scripts")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    // What a script uses of another need not be known to people.
    let texts = pages().into_iter().chain(scripts.clone()).chain([root().join(".ci/run")]);

    let told: BTreeSet<String> = texts
        .flat_map(|path| {
            let mut told = scripts_in(&fs::read_to_string(&path).unwrap());
            if scripts.contains(&path) {
                told.remove(&name(&path));
            }
            told
        })
        .collect();

    assert_eq!(told, scripts.iter().map(name).collect());
}

#[test]
fn every_command_is_in_the_readme() {
    let told = command_lines(&root().join("README.md"));

    let told: BTreeSet<String> = told.into_iter().map(|line| line.subcommand).collect();

    assert_eq!(told, names_under("Commands:", &help(&[])));
}
