//! `service-registry run`.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use service_registry::client::{ConnectionError, RegisteredService, Registration};
use service_registry::service::ServiceId;
use thiserror::Error;
use uuid::Uuid;

use super::asking::Timeout;
use super::failure::Failure;
use super::registering::registering_command;
use super::{Exit, output, warnings};

mod program;
mod signals;

use program::Program;
use signals::{Heard, Signals};

/// What a shell adds to the number of the signal that ended a command.
const SIGNAL_EXIT_BASE: u8 = 128;

/// Not the usual 2, with which many a command ends where its own arguments are wrong. By the name
/// of `EX_USAGE` it is known to what starts commands.
pub(super) const WRONG_USAGE: Exit = Exit::AsCommand(64);

/// From one attempt to reach the registry to the next.
const PAUSE: Duration = Duration::from_millis(200);

registering_command! {
    /// Run a command and keep it registered while it runs.
    #[argh(
        subcommand,
        name = "run",
        help_triggers("-h", "--help", "help"),
        note = "The service is registered before the command is started, and deregistered when \
            the command has ended. SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1 and SIGUSR2 are \
            passed on to it.",
        note = "The exit code is that of the command, or 128 plus the number of the signal that \
            ended it. If the command was not started, it is 3 if no registry could be reached, 1 \
            if the registry refused, 64 if the arguments or the configuration are wrong, 127 if \
            the command was not found, and 126 if it could not be run. A running command goes on \
            when the registry is away.",
        note = "Give an --id if the command may be restarted after a crash: it then replaces its \
            former registration, which would otherwise have to expire first.",
        example = "{command_name} --name 'Power Supply' --type PSU --port 40123 -- ./psu.py --fast"
    )]
    struct Run {
        /// how many seconds to try to reach the registry before giving up (default: one
        /// attempt, for the --timeout)
        #[argh(option)]
        wait: Option<Timeout>,

        /// the command and its arguments, after --
        #[argh(positional, greedy)]
        command: Vec<String>,
    }
}

/// Why a command cannot be run.
#[derive(Debug, Error)]
pub(super) enum CommandError {
    /// There is no such program.
    #[error("{0}: command not found")]
    NotFound(String),
    /// There is one, but the system does not run it.
    #[error("cannot run {command}")]
    NotExecutable { command: String, source: io::Error },
    /// It runs, and cannot be heard or spoken to.
    #[error("cannot pass signals on")]
    Signals(#[source] io::Error),
}

impl CommandError {
    /// As a shell would end.
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound(_) => 127,
            Self::NotExecutable { .. } | Self::Signals(_) => 126,
        }
    }
}

impl Run {
    pub(super) fn run(&self) -> Exit {
        self.supervise().unwrap_or_else(|failure| match failure.tell() {
            Exit::WrongUsage => WRONG_USAGE,
            exit => exit,
        })
    }

    fn supervise(&self) -> Result<Exit, Failure> {
        let Some((name, arguments)) = self.command.split_first() else {
            return Err(Failure::Usage("run takes a command, after `--`".to_owned()));
        };
        // Before anything is registered that would have to be taken back.
        let program = Program::find(name)?;
        let registration = self.registration()?;
        // From here on no signal ends this process before the service is deregistered.
        let mut signals = Signals::listen().map_err(CommandError::Signals)?;
        warnings::show(|warning| output::complain(&warning));
        let service = match self.register(&registration, &mut signals)? {
            Registered::Yes(service) => service,
            Registered::Interrupted(signal) => return Ok(by_signal(signal)),
        };
        self.said().warn_of_loopback(&registration);
        let exit = match signals.pending() {
            // It came while the service was being registered. Nobody has it yet, and the keys of
            // a terminal would never reach a command that is started now.
            Some(signal) => Ok(by_signal(signal)),
            None => run_command(&program, arguments, &mut signals),
        };
        if let Err(error) = service.deregister() {
            output::complain(&format!("not deregistered, so it will expire: {error}"));
        }
        Ok(exit?)
    }

    /// Always with an id, so that an attempt whose answer is lost is repeated, and not refused
    /// because of what it did itself.
    fn registration(&self) -> Result<Registration, Failure> {
        let registration = self.said().registration(&self.asking(false))?;
        Ok(match self.id {
            Some(_) => registration,
            None => {
                registration.service_id(ServiceId::generate(&self.name, Uuid::new_v4()).as_str())
            }
        })
    }

    /// Registers as soon as there is a registry, for as long as is to be waited for one.
    fn register(
        &self,
        registration: &Registration,
        signals: &mut Signals,
    ) -> Result<Registered, Failure> {
        let patience = self.wait.map_or(Duration::ZERO, Timeout::duration);
        let started = Instant::now();
        loop {
            if let Some(signal) = signals.pending() {
                return Ok(Registered::Interrupted(signal));
            }
            let remaining = patience.saturating_sub(started.elapsed());
            match self.attempt(registration) {
                Err(Failure::Connection(ConnectionError::Unreachable { .. }))
                    if !remaining.is_zero() => {}
                outcome => {
                    let outcome = outcome.map_err(|failure| failure.after_all(patience));
                    return outcome.map(|service| Registered::Yes(Box::new(service)));
                }
            }
            std::thread::sleep(PAUSE.min(remaining));
        }
    }

    fn attempt(&self, registration: &Registration) -> Result<RegisteredService, Failure> {
        Ok(self.asking(false).client()?.register_scoped(registration)?.deregister_on_drop())
    }
}

enum Registered {
    Yes(Box<RegisteredService>),
    /// By a signal that asked this process to end.
    Interrupted(u8),
}

fn run_command(
    program: &Program,
    arguments: &[String],
    signals: &mut Signals,
) -> Result<Exit, CommandError> {
    let command = Command::new(program.path()).args(arguments).spawn();
    let child = command.map_err(|source| program.not_executable(source))?;
    watch_over(child, signals).map(exit).map_err(CommandError::Signals)
}

/// Passes signals on until the command has ended.
fn watch_over(mut child: Child, signals: &mut Signals) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match signals.next() {
            Heard::ChildChanged => {}
            // A command that may not be signalled, such as one that changed its user, lives on.
            Heard::PassOn(signal) => {
                if let Err(error) = signals::send(&child, signal) {
                    output::complain(&format!("cannot pass signal {signal} on: {error}"));
                }
            }
        }
    }
}

fn exit(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;

    let code = status.code().and_then(|code| u8::try_from(code).ok());
    let signal = status.signal().and_then(|signal| u8::try_from(signal).ok());
    match (code, signal) {
        (Some(code), _) => Exit::AsCommand(code),
        (None, signal) => by_signal(signal.unwrap_or_default()),
    }
}

fn by_signal(signal: u8) -> Exit {
    Exit::AsCommand(SIGNAL_EXIT_BASE.saturating_add(signal))
}
