//! The command line: from arguments to a command, and its exit code.
//!
//! One file per command. Around them: the arguments that the asking commands share in `asking`, the
//! registry that they ask in `registry`, the search for `registry.yaml` in `configuration`,
//! everything that can go wrong in `failure`, all that is printed in `output` and `services`, and
//! what `export` and `import` share in `transfer`. `manual` makes man pages of it all.

use std::ffi::OsString;
use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};

mod asking;
mod backup;
mod bench;
mod check;
mod client;
mod configuration;
mod deregister;
mod discover;
mod doctor;
mod export;
mod failure;
mod get;
mod health;
mod host;
mod hosts;
mod import;
mod journal;
mod keygen;
mod keys;
mod list_services;
mod logging;
mod manual;
mod output;
mod register;
mod registering;
mod registry;
mod run;
mod services;
mod start;
mod status;
mod stop;
mod top;
mod transfer;
mod wait;
mod warnings;
mod watch;

const PROGRAM: &str = "service-registry";

/// With the commit that the program was built from, where that is known.
const VERSION: &str = env!("SERVICE_REGISTRY_VERSION");

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done,
    /// The registry refused or did not find it; a server did not start, or ended by a fault.
    Refused,
    /// The arguments or the configuration are wrong.
    WrongUsage,
    /// No registry answered.
    NotReachable,
    /// As the command that was run ended, or could not be begun.
    AsCommand(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::WrongUsage => 2,
            Exit::NotReachable => 3,
            Exit::AsCommand(code) => code,
        })
    }
}

/// A service registry for laboratory hardware: device services register, and others find them.
#[derive(argh::ArgsInfo, FromArgs)]
#[argh(
    help_triggers("-h", "--help", "help"),
    example = "{command_name} start --bind '*'\n{command_name} list-services --host lab-server",
    note = "`{command_name} <command> --help` explains a command.",
    note = "Exit codes:",
    note = "  0 done",
    note = "  1 refused or not found; the registry could not start, or failed",
    note = "  2 wrong usage: arguments or configuration file",
    note = "  3 registry not reachable",
    note = "`run` ends with the exit code of its command, and with 64 for wrong usage."
)]
struct Arguments {
    /// print the version, and the commit that it was built from
    #[argh(switch)]
    version: bool,

    #[argh(subcommand)]
    command: Option<Command>,
}

#[derive(argh::ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum Command {
    Start(start::Start),
    Stop(stop::Stop),
    Status(status::Status),
    Health(health::Health),
    ListServices(list_services::ListServices),
    Get(get::Get),
    Discover(discover::Discover),
    Deregister(deregister::Deregister),
    Watch(watch::Watch),
    Wait(wait::Wait),
    Register(register::Register),
    Run(run::Run),
    Backup(backup::Backup),
    Check(check::Check),
    Export(export::Export),
    Import(import::Import),
    Bench(bench::Bench),
    Keygen(keygen::Keygen),
    Top(top::Top),
    Doctor(doctor::Doctor),
}

/// Does what `arguments` say.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.collect();
    if let Some(folder) = manual::asked_for(&arguments) {
        return manual::write(folder);
    }
    match parse(arguments.into_iter()) {
        Ok(Arguments { version: true, .. }) => output::print(&format!("{PROGRAM} {VERSION}"))
            .map_or_else(|failure| failure.tell(), |()| Exit::Done),
        Ok(Arguments { command: Some(command), .. }) => command.run(),
        Ok(Arguments { command: None, .. }) => wrong_usage(PROGRAM, "a command is missing"),
        Err(exit) => exit,
    }
}

impl Command {
    fn run(&self) -> Exit {
        match self {
            Self::Start(command) => command.run(),
            Self::Stop(command) => command.run(),
            Self::Status(command) => command.run(),
            Self::Health(command) => command.run(),
            Self::ListServices(command) => command.run(),
            Self::Get(command) => command.run(),
            Self::Discover(command) => command.run(),
            Self::Deregister(command) => command.run(),
            Self::Watch(command) => command.run(),
            Self::Wait(command) => command.run(),
            Self::Register(command) => command.run(),
            Self::Run(command) => command.run(),
            Self::Backup(command) => command.run(),
            Self::Check(command) => command.run(),
            Self::Export(command) => command.run(),
            Self::Import(command) => command.run(),
            Self::Bench(command) => command.run(),
            Self::Keygen(command) => command.run(),
            Self::Top(command) => command.run(),
            Self::Doctor(command) => command.run(),
        }
    }
}

/// The parsed arguments, or how the program ends where they are wrong or ask for help.
fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Arguments, Exit> {
    let arguments = arguments
        .map(|argument| {
            argument.into_string().map_err(|argument| {
                wrong_usage(PROGRAM, &format!("{} is not UTF-8", argument.to_string_lossy()))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let arguments: Vec<&str> = split_values(&arguments).collect();
    Arguments::from_args(&[PROGRAM], &arguments).map_err(|early| match early.status {
        Ok(()) => output::print(early.output.trim_end())
            .map_or_else(|failure| failure.tell(), |()| Exit::Done),
        Err(()) => {
            let called = called(&arguments);
            let exit = wrong_usage(&called, early.output.trim_end());
            if called == format!("{PROGRAM} run") { run::WRONG_USAGE } else { exit }
        }
    })
}

/// What of the program is called: a command, where the first argument is one.
fn called(arguments: &[&str]) -> String {
    let program = Arguments::get_args_info();
    let is_command = |word: &&&str| program.commands.iter().any(|it| it.name == **word);
    let command = arguments.first().filter(is_command);
    command.map_or_else(|| PROGRAM.to_owned(), |command| format!("{PROGRAM} {command}"))
}

/// `--name=value` as `--name value`, which is what argh knows. Behind `--` stand no flags.
fn split_values(arguments: &[String]) -> impl Iterator<Item = &str> {
    let flags = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    let (flags, rest) = arguments.split_at(flags);
    let flags = flags.iter().flat_map(|argument| match argument.split_once('=') {
        Some((name, value)) if name.starts_with("--") => vec![name, value],
        _ => vec![argument.as_str()],
    });
    flags.chain(rest.iter().map(String::as_str))
}

fn wrong_usage(called: &str, problem: &str) -> Exit {
    output::complain(&format!("{problem}\n`{called} --help` shows how to use it."));
    Exit::WrongUsage
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(arguments: &[&str]) -> Vec<String> {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        split_values(&arguments).map(str::to_owned).collect()
    }

    #[test]
    fn a_value_may_stand_behind_an_equals_sign() {
        assert_eq!(split(&["get", "--host=lab", "id"]), ["get", "--host", "lab", "id"]);
        assert_eq!(split(&["--a=", "--b=c=d"]), ["--a", "", "--b", "c=d"]);
    }

    #[test]
    fn what_is_no_flag_keeps_its_equals_sign() {
        assert_eq!(split(&["get", "a=b"]), ["get", "a=b"]);
        assert_eq!(split(&["get", "--", "--a=b"]), ["get", "--", "--a=b"]);
    }
}
