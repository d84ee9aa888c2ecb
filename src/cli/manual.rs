//! `service-registry write-manual FOLDER`, by which a package is made: man pages, and completions
//! for bash, zsh and fish.
//!
//! Both come from the definitions of the arguments, so they say what the program takes. Nobody
//! else needs the command, so that `--help` does not mention it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use argh::{ArgsInfo, CommandInfoWithArgs};
use argh_complete::Generator;
use argh_complete::bash::Bash;
use argh_complete::fish::Fish;
use argh_complete::zsh::Zsh;

use super::{Arguments, Exit, PROGRAM, output};

mod man_page;

/// What asks for it.
const COMMAND: &str = "write-manual";

/// The folder that is asked for, if the manual is.
pub(super) fn asked_for(arguments: &[OsString]) -> Option<&Path> {
    match arguments {
        [command, folder] if command == COMMAND => Some(Path::new(folder)),
        _ => None,
    }
}

/// Writes the manual into `folder`, with the names that its files have where they are installed.
pub(super) fn write(folder: &Path) -> Exit {
    for (path, text) in files(&Arguments::get_args_info()) {
        if let Err(error) = write_file(&folder.join(&path), &text) {
            output::complain(&format!("cannot write {}: {error}", path.display()));
            return Exit::Refused;
        }
    }
    Exit::Done
}

fn files(program: &CommandInfoWithArgs) -> Vec<(PathBuf, String)> {
    let mut files = vec![
        (format!("bash-completion/completions/{PROGRAM}"), Bash::generate(PROGRAM, program)),
        (format!("zsh/vendor-completions/_{PROGRAM}"), Zsh::generate(PROGRAM, program)),
        (format!("fish/vendor_completions.d/{PROGRAM}.fish"), Fish::generate(PROGRAM, program)),
        (format!("man/man1/{PROGRAM}.1"), man_page::of_program(program)),
    ];
    files.extend(program.commands.iter().map(|command| {
        let path = format!("man/man1/{PROGRAM}-{}.1", command.name);
        (path, man_page::of_command(command.name, &command.command))
    }));
    files.into_iter().map(|(path, text)| (PathBuf::from(path), text)).collect()
}

fn write_file(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}
