//! `service-registry bench`: loads a registry, and tells how fast it answers.
//!
//! Any registry that speaks the protocol can be loaded, the Python one too. What is asked for is
//! in `bench/action.rs`, when in `bench/pace.rs`, the bodies in `bench/requests.rs`; one thread
//! sends and receives for all clients (`bench/load.rs`), and what it counts is in
//! `bench/tally.rs`.
//!
//! # JSON
//!
//! `--json` prints one object:
//!
//! | key | meaning |
//! |---|---|
//! | `endpoint` | the request socket of the registry |
//! | `clients`, `in_flight`, `services`, `warm_up` | as they were given |
//! | `target_rate` | `--rate`, or null in a closed loop |
//! | `set_up` | how many seconds it took to register the services |
//! | `interrupted` | whether it was ended before its time |
//! | `results` | an object for each action of each measurement |
//!
//! Each of `results` has:
//!
//! | key | meaning |
//! |---|---|
//! | `measurement` | what was asked for at the same time: `get`, or `get=80,renew=20` |
//! | `action` | what this is about; `deregister` comes with a `register` of its own |
//! | `seconds` | how long it was measured, without the warm-up |
//! | `count` | requests that were due in that time: all latencies are of these |
//! | `unsent` | how many of them found no client with room until the end |
//! | `errors`, `first_error` | how many of them were refused, and the first refusal or null |
//! | `done` | successes that came in that time |
//! | `rate` | `done` in a second |
//! | `request_bytes`, `reply_bytes` | the mean sizes of the bodies |
//! | `mean_us`, `p50_us`, `p90_us`, `p99_us`, `p99_9_us`, `max_us` | latencies in microseconds |
//!
//! At a fixed rate a latency counts from when the request was due, otherwise from when it was
//! sent. That of an unsent request is the time that it waited until the end.
//!
//! In a closed loop `count` and `done` differ by what was under way at the beginning and at the
//! end. What is under way at the end is waited for.

use std::num::NonZeroU16;
use std::time::Duration;

use hdrhistogram::CreationError;
use thiserror::Error;

use super::Exit;
use super::asking::{Answer, asking_command, tell};

mod action;
mod connection;
mod fleet;
mod interrupt;
mod load;
mod pace;
mod pipeline;
mod progress;
mod report;
mod requests;
mod run;
mod tally;
mod waiting;

use action::{Action, Workloads};
use requests::SERVICES_MAX;
use run::Run;

/// The most clients: what an operating system gives one process room for, and no more.
const CLIENTS_MAX: u32 = 5_000;

/// The most requests that one client may have under way: a registry keeps no more replies than
/// this for a client.
const IN_FLIGHT_MAX: u32 = 16_384;

/// The highest rate that can be asked for, in requests per second.
const RATE_MAX: u32 = 10_000_000;

/// The longest measurement: a day.
const SECONDS_MAX: f64 = 86_400.0;

/// What a shell makes of a program that Ctrl-C ended.
const INTERRUPTED: Exit = Exit::AsCommand(130);

asking_command! {
    #[host("host name or address of the registry, not more than one (default: \
        $SERVICE_REGISTRY_HOST, or localhost)")]
    #[timeout("how many seconds to wait for each answer (default: 10)")]
    /// Measure how many requests a registry answers, and how fast.
    #[argh(
        subcommand,
        name = "bench",
        help_triggers("-h", "--help", "help"),
        note = "The actions are register, deregister, renew, get, discover, list, health, info and \
            heartbeat, which is a renewal on the heartbeat socket. `register` registers existing \
            services again; `deregister` first registers further ones, and both are reported.",
        note = "It registers its own --services, whose ids begin with `bench-`, and deregisters \
            them at the end, on Ctrl-C too. A registry that holds other services is left \
            alone unless --allow-foreign is given: somebody may need it.",
        note = "Without --rate, each client sends its next request when one is answered. With \
            --rate, requests are due at fixed moments, and a latency counts from when its request \
            was due. So it shows what a stall does to everybody who would have asked meanwhile.",
        example = "{command_name} --actions discover,renew --clients 32\n\
            {command_name} --actions discover=80,renew=20 --rate 5000 --seconds 60"
    )]
    struct Bench {
        /// actions to measure one after the other, or a mix with the share of each, as in
        /// discover=80,renew=20 (default: discover,get,renew,heartbeat,health,register)
        #[argh(option, default = "default_actions()")]
        actions: Workloads,

        /// number of clients, each with its own socket (default: 8)
        #[argh(option, default = "8", from_str_fn(clients))]
        clients: u32,

        /// how many requests of each client may be unanswered at a time (default: 1)
        #[argh(option, default = "1", from_str_fn(in_flight))]
        in_flight: u32,

        /// number of services to register and ask for (default: 100)
        #[argh(option, default = "100", from_str_fn(services))]
        services: u32,

        /// how many seconds to measure each action or mix (default: 5)
        #[argh(option, default = "Duration::from_secs(5)", from_str_fn(seconds))]
        seconds: Duration,

        /// how many seconds to send requests before measuring (default: 0.5)
        #[argh(option, default = "Duration::from_millis(500)", from_str_fn(warm_up))]
        warm_up: Duration,

        /// requests per second of all clients together (default: as fast as they are answered)
        #[argh(option, from_str_fn(rate))]
        rate: Option<u32>,

        /// the registry's heartbeat port (default: as the registry says)
        #[argh(option, from_str_fn(super::asking::port))]
        hb_port: Option<NonZeroU16>,

        /// measure even a registry that holds other services
        #[argh(switch)]
        allow_foreign: bool,
    }
}

/// Why this process cannot measure.
#[derive(Debug, Error)]
pub(super) enum BenchError {
    #[error("cannot count latencies: {0:?}")]
    Histogram(CreationError),
    #[error("cannot set a timer")]
    Timer(#[source] nix::Error),
    #[error("cannot wait for answers")]
    Wait(#[source] zmq::Error),
}

impl From<CreationError> for BenchError {
    fn from(error: CreationError) -> Self {
        Self::Histogram(error)
    }
}

impl Bench {
    pub(super) fn run(&self) -> Exit {
        let report = match Run::prepare(self).and_then(Run::finish) {
            Ok(report) => report,
            Err(failure) => return tell(&Err(failure), self.json),
        };
        let answer = Answer { reply: report.json(), text: report.text() };
        match tell(&Ok(answer), self.json) {
            Exit::Done if report.is_interrupted => INTERRUPTED,
            exit => exit,
        }
    }
}

fn default_actions() -> Workloads {
    use Action::{Discover, Get, Health, Heartbeat, Register, Renew};

    Workloads::one_by_one(&[Discover, Get, Renew, Heartbeat, Health, Register])
}

fn clients(text: &str) -> Result<u32, String> {
    whole_number(text, 1, CLIENTS_MAX)
}

fn in_flight(text: &str) -> Result<u32, String> {
    whole_number(text, 1, IN_FLIGHT_MAX)
}

fn services(text: &str) -> Result<u32, String> {
    whole_number(text, 0, SERVICES_MAX)
}

fn rate(text: &str) -> Result<u32, String> {
    whole_number(text, 1, RATE_MAX)
}

fn whole_number(text: &str, min: u32, max: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("must be a whole number from {min} to {max}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let duration = warm_up(text).ok().filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| "must be a number of seconds above 0 and up to 86400".to_owned())
}

fn warm_up(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "must be a number of seconds up to 86400".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_may_be_left_out_and_a_measurement_may_not() {
        assert_eq!(warm_up("0"), Ok(Duration::ZERO));
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for text in ["0", "-1", "NaN", "inf", "86401", "soon", ""] {
            assert!(seconds(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_stay_within_what_can_be_done() {
        assert_eq!(services("0"), Ok(0));
        assert_eq!(clients("0"), Err("must be a whole number from 1 to 5000".to_owned()));
        assert!(rate("-1").is_err() && in_flight("16385").is_err() && clients("1.5").is_err());
    }
}
