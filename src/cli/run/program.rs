//! Finding the program of a command, as a shell does.

use std::env;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::CommandError;

/// Who may execute a file: its owner, its group, all others.
const EXECUTE_BITS: u32 = 0o111;

/// A program that can be run, as far as can be told without running it.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    path: PathBuf,
}

impl Program {
    /// The program that `name` means: a path where there is a slash in it, else a file in one of
    /// the folders of `PATH`.
    pub(super) fn find(name: &str) -> Result<Self, CommandError> {
        let folders = env::var_os("PATH").unwrap_or_default();
        let paths: Vec<PathBuf> = if name.contains('/') {
            vec![PathBuf::from(name)]
        } else {
            env::split_paths(&folders).map(|folder| folder.join(name)).collect()
        };
        let program = |path: &PathBuf| Self { name: name.to_owned(), path: path.clone() };
        match paths.iter().find(|path| is_executable(path)) {
            Some(path) => Ok(program(path)),
            None => match paths.iter().find(|path| path.exists()) {
                Some(path) => {
                    let error = io::Error::from(io::ErrorKind::PermissionDenied);
                    Err(program(path).not_executable(error))
                }
                None => Err(CommandError::NotFound(name.to_owned())),
            },
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What to say where the system does not run it after all.
    pub(super) fn not_executable(&self, source: io::Error) -> CommandError {
        CommandError::NotExecutable { command: self.name.clone(), source }
    }
}

fn is_executable(path: &Path) -> bool {
    let metadata = path.metadata();
    metadata.is_ok_and(|file| file.is_file() && file.permissions().mode() & EXECUTE_BITS != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        let by_name = Program::find("sh").unwrap();
        let path = by_name.path().to_str().unwrap();

        assert!(path.ends_with("/sh"));
        assert_eq!(Program::find(path).unwrap().path(), by_name.path());
    }

    #[test]
    fn what_is_not_there_is_not_found_and_what_is_no_program_cannot_be_run() {
        assert_eq!(Program::find("no-such-program").unwrap_err().exit_code(), 127);
        assert_eq!(Program::find("/no/such/program").unwrap_err().exit_code(), 127);
        assert_eq!(Program::find("/").unwrap_err().exit_code(), 126);
    }
}
