//! `service-registry start`.

use std::path::PathBuf;
use std::sync::Arc;

use argh::FromArgs;
use service_registry::config::Config;
use service_registry::server::{Endpoints, Server, StartError, raise_descriptor_limit};

use super::configuration::{self, ConfigurationError, Source};
use super::failure::Failure;
use super::{Exit, VERSION, logging, output};

mod reload;
mod service_manager;
mod signals;
mod supervision;

use reload::Reload;
use service_manager::ServiceManager;
use signals::Signals;

/// Run a registry until it is stopped.
#[derive(Clone, argh::ArgsInfo, FromArgs)]
#[argh(
    subcommand,
    name = "start",
    usage = "[<options>]",
    help_triggers("-h", "--help", "help"),
    note = "A flag overrides registry.yaml, which explains every setting.",
    note = "`service-registry stop`, Ctrl-C or SIGTERM stop it, and everything that it has \
        accepted is kept. On SIGHUP it reads `allow`, `log_level` and the client keys of \
        `curve` in registry.yaml again."
)]
pub(super) struct Start {
    /// the registry.yaml to read (default: $SERVICE_REGISTRY_CONFIG, ./registry.yaml, or
    /// /etc/service-registry/registry.yaml)
    #[argh(option)]
    config: Option<PathBuf>,

    /// where to listen: an address, a network interface, or '*' (default: 127.0.0.1)
    #[argh(option)]
    bind: Option<String>,

    /// port for requests, 0 for any free one (default: 6100)
    #[argh(option)]
    req_port: Option<String>,

    /// port for events, 0 for any free one (default: 6101)
    #[argh(option)]
    pub_port: Option<String>,

    /// port for heartbeats, 0 for any free one (default: 6102)
    #[argh(option)]
    hb_port: Option<String>,

    /// where to serve metrics and a page over HTTP, such as 127.0.0.1:6103 (default: off)
    #[argh(option)]
    http: Option<String>,

    /// who may connect: all, or networks such as 127.0.0.1,192.168.10.0/24 (default: all)
    #[argh(option)]
    allow: Option<String>,

    /// off, or keys in JSON, as registry.yaml explains (default: off)
    #[argh(option)]
    curve: Option<String>,

    /// who may stop it over the network: loopback (programs on this host), allowed (whoever may
    /// connect) or never (default: loopback)
    #[argh(option)]
    terminate: Option<String>,

    /// who may deregister or replace a living service: open (everybody) or host (the host that
    /// registered it) (default: open)
    #[argh(option)]
    ownership: Option<String>,

    /// what keeps the registrations: sqlite, memory or etcd (default: sqlite)
    #[argh(option)]
    backend: Option<String>,

    /// the database file of sqlite (default: service_registry.db)
    #[argh(option)]
    db_path: Option<String>,

    /// what the answer to a registration waits for: full (the disk) or relaxed (the operating
    /// system) (default: full)
    #[argh(option)]
    durability: Option<String>,

    /// how to reach etcd, in JSON, as registry.yaml explains (default: an etcd on this host)
    #[argh(option)]
    etcd: Option<String>,

    /// seconds between two clean-ups of expired services (default: 10)
    #[argh(option)]
    cleanup_interval: Option<String>,

    /// upper limits, such as services=1000,tags=8; registry.yaml explains all of them
    #[argh(option)]
    limits: Option<String>,

    /// how much is logged: off, error, warn, info, debug or trace (default: info)
    #[argh(option)]
    log_level: Option<String>,

    /// refuse a second service of a type (the default)
    #[argh(switch)]
    enforce_unique_service_types: bool,

    /// let several services have the same type
    #[argh(switch)]
    allow_duplicate_service_types: bool,

    /// the same as --allow-duplicate-service-types
    #[argh(switch)]
    no_enforce_unique_service_types: bool,
}

impl Start {
    pub(super) fn run(&self) -> Exit {
        self.serve().map_or_else(|failure| failure.tell(), |()| Exit::Done)
    }

    fn serve(&self) -> Result<(), Failure> {
        let source = configuration::source(self.config.as_deref());
        let config = self.settings(&source)?;
        let _log = logging::start(config.log_level).map_err(StartError::Resources)?;
        if let Err(error) = raise_descriptor_limit() {
            log::warn!("cannot allow myself more open files: {error}");
        }
        let signals = Signals::open().map_err(Failure::Signals)?;
        let manager = ServiceManager::of_environment().map(Arc::new);
        let server = Server::start(config.clone())?;
        log::info!("version {VERSION}, {source}");
        // Before the ready line: who has read it may send a signal.
        let (stop, told) = (server.stop_handle(), manager.clone());
        let (start, allow) = (self.clone(), server.allow_handle());
        let mut reload = Reload { start, source, config, allow };
        let reload = move || supervision::reloading(told.as_deref(), || reload.run());
        let _signals = signals.listen(move || stop.stop(), reload).map_err(Failure::Signals)?;
        let supervision =
            supervision::begin(manager, server.vitals()).map_err(StartError::Resources)?;
        if let Err(failure) = output::print(&ready_line(server.endpoints())) {
            log::warn!("{failure}, so nobody reads that the registry is ready");
        }
        Ok(server.wait_and_tell(|| supervision.end())?)
    }

    fn settings(&self, source: &Source) -> Result<Config, Failure> {
        let mut config = source.load()?;
        for (key, text) in self.flags()? {
            config.set(key, text).map_err(|problem| {
                Failure::Usage(format!("--{}: {problem}", key.replace('_', "-")))
            })?;
        }
        config.validate().map_err(ConfigurationError::from)?;
        Ok(config)
    }

    /// The settings that are given as flags, with their keys in `registry.yaml`.
    fn flags(&self) -> Result<impl Iterator<Item = (&'static str, &str)>, Failure> {
        let enforce = match (
            self.enforce_unique_service_types,
            self.allow_duplicate_service_types || self.no_enforce_unique_service_types,
        ) {
            (true, true) => {
                let problem = "--enforce-unique-service-types excludes \
                    --allow-duplicate-service-types and --no-enforce-unique-service-types";
                return Err(Failure::Usage(problem.to_owned()));
            }
            (true, false) => Some("true"),
            (false, true) => Some("false"),
            (false, false) => None,
        };
        let flags = [
            ("bind", self.bind.as_deref()),
            ("req_port", self.req_port.as_deref()),
            ("pub_port", self.pub_port.as_deref()),
            ("hb_port", self.hb_port.as_deref()),
            ("http", self.http.as_deref()),
            ("allow", self.allow.as_deref()),
            ("curve", self.curve.as_deref()),
            ("terminate", self.terminate.as_deref()),
            ("ownership", self.ownership.as_deref()),
            ("backend", self.backend.as_deref()),
            ("db_path", self.db_path.as_deref()),
            ("durability", self.durability.as_deref()),
            ("etcd", self.etcd.as_deref()),
            ("cleanup_interval", self.cleanup_interval.as_deref()),
            ("enforce_unique_service_types", enforce),
            ("limits", self.limits.as_deref()),
            ("log_level", self.log_level.as_deref()),
        ];
        Ok(flags.into_iter().filter_map(|(key, text)| Some((key, text?))))
    }
}

fn ready_line(endpoints: &Endpoints) -> String {
    let Endpoints { requests, events, heartbeats } = endpoints;
    format!("service-registry ready: requests {requests}, events {events}, heartbeats {heartbeats}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn start(arguments: &[&str]) -> Start {
        Start::from_args(&["start"], arguments).unwrap_or_else(|early| panic!("{}", early.output))
    }

    fn flags(start: &Start) -> Vec<(&'static str, &str)> {
        start.flags().unwrap_or_else(|failure| panic!("{failure}")).collect()
    }

    #[test]
    fn every_setting_has_its_flag() {
        let enforce = "enforce_unique_service_types";
        for key in Config::keys().filter(|&key| key != enforce) {
            let flag = format!("--{}", key.replace('_', "-"));

            assert_eq!(flags(&start(&[&flag, "x"])), [(key, "x")]);
        }
        assert_eq!(flags(&start(&["--enforce-unique-service-types"])), [(enforce, "true")]);
        assert_eq!(flags(&start(&["--no-enforce-unique-service-types"])), [(enforce, "false")]);
        assert_eq!(flags(&start(&["--allow-duplicate-service-types"])), [(enforce, "false")]);
    }

    #[test]
    fn a_setting_without_a_flag_is_left_as_it_is() {
        assert_eq!(flags(&start(&[])), []);
    }

    #[test]
    fn types_cannot_be_unique_and_have_duplicates() {
        let start = start(&["--enforce-unique-service-types", "--allow-duplicate-service-types"]);

        assert!(matches!(start.flags().err(), Some(Failure::Usage(_))));
    }

    #[test]
    fn the_ready_line_names_the_three_endpoints() {
        let endpoints = Endpoints {
            requests: "tcp://127.0.0.1:6100".to_owned(),
            events: "tcp://127.0.0.1:6101".to_owned(),
            heartbeats: "tcp://127.0.0.1:6102".to_owned(),
        };

        assert_eq!(
            ready_line(&endpoints),
            "service-registry ready: requests tcp://127.0.0.1:6100, \
             events tcp://127.0.0.1:6101, heartbeats tcp://127.0.0.1:6102"
        );
    }
}
