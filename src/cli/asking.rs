//! What the commands share that ask a running registry: their arguments, and how its answers are
//! printed.

use std::num::NonZeroU16;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;
use service_registry::client::Connection;

use super::configuration::{self, Source};
use super::failure::Failure;
use super::hosts::{Asked, Hosts};
use super::keys::Keys;
use super::registry::Registry;
use super::{Exit, output};

/// How long an answer may take that nobody set a time for.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What the last of several attempts is given, even where no time is left.
const ANSWER_MIN: Duration = Duration::from_millis(100);

/// What who names several is told by a command that would not know which to ask.
const ONE_ONLY: &str = "this command takes one registry, but several are given (--host, or \
    SERVICE_REGISTRY_HOST); give one with --host";

/// The longest time that can be set: a day.
const TIMEOUT_MAX: Duration = Duration::from_secs(86_400);

/// Defines a command that asks a registry: its own arguments, and those that all such commands
/// have, which argh cannot share between structs. A command to which one of these means something
/// else says so first, with `#[host(...)]`, `#[timeout(...)]` and `#[json(...)]` in this order.
macro_rules! asking_command {
    (#[host($host:tt)] $($rest:tt)*) => {
        super::asking::asking_command! { @timeout $host; $($rest)* }
    };
    (@timeout $host:tt; #[timeout($timeout:tt)] $($rest:tt)*) => {
        super::asking::asking_command! { @json $host, $timeout; $($rest)* }
    };
    (@timeout $host:tt; $($rest:tt)*) => {
        super::asking::asking_command! {
            @json $host, "how many seconds to wait for each answer (default: 2)";
            $($rest)*
        }
    };
    (@json $host:tt, $timeout:tt; #[json($json:tt)] $($rest:tt)*) => {
        super::asking::asking_command! { @command $host, $timeout, $json; $($rest)* }
    };
    (@json $host:tt, $timeout:tt; $($rest:tt)*) => {
        super::asking::asking_command! {
            @command $host, $timeout, "print the reply as one line of JSON, also on failure";
            $($rest)*
        }
    };
    (@command $host:tt, $timeout:tt, $json:tt;
     $(#[$about:meta])* struct $command:ident { $($arguments:tt)* }) => {
        #[derive(argh::ArgsInfo, argh::FromArgs)]
        $(#[$about])*
        pub(super) struct $command {
            $($arguments)*

            #[argh(option, description = $host)]
            host: Option<super::hosts::Hosts>,

            /// request port of the registry (default: as in registry.yaml, or 6100)
            #[argh(option, from_str_fn(super::asking::port))]
            req_port: Option<std::num::NonZeroU16>,

            #[argh(option, description = $timeout)]
            timeout: Option<super::asking::Timeout>,

            #[argh(switch, description = $json)]
            json: bool,

            /// the registry.yaml to read
            #[argh(option)]
            config: Option<std::path::PathBuf>,

            /// public key of the registry, if it uses keys
            #[argh(option)]
            server_key: Option<service_registry::curve::PublicKey>,

            /// file with your own keys, made by `keygen`
            #[argh(option)]
            key_file: Option<std::path::PathBuf>,
        }

        impl $command {
            fn asking(&self) -> super::asking::Asking<'_> {
                super::asking::Asking {
                    hosts: self.host.as_ref(),
                    req_port: self.req_port,
                    timeout: self.timeout.unwrap_or_default(),
                    json: self.json,
                    config: self.config.as_deref(),
                    keys: super::keys::Keys {
                        server_key: self.server_key,
                        key_file: self.key_file.as_deref(),
                    },
                }
            }
        }
    };
    ($($rest:tt)*) => {
        super::asking::asking_command! {
            @timeout "host name or address of the registry; if several are given, separated by \
                commas, the first that answers is asked (default: $SERVICE_REGISTRY_HOST, or \
                localhost)";
            $($rest)*
        }
    };
}

pub(super) use asking_command;

/// The arguments that all asking commands have.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) hosts: Option<&'a Hosts>,
    pub(super) req_port: Option<NonZeroU16>,
    pub(super) timeout: Timeout,
    pub(super) json: bool,
    pub(super) config: Option<&'a Path>,
    pub(super) keys: Keys<'a>,
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeout(Duration);

/// What a command has to say.
pub(super) struct Answer {
    /// To scripts.
    pub(super) reply: Value,
    /// To people.
    pub(super) text: String,
}

impl Timeout {
    /// `timeout`, or what `remains`, but long enough for a registry that is there.
    pub(super) fn at_most(timeout: Duration, remains: Duration) -> Self {
        Self(timeout.min(remains.max(ANSWER_MIN)))
    }

    /// The time itself.
    pub(super) const fn duration(self) -> Duration {
        self.0
    }

    /// For a load that nobody set a time for: it brings a registry to where it is slow.
    pub(super) const UNDER_LOAD: Self = Self(Duration::from_secs(10));

    /// For a backup that nobody set a time for: the registry writes its whole database.
    pub(super) const FOR_BACKUP: Self = Self(Duration::from_secs(60));
}

impl Default for Timeout {
    fn default() -> Self {
        Self(TIMEOUT)
    }
}

impl FromStr for Timeout {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|timeout| !timeout.is_zero() && *timeout <= TIMEOUT_MAX)
            .map(Self)
            .ok_or("must be a number of seconds above 0 and up to 86400")
    }
}

/// The port that `text` names. Nobody can be reached at port 0.
pub(super) fn port(text: &str) -> Result<NonZeroU16, String> {
    text.parse().map_err(|_| "must be a whole number from 1 to 65535".to_owned())
}

/// The type that `text` names. The empty text means all services to a registry, and deregistering
/// all of them because a script's variable is empty is nobody's wish.
pub(super) fn service_type(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

impl Asking<'_> {
    /// Opens the way to the registry, lets `ask` use it, and tells what came of it.
    pub(super) fn run(&self, ask: impl FnOnce(&mut Registry) -> Result<Answer, Failure>) -> Exit {
        let answer = self.registry().and_then(|mut registry| ask(&mut registry));
        tell(&answer, self.json)
    }

    /// The way to the registry, on which nothing is sent yet.
    pub(super) fn registry(&self) -> Result<Registry, Failure> {
        let keys = self.keys.load()?;
        let connect = |asked: Asked| {
            let connection = Connection::new(&asked.host, asked.port, self.timeout.0);
            match &keys {
                Some(keys) => connection.with_keys(keys.clone()),
                None => connection,
            }
        };
        let (first, others) = self.asked()?;
        let others = others.into_iter().map(connect).collect();
        Ok(Registry::new(connect(first), others))
    }

    /// Where the registries are asked: the first, and the others.
    pub(super) fn asked(&self) -> Result<(Asked, Vec<Asked>), Failure> {
        Hosts::given(self.hosts)?.at(|| self.port())
    }

    /// Where the registry is asked, for a command that is about one.
    pub(super) fn only(&self) -> Result<Asked, Failure> {
        match self.asked()? {
            (only, others) if others.is_empty() => Ok(only),
            _ => Err(Failure::Usage(ONE_ONLY.to_owned())),
        }
    }

    /// The port to ask at. A file that somebody named is read in any case, because its mistakes
    /// should be known; one that just stands around only where the port is not given.
    pub(super) fn port(&self) -> Result<NonZeroU16, Failure> {
        let source = configuration::source(self.config);
        let in_file = match (&source, self.req_port) {
            (Source::Found(_) | Source::Defaults, Some(port)) => return Ok(port),
            (Source::Found(_), None) => source.load().map_err(Failure::Port)?.req_port,
            _ => source.load()?.req_port,
        };
        self.req_port.or(NonZeroU16::new(in_file)).ok_or_else(|| {
            Failure::Usage(
                "the configuration leaves req_port to the operating system; \
                 give the port that the registry printed when it was ready with --req-port"
                    .to_owned(),
            )
        })
    }
}

/// Prints what came of a command, to a person or as JSON, and returns how the program ends.
pub(super) fn tell(answer: &Result<Answer, Failure>, json: bool) -> Exit {
    let told = match answer {
        Ok(answer) if json => print_json(&answer.reply),
        Ok(answer) => output::print(&answer.text),
        Err(failure) if json => print_json(&failure.reply()),
        Err(failure) => return failure.tell(),
    };
    let exit = answer.as_ref().map_or_else(Failure::exit, |_| Exit::Done);
    told.map_or_else(|failure| failure.tell(), |()| exit)
}

pub(super) fn print_json(value: &Value) -> Result<(), Failure> {
    output::print(&output::harmless_json(&value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_number_of_seconds_that_passes() {
        assert_eq!("0.25".parse(), Ok(Timeout(Duration::from_millis(250))));
        assert_eq!("86400".parse(), Ok(Timeout(TIMEOUT_MAX)));
        for text in ["0", "-1", "86401", "nan", "inf", "2s", ""] {
            assert!(text.parse::<Timeout>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_empty_type_does_not_mean_all_services() {
        assert!(service_type("").is_err());
        assert_eq!(service_type("PSU").as_deref(), Ok("PSU"));
    }

    #[test]
    fn nobody_is_asked_at_port_0() {
        assert_eq!(port("6100").map(NonZeroU16::get), Ok(6_100));
        assert!(port("0").is_err());
        assert!(port("65536").is_err());
    }
}
