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
    let completions = [
        "bash-completion/completions/service-registry",
        "zsh/vendor-completions/_service-registry",
        "fish/vendor_completions.d/service-registry.fish",
    ]
    .map(|name| (name, read(&folder, name)));
    let program = read(&folder, "man/man1/service-registry.1");

    let commands = first_words(&launch.run(&["--help"]).stdout, "Commands:");
    assert!(commands.contains(&"start".to_owned()), "{commands:?}");
    for command in &commands {
        assert!(program.contains(&format!("{PROGRAM}-{command}")), "{command}");
        let page = read(&folder, &format!("man/man1/{PROGRAM}-{command}.1"));
        let flags = first_words(&launch.run(&[command, "--help"]).stdout, "Options:");
        assert!(!flags.is_empty(), "{command}");
        for flag in &flags {
            assert!(page.contains(flag), "{flag} in the page of {command}:\n{page}");
            for (name, text) in &completions {
                let flag = flag.trim_start_matches('-');
                assert!(text.contains(flag) && text.contains(command), "{flag} in {name}");
            }
        }
    }
}
