//! `service-registry wait`.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use argh::FromArgs;
use serde_json::json;
use service_registry::client::{ConnectionError, Service};
use service_registry::curve::PublicKey;

use super::asking::{Answer, Asking, Timeout, tell};
use super::client::json_of;
use super::failure::Failure;
use super::hosts::Hosts;
use super::keys::Keys;
use super::{Exit, output, warnings};

/// How long a service is waited for where nobody set a time.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long one answer is waited for. The registry may be starting as well.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Wait until a healthy service of a type is there. The registry need not be running yet.
#[derive(argh::ArgsInfo, FromArgs)]
#[argh(
    subcommand,
    name = "wait",
    help_triggers("-h", "--help", "help"),
    note = "The exit code is 0 as soon as a service is there, 1 if none came in time, and 3 if no \
        registry can be reached when the time is over.",
    example = "{command_name} PSU --timeout 30 && ./measure"
)]
pub(super) struct Wait {
    /// the type of the service
    #[argh(positional, arg_name = "type", from_str_fn(super::asking::service_type))]
    service_type: String,

    /// how many seconds to wait (default: 60)
    #[argh(option)]
    timeout: Option<Timeout>,

    /// host name or address of the registry; if several are given, separated by commas, the first
    /// that answers is asked (default: $SERVICE_REGISTRY_HOST, or localhost)
    #[argh(option)]
    host: Option<Hosts>,

    /// request port of the registry (default: as in registry.yaml, or 6100)
    #[argh(option, from_str_fn(super::asking::port))]
    req_port: Option<NonZeroU16>,

    /// print the service as one line of JSON, also on failure
    #[argh(switch)]
    json: bool,

    /// the registry.yaml to read
    #[argh(option)]
    config: Option<PathBuf>,

    /// public key of the registry, if it uses keys
    #[argh(option)]
    server_key: Option<PublicKey>,

    /// file with your own keys, made by `keygen`
    #[argh(option)]
    key_file: Option<PathBuf>,
}

impl Wait {
    pub(super) fn run(&self) -> Exit {
        warnings::show(|warning| output::complain(&warning));
        tell(&self.wait(), self.json)
    }

    fn wait(&self) -> Result<Answer, Failure> {
        let timeout = self.timeout.map_or(TIMEOUT, Timeout::duration);
        let started = Instant::now();
        loop {
            let remaining = timeout.saturating_sub(started.elapsed());
            match self.attempt(remaining) {
                Err(Failure::Connection(ConnectionError::Unreachable { .. }))
                    if !remaining.is_zero() => {}
                Ok(Some(service)) => return Ok(answer(&service)),
                Ok(None) => return Err(self.nobody(timeout)),
                Err(failure) => return Err(failure.after_all(timeout)),
            }
        }
    }

    fn attempt(&self, remaining: Duration) -> Result<Option<Service>, Failure> {
        let asking = Asking {
            hosts: self.host.as_ref(),
            req_port: self.req_port,
            timeout: Timeout::at_most(ANSWER_TIMEOUT, remaining),
            json: self.json,
            config: self.config.as_deref(),
            keys: Keys { server_key: self.server_key, key_file: self.key_file.as_deref() },
        };
        let started = Instant::now();
        let client = asking.client()?;
        let remaining = remaining.saturating_sub(started.elapsed());
        Ok(client.wait_for_service(&self.service_type, remaining)?)
    }

    /// The refusal that `discover` would get.
    fn nobody(&self, timeout: Duration) -> Failure {
        let (wanted, seconds) = (&self.service_type, timeout.as_secs_f64());
        Failure::Refused(json!({
            "success": false,
            "error": format!("No healthy service of type {wanted} came within {seconds} s"),
            "code": "no_healthy_service",
        }))
    }
}

fn answer(service: &Service) -> Answer {
    let text = format!("{} is there, at {}", service.id, service.endpoint());
    let reply = json!({"success": true, "service": json_of(service)});
    Answer { reply, text: output::harmless(&text) }
}
