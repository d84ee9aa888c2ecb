//! A man page from the definition of a command's arguments.

use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality, PositionalInfo};
use roff::{Inline, Roff, bold, italic, roman};

use crate::cli::{PROGRAM, VERSION};

/// What the definitions write for the words by which a command is called.
const COMMAND_NAME: &str = "{command_name}";

/// The page of the program, which names its commands.
pub(super) fn of_program(program: &CommandInfoWithArgs) -> String {
    let mut page = begin(PROGRAM, program.description);
    page.control("SH", ["SYNOPSIS"]);
    page.text([bold(PROGRAM), roman(" "), italic("command"), roman(" [options]")]);
    page.control("SH", ["COMMANDS"]);
    for command in &program.commands {
        let name = format!("{PROGRAM}-{}", command.name);
        page.control("TP", []);
        page.text([bold(name), roman("(1)")]);
        page.text([roman(command.command.description)]);
    }
    options(&mut page, program.flags);
    notes(&mut page, PROGRAM, program.notes);
    examples(&mut page, PROGRAM, program.examples);
    page.control("SH", ["FILES"]);
    page.control("TP", []);
    page.text([italic("/etc/service-registry/registry.yaml")]);
    page.text([roman("The settings of the registry, each explained there.")]);
    page.control("TP", []);
    page.text([italic("/var/lib/service-registry")]);
    page.text([roman("The database of the registry that is started with the host.")]);
    page.render()
}

/// The page of the command `name`.
pub(super) fn of_command(name: &str, command: &CommandInfoWithArgs) -> String {
    let called = format!("{PROGRAM} {name}");
    let mut page = begin(&format!("{PROGRAM}-{name}"), command.description);
    page.control("SH", ["SYNOPSIS"]);
    let mut synopsis = vec![bold(called.clone())];
    let required = command.flags.iter().filter(|it| it.optionality == Optionality::Required);
    for flag in required {
        synopsis.push(roman(" "));
        synopsis.extend(term(flag));
    }
    synopsis.push(roman(" [options]"));
    synopsis.extend(command.positionals.iter().flat_map(|positional| placed(positional)));
    page.text(synopsis);
    if !command.positionals.is_empty() {
        page.control("SH", ["ARGUMENTS"]);
        for positional in command.positionals {
            page.control("TP", []);
            page.text([italic(positional.name)]);
            page.text([roman(positional.description)]);
        }
    }
    options(&mut page, command.flags);
    notes(&mut page, &called, command.notes);
    examples(&mut page, &called, command.examples);
    page.control("SH", ["SEE ALSO"]);
    page.text([bold(PROGRAM), roman("(1)")]);
    page.render()
}

fn begin(name: &str, description: &str) -> Roff {
    let version = format!("{PROGRAM} {VERSION}");
    let mut page = Roff::new();
    page.control("TH", [name.to_uppercase().as_str(), "1", "", version.as_str()]);
    page.control("SH", ["NAME"]);
    page.text([roman(format!("{name} - {}", description.trim().trim_end_matches('.')))]);
    page
}

/// How an argument without a flag stands in the synopsis.
fn placed(positional: &PositionalInfo<'_>) -> [Inline; 3] {
    let (before, behind) = match positional.optionality {
        Optionality::Required => (" ", ""),
        Optionality::Optional => (" [", "]"),
        Optionality::Repeating => (" [", "]..."),
        Optionality::Greedy => (" [--] ", "..."),
    };
    [roman(before), italic(positional.name), roman(behind)]
}

fn options(page: &mut Roff, flags: &[FlagInfo<'_>]) {
    page.control("SH", ["OPTIONS"]);
    for flag in flags.iter().filter(|flag| !flag.hidden) {
        page.control("TP", []);
        // What argh tells of it leaves this out, although it is what all commands take.
        let short = if flag.long == "--help" { Some('h') } else { flag.short };
        let short = short.map(|short| [bold(format!("-{short}")), roman(", ")]);
        page.text(short.into_iter().flatten().chain(term(flag)).collect::<Vec<_>>());
        let is_required = flag.optionality == Optionality::Required;
        let required = if is_required { " (required)" } else { "" };
        page.text([roman(format!("{}{required}", flag.description))]);
    }
}

/// A flag with the name of its value, if it has one.
fn term(flag: &FlagInfo<'_>) -> Vec<Inline> {
    let mut term = vec![bold(flag.long)];
    if let FlagInfoKind::Option { arg_name } = flag.kind {
        term.extend([roman(" "), italic(arg_name)]);
    }
    term
}

/// One paragraph each; what is indented continues the one before in a line of its own.
fn notes(page: &mut Roff, called: &str, notes: &[&str]) {
    if notes.is_empty() {
        return;
    }
    page.control("SH", ["NOTES"]);
    for note in notes {
        page.control(if note.starts_with(' ') { "br" } else { "PP" }, []);
        page.text([roman(note.trim().replace(COMMAND_NAME, called))]);
    }
}

fn examples(page: &mut Roff, called: &str, examples: &[&str]) {
    if examples.is_empty() {
        return;
    }
    page.control("SH", ["EXAMPLES"]);
    for example in examples {
        for line in example.lines() {
            page.control("PP", []);
            page.text([roman(line.replace(COMMAND_NAME, called))]);
        }
    }
}
