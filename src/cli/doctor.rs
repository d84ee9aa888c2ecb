//! `service-registry doctor`: what a person would check of a registry that does not do what it
//! should, one finding for each, and what to do about it.
//!
//! One file per subject. A check looks at one thing and judges it; where the looking needs a
//! system in trouble, the judging is a function of its own, which a test can trouble.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use serde_json::Value;
use service_registry::config::{BackendKind, Config};

use super::asking::{Asking, asking_command, print_json};
use super::configuration::{self, Source};
use super::failure::Failure;
use super::host::is_own;
use super::hosts::{Asked, Hosts};
use super::registry::Registry;
use super::{Exit, output};

mod answers;
mod clock;
mod cluster;
mod database;
mod finding;
mod host;
mod http;
mod keys;
mod limits;
mod ports;
mod services;
mod settings;
mod system;
mod version;
mod workplace;

use finding::{Finding, Verdict};
use keys::RegistryKeys;
use ports::Reached;
use system::Listener;
use workplace::Workplace;

asking_command! {
    /// Check a registry and the network to it for problems, and say how to solve them.
    #[argh(
        subcommand,
        name = "doctor",
        help_triggers("-h", "--help", "help"),
        note = "Nothing is changed. If several hosts are given, each is checked. On the host \
            of the registry its process and its database are checked, too; run it as the \
            registry's user or with sudo to see most.",
        note = "The exit code is 0 if there is no problem, even if there are warnings."
    )]
    struct Doctor {}
}

/// All that is known of the patient before the checks.
struct Patient<'a> {
    asking: Asking<'a>,
    /// What `registry.yaml` says, where it can be read.
    config: Option<&'a Config>,
    /// Where it is asked.
    address: SocketAddr,
    /// Whether that is on this host.
    is_here: bool,
}

impl Doctor {
    pub(super) fn run(&self) -> Exit {
        let findings = examine(self.asking());
        let told = if self.json {
            print_json(&finding::reply(&findings))
        } else {
            output::print(&finding::text(&findings))
        };
        let has_problem = findings.iter().any(|finding| finding.verdict == Verdict::Problem);
        let exit = if has_problem { Exit::Refused } else { Exit::Done };
        told.map_or_else(|failure| failure.tell(), |()| exit)
    }
}

/// All findings, in the order in which one explains the next.
fn examine(asking: Asking<'_>) -> Vec<Finding> {
    let source = configuration::source(asking.config);
    let (config, settings) = settings::check(&source);
    let mut findings = vec![settings];
    let asking = match config {
        Some(_) => asking,
        // Settings that cannot be read are no reason to look at nothing else.
        None => {
            let usual = NonZeroU16::new(Config::default().req_port);
            Asking { req_port: asking.req_port.or(usual), config: None, ..asking }
        }
    };
    let asked = Hosts::given(asking.hosts)
        .map_err(|failure| no_host(&failure))
        .and_then(|hosts| hosts.at(|| asking.port()).map_err(|failure| no_port(&failure)));
    match asked {
        Ok((first, others)) => {
            for asked in [first].into_iter().chain(others) {
                findings.extend(examine_one(asking, asked, config.as_ref(), &source));
            }
        }
        Err(finding) => findings.push(finding),
    }
    findings
}

/// What is found of one registry, beginning with its address.
fn examine_one(
    asking: Asking<'_>,
    asked: Asked,
    config: Option<&Config>,
    settings: &Source,
) -> Vec<Finding> {
    let (addresses, name) = host::resolve(&asked.host, asked.port.get());
    let mut findings = vec![name];
    let Some(address) = addresses.first().copied() else { return findings };
    let only = Hosts::only(asked);
    let asking = Asking { hosts: Some(&only), ..asking };
    let patient = Patient { asking, config, address, is_here: is_own(address.ip()) };
    let listener = if patient.is_here { system::listener(address) } else { None };
    if patient.is_here {
        findings.push(system::check(address, listener.as_ref()));
    }
    let workplace = patient.is_here.then(|| Workplace::find(listener.as_ref(), settings));
    let reached = ports::check("request port", address, patient.timeout());
    findings.push(reached.finding);
    if let Reached::Zmtp { encrypted } = reached.is {
        let keys = patient.check_keys(encrypted, workplace.as_ref());
        let they_fit = keys.verdict != Verdict::Problem;
        findings.push(keys);
        if they_fit {
            findings.extend(patient.ask());
        }
    }
    if let Some(workplace) = &workplace {
        findings.extend(patient.check_host(listener.as_ref(), workplace));
    }
    findings
}

fn no_host(failure: &Failure) -> Finding {
    Finding::problem("address", &failure.chain(), "correct it, or name the host with --host")
}

fn no_port(failure: &Failure) -> Finding {
    Finding::problem("request port", &failure.chain(), "name it with --req-port")
}

impl Patient<'_> {
    fn timeout(&self) -> Duration {
        self.asking.timeout.duration()
    }

    /// The keys of the registry on this host, if it uses keys.
    fn registry_keys(&self, workplace: &Workplace) -> Option<RegistryKeys<'_>> {
        let curve = self.config?.curve.as_ref()?;
        Some(RegistryKeys::new(curve, &workplace.path(&curve.key_file)?))
    }

    fn check_keys(&self, encrypted: bool, workplace: Option<&Workplace>) -> Finding {
        let registry = workplace.and_then(|workplace| self.registry_keys(workplace));
        keys::check(&self.asking.keys.given(), encrypted, registry.as_ref())
    }

    /// What a registry that speaks can be asked.
    fn ask(&self) -> Vec<Finding> {
        let mut registry = match self.asking.registry() {
            Ok(registry) => registry,
            Err(failure) => return vec![no_port(&failure)],
        };
        let (info, protocol) = answers::check(&mut registry);
        let mut findings = vec![protocol];
        let Some(info) = info else { return findings };
        findings.push(version::check(&info));
        findings.extend(cluster::check_contact(&info));
        findings.extend(self.other_ports(&info));
        findings.extend(clock::check(&mut registry));
        findings.extend(self.services(&mut registry, &info));
        findings
    }

    /// The ports of events and heartbeats, where the registry says that they are.
    fn other_ports(&self, info: &Value) -> Vec<Finding> {
        let check = |name: &'static str, key: &str| {
            let port = info[key].as_u64().and_then(|port| u16::try_from(port).ok())?;
            let address = SocketAddr::new(self.address.ip(), port);
            Some(ports::check(name, address, self.timeout()).finding)
        };
        [("event port", "pub_port"), ("heartbeat port", "hb_port")]
            .into_iter()
            .filter_map(|(name, key)| check(name, key))
            .collect()
    }

    fn services(&self, registry: &mut Registry, info: &Value) -> Vec<Finding> {
        let Ok(now) = registry.now() else { return Vec::new() };
        let interval = self.config.filter(|_| self.is_here);
        let interval = interval.map(|config| config.cleanup_interval);
        services::check(&info["services"], now, interval)
    }

    /// What can be seen on the host of the registry only.
    fn check_host(&self, listener: Option<&Listener>, workplace: &Workplace) -> Vec<Finding> {
        let process = listener.and_then(|listener| listener.process.as_ref());
        let mut findings = vec![clock::check_own(), limits::check(process)];
        findings.extend(self.registry_keys(workplace).map(|keys| keys.check()));
        if let Some(config) = self.config {
            // Where nobody listens nobody answers over HTTP either; port 0 may be any.
            let http = config.http.filter(|http| listener.is_some() && http.port() != 0);
            findings.extend(http.map(|http| http::check(http, self.timeout())));
            findings.extend(database::check(config, listener, workplace));
            if config.backend == BackendKind::Etcd {
                findings.extend(cluster::check_members(&config.etcd, workplace));
            }
        }
        findings
    }
}
