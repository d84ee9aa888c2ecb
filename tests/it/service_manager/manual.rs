//! Man pages and completions: whatever `--help` tells, they tell.

use std::fs;
use std::path::Path;

use crate::support::Launch;

const PROGRAM: &str = "service-registry";

/// The words at the beginning of the lines under a heading of `--help`.
fn first_words(help: &str, heading: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != heading).skip(1);
    let lines = lines.take_while(|line| line.starts_with("  "));
    let terms = lines.filter(|line| !line.starts_with("   "));
    terms
        .filter_map(|line| line.split_whitespace().find(|word| !is_short(word)))
        .map(|word| word.trim_end_matches(',').to_owned())
        .collect()
}

/// `-h,` before `--help`.
fn is_short(word: &str) -> bool {
    word.len() == 3 && word.starts_with('-') && word.ends_with(',')
}

/// The lines of a completion from one to the first behind it that begins with `end`.
#[track_caller]
fn part<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n{begin}\n")).unwrap_or_else(|| panic!("{begin}"));
    rest.split_once(&format!("\n{end}")).map_or(rest, |(part, _)| part)
}

#[track_caller]
fn read(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    let text = fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display())).replace("\\-", "-")
}

#[test]
fn every_command_and_flag_has_its_place_in_the_man_pages_and_the_completions() {
    let launch = Launch::new();
    launch.run(&["write-manual", "manual"]).assert_code(0);
    let folder = launch.path("manual");
    let [bash, zsh, fish] = [
        "bash-completion/completions/service-registry",
        "zsh/vendor-completions/_service-registry",
        "fish/vendor_completions.d/service-registry.fish",
    ]
    .map(|name| read(&folder, name));
    let program = read(&folder, "man/man1/service-registry.1");

    let commands = first_words(&launch.run(&["--help"]).stdout, "Commands:");
    assert!(commands.contains(&"start".to_owned()), "{commands:?}");
    for command in &commands {
        assert!(program.contains(&format!("{PROGRAM}-{command}")), "{command}");
        let page = read(&folder, &format!("man/man1/{PROGRAM}-{command}.1"));
        let flags = first_words(&launch.run(&[command, "--help"]).stdout, "Options:");
        assert!(!flags.is_empty(), "{command}");
        let bash = part(&bash, &format!("        {PROGRAM}_{command})"), "            case");
        let zsh = part(&zsh, &format!("_{PROGRAM}_{command}() {{"), "}");
        let when = format!("'__fish_{PROGRAM}_using_command {command}'");
        let fish: Vec<&str> = fish.lines().filter(|line| line.contains(&when)).collect();
        for flag in &flags {
            let name = flag.trim_start_matches('-');
            assert!(page.contains(flag), "{flag} in the page of {command}:\n{page}");
            assert!(bash.split([' ', '"']).any(|word| word == flag), "{flag} for bash:\n{bash}");
            assert!(zsh.contains(&format!("'{flag}[")), "{flag} for zsh:\n{zsh}");
            let option = format!(" -l {name} ");
            assert!(fish.iter().any(|line| line.contains(&option)), "{flag} for fish:\n{fish:#?}");
        }
    }
}

#[test]
fn the_man_pages_tell_what_must_be_given() {
    let launch = Launch::new();
    launch.run(&["write-manual", "manual"]).assert_code(0);
    let page = read(&launch.path("manual"), "man/man1/service-registry-register.1");

    let synopsis = page.lines().find(|line| line.contains("[options]")).unwrap();
    assert!(synopsis.contains("--name") && synopsis.contains("--port"), "{synopsis}");
    assert!(!synopsis.contains("--type"), "{synopsis}");
    assert!(page.contains("name of the service, for people (required)"), "{page}");
    assert!(page.contains("-h") && page.contains("--help"), "{page}");
}
