//! Everything that can go wrong in a command, for people, for scripts, and as an exit code.

use std::error::Error;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use service_registry::backend::SqliteError;
use service_registry::client::{ClientError, ConnectionError};
use service_registry::curve::{KeyFileError, NoCurve};
use service_registry::server::{ServerError, StartError};
use thiserror::Error;

use super::bench::BenchError;
use super::configuration::ConfigurationError;
use super::run::CommandError;
use super::transfer::TransferError;
use super::{Exit, output};

/// What to look at when nobody answers.
const UNREACHABLE_HINT: &str = "check --host (--registry) and --req-port, and that the registry \
    runs there, listens on this address (`start --bind`) and allows this host and its keys; \
    `service-registry doctor` checks all of this";

/// How to ask a registry while the settings on this host are wrong.
const PORT_HINT: &str = "the port of the registry is read from this file; correct it, or give \
    the port with --req-port";

/// What to look at when a service is not found.
const MISSING_HINT: &str = "`service-registry list-services` shows what there is";

/// What to do about a type that another service has.
const TAKEN_HINT: &str = "stop or deregister that one first, or let both have the type with \
    --allow-duplicate-service-type";

/// How to look into a database whose registry must not be stopped.
const IN_USE_HINT: &str = "or let that registry make a copy with `service-registry backup`, and \
    give the copy instead";

/// Why a command is not done.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// The arguments cannot be meant.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// Nobody named the file, and a command looks there for the port to ask at.
    #[error(transparent)]
    Port(ConfigurationError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The registry said no; this is its reply.
    #[error("{}", refusal(.0))]
    Refused(Value),
    /// The registry answers, and cannot store what changes.
    #[error("the registry at {endpoint} is not well: {trouble}")]
    Unwell { endpoint: String, trouble: String, reply: Value },
    /// The registry has no service with this id, and said so by this reply.
    #[error("{}: {id}", refusal(.reply))]
    NoSuchService { id: String, reply: Value },
    /// The registry has made a copy, and it is not there for who asked for it.
    #[error(
        "the registry has written {destination}, and there is no such copy here: it sees other \
         folders than you (its unit has /tmp for itself and no /home, or it is in a container); \
         give a path in the folder of its database, such as /var/lib/service-registry/backup.db"
    )]
    CopyElsewhere { destination: String },
    /// No registry can be started on the database.
    #[error(transparent)]
    Database(#[from] SqliteError),
    /// A registry was not moved.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Client(ClientError),
    /// The keys to ask with cannot be used, or made.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    #[error(transparent)]
    NoCurve(#[from] NoCurve),
    /// What was to be run cannot be.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// This process cannot measure.
    #[error(transparent)]
    Bench(#[from] BenchError),
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
}

impl Failure {
    /// Says to a person what went wrong, and returns how the program ends.
    pub(super) fn tell(&self) -> Exit {
        let said = chain(self);
        let told = match self.hint() {
            Some(hint) => format!("{}; {hint}", said.trim_end_matches('.')),
            None => said,
        };
        // In one line: some of it may come from whoever answered.
        output::complain(&output::harmless(&told));
        self.exit()
    }

    /// The failure with its causes, in one line.
    pub(super) fn chain(&self) -> String {
        chain(self)
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Configuration(_) | Self::Port(_) => Exit::WrongUsage,
            Self::Connection(_) => Exit::NotReachable,
            Self::Command(error) => Exit::AsCommand(error.exit_code()),
            Self::Refused(_)
            | Self::NoSuchService { .. }
            | Self::Unwell { .. }
            | Self::CopyElsewhere { .. }
            | Self::Database(_)
            | Self::Transfer(_)
            | Self::Start(_)
            | Self::Server(_)
            | Self::Client(_)
            | Self::KeyFile(_)
            | Self::NoCurve(_)
            | Self::Bench(_)
            | Self::Signals(_)
            | Self::Output(_) => Exit::Refused,
        }
    }

    /// The failure in the form of a registry's reply: its own, where it gave one.
    pub(super) fn reply(&self) -> Value {
        if let Self::Refused(reply)
        | Self::NoSuchService { reply, .. }
        | Self::Unwell { reply, .. } = self
        {
            return reply.clone();
        }
        let mut reply = json!({"success": false, "error": chain(self), "code": self.code()});
        if let Some(hint) = self.hint() {
            reply["message"] = hint.into();
        }
        reply
    }

    /// As it is to be told after several attempts, which took so long altogether.
    pub(super) fn after_all(self, waited: Duration) -> Self {
        match self {
            Self::Connection(ConnectionError::Unreachable { endpoint, after }) => {
                let after = after.max(waited);
                Self::Connection(ConnectionError::Unreachable { endpoint, after })
            }
            other => other,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "wrong_usage",
            Self::Configuration(_) | Self::Port(_) => "invalid_configuration",
            Self::Connection(ConnectionError::NotARegistry { .. }) => "not_a_registry",
            Self::Connection(_) => "not_reachable",
            Self::Refused(_) | Self::NoSuchService { .. } | Self::Unwell { .. } => "refused",
            Self::CopyElsewhere { .. } => "copy_elsewhere",
            Self::Database(error) => database_code(error),
            Self::Transfer(error) => error.code(),
            Self::Start(_) => "not_started",
            Self::Server(_) | Self::Signals(_) => "server_failed",
            Self::Client(_) => "client_failed",
            Self::KeyFile(_) => "key_file_failed",
            Self::NoCurve(_) => "no_curve",
            Self::Command(_) => "command_failed",
            Self::Bench(_) => "bench_failed",
            Self::Output(_) => "output_failed",
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Connection(ConnectionError::Unreachable { .. }) => Some(UNREACHABLE_HINT),
            Self::Database(SqliteError::Locked { .. }) => Some(IN_USE_HINT),
            Self::Port(_) => Some(PORT_HINT),
            Self::NoSuchService { .. } => Some(MISSING_HINT),
            Self::Refused(reply) => match reply.get("code").and_then(Value::as_str) {
                Some("service_not_found" | "no_healthy_service") => Some(MISSING_HINT),
                Some("duplicate_service_type") => Some(TAKEN_HINT),
                _ => None,
            },
            _ => None,
        }
    }
}

fn database_code(error: &SqliteError) -> &'static str {
    match error {
        SqliteError::NotFound { .. } => "not_found",
        SqliteError::Empty { .. } => "empty",
        SqliteError::Locked { .. } => "in_use",
        SqliteError::Damaged { .. } => "damaged",
        SqliteError::NewerVersion { .. } => "newer_version",
        SqliteError::NotAFile { .. }
        | SqliteError::NotADatabase { .. }
        | SqliteError::Foreign { .. } => "no_registry_database",
        _ => "not_readable",
    }
}

/// What is no refusal and no silence is a failure of this process.
impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::Refused(refusal.reply.into()),
            ClientError::Unreachable { endpoint, after } => {
                ConnectionError::Unreachable { endpoint, after }.into()
            }
            ClientError::NotARegistry { endpoint, reason } => {
                ConnectionError::NotARegistry { endpoint, reason }.into()
            }
            ClientError::Socket { endpoint, source } => {
                ConnectionError::Socket { endpoint, source }.into()
            }
            other => Self::Client(other),
        }
    }
}

/// The reason that a registry gives for its refusal, and the help that it adds to some.
fn refusal(reply: &Value) -> String {
    match (reply["error"].as_str(), reply["message"].as_str()) {
        (Some(error), Some(message)) => format!("{error}: {message}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => "the registry refused without a reason".to_owned(),
    }
}

/// The error with its causes, each once: some errors repeat theirs.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_can_be_done_about_a_refusal_is_told() {
        for (code, hint) in [
            ("service_not_found", Some(MISSING_HINT)),
            ("no_healthy_service", Some(MISSING_HINT)),
            ("duplicate_service_type", Some(TAKEN_HINT)),
            ("overloaded", None),
        ] {
            let failure = Failure::Refused(json!({"success": false, "code": code}));
            assert_eq!(failure.hint(), hint, "{code}");
        }
    }

    #[test]
    fn a_refusal_is_told_with_the_reason_and_the_help_of_the_registry() {
        let reply = json!({"success": false, "error": "no_such_thing", "message": "Try another."});
        assert_eq!(Failure::Refused(reply).to_string(), "no_such_thing: Try another.");

        let reply = json!({"success": false, "error": "Service not found"});
        assert_eq!(Failure::Refused(reply).to_string(), "Service not found");

        let reply = json!({"success": false});
        assert_eq!(Failure::Refused(reply).to_string(), "the registry refused without a reason");
    }

    #[test]
    fn scripts_get_the_reply_of_the_registry_as_it_came() {
        let reply = json!({"success": false, "error": "e", "code": "c", "further": [1]});

        assert_eq!(Failure::Refused(reply.clone()).reply(), reply);
    }

    #[test]
    fn an_unreachable_registry_comes_with_what_to_check() {
        let endpoint = "tcp://lab:6100".to_owned();
        let after = Duration::from_millis(1_500);
        let failure = Failure::from(ConnectionError::Unreachable { endpoint, after });

        let reply = failure.reply();

        assert_eq!(reply["error"], "no answer from tcp://lab:6100 within 1.5 s");
        assert_eq!(reply["code"], "not_reachable");
        assert!(reply["message"].as_str().unwrap().contains("--req-port"));
        assert_eq!(failure.exit(), Exit::NotReachable);
    }

    #[test]
    fn a_cause_is_told_once() {
        let inner = io::Error::other("disk full");
        let failure = Failure::Output(io::Error::other(inner));

        assert_eq!(chain(&failure), "cannot write to standard output: disk full");
    }
}
