//! The program: arguments to a command, and the command to an exit code.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::run(std::env::args_os().skip(1)).into()
}
