//! One run from its beginning to its end: whom to load, its services, one measurement after the
//! other, and the registry left as it was.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::asking::Timeout;
use crate::cli::failure::Failure;
use crate::cli::hosts::Asked;
use crate::cli::output;
use crate::cli::registry::Registry;

use super::Bench;
use super::action::Action;
use super::connection::{Purpose, Target};
use super::fleet::Fleet;
use super::interrupt::Interrupt;
use super::load::{Conditions, Load};
use super::pace::Tempo;
use super::pipeline::{Passage, Pipeline};
use super::progress::Progress;
use super::report::Report;
use super::requests::{ID_PREFIX, Requests};

/// How many seconds its services live beyond twice the time that is planned, in case that nobody
/// deregisters them.
const TTL_MARGIN: u64 = 3_600;

/// One run of `bench`, on one registry.
pub(super) struct Run<'a> {
    bench: &'a Bench,
    /// What tells its services from those of another run.
    name: String,
    endpoint: String,
    targets: Targets,
    requests: Requests,
    ttl: u64,
    patience: Duration,
    interrupt: Interrupt,
    progress: Progress,
    /// How many services may be in the registry because of it.
    registered: u32,
}

struct Targets {
    requests: Target,
    heartbeats: Option<Target>,
}

impl<'a> Run<'a> {
    /// Makes sure that there is a registry, and that it is meant.
    pub(super) fn prepare(bench: &'a Bench) -> Result<Self, Failure> {
        if bench.services == 0 && bench.actions.need_services() {
            let problem = "these actions are about services, so --services must not be 0";
            return Err(Failure::Usage(problem.to_owned()));
        }
        bench.asking().only()?;
        let mut registry = bench.asking().registry()?;
        registry.ask("health", &[])?;
        let targets = targets(bench, &mut registry)?;
        let name = Uuid::new_v4().simple().to_string().split_off(26);
        let measurements = bench.actions.0.len() as u64;
        let planned = (bench.warm_up + bench.seconds).as_secs() * measurements;
        let ttl = TTL_MARGIN + 2 * planned;
        Ok(Self {
            bench,
            requests: Requests::new(&name, ttl),
            name,
            endpoint: registry.endpoint().to_owned(),
            targets,
            ttl,
            patience: bench.timeout.unwrap_or(Timeout::UNDER_LOAD).duration(),
            interrupt: Interrupt::listen().map_err(Failure::Signals)?,
            progress: Progress::new(),
            registered: 0,
        })
    }

    /// Measures, and leaves the registry as it was.
    pub(super) fn finish(mut self) -> Result<Report, Failure> {
        let outcome = self.measure();
        // A registry that does not answer cannot be asked to forget either.
        if !matches!(outcome, Err(Failure::Connection(_))) {
            let removal = self.deregister();
            self.progress.clear();
            self.tell_what_is_left(removal);
        }
        outcome
    }

    fn measure(&mut self) -> Result<Report, Failure> {
        let started = Instant::now();
        self.register()?;
        let mut report = Report {
            endpoint: self.endpoint.clone(),
            clients: self.bench.clients,
            in_flight: self.bench.in_flight,
            services: self.bench.services,
            rate: self.bench.rate,
            warm_up: self.bench.warm_up,
            set_up: started.elapsed(),
            is_interrupted: false,
            measured: Vec::new(),
        };
        let needs_requests = self.bench.actions.0.iter().any(|workload| !workload.is_heartbeats());
        let mut fleet = Fleet::open(
            self.bench.clients as usize,
            self.bench.in_flight as usize,
            &self.name,
            needs_requests.then_some(&self.targets.requests),
            self.targets.heartbeats.as_ref(),
        )?;
        let conditions = Conditions {
            services: self.bench.services,
            tempo: self.bench.rate.map_or(Tempo::ClosedLoop, Tempo::Rate),
            warm_up: self.bench.warm_up,
            duration: self.bench.seconds,
            patience: self.patience,
            interrupt: &self.interrupt,
        };
        for workload in &self.bench.actions.0 {
            if !self.interrupt.is_asked() {
                let load = Load::new(&mut fleet, &mut self.requests, workload, &conditions)?;
                report.measured.push(load.run(&mut self.progress)?);
            }
        }
        report.is_interrupted = self.interrupt.is_asked();
        Ok(report)
    }

    /// Registers what is to be asked for.
    fn register(&mut self) -> Result<(), Failure> {
        let count = self.bench.services;
        self.registered = count;
        let passage = self.pipeline()?.register(count)?;
        self.registered = passage.sent;
        passage.refusal.map_or(Ok(()), |refusal| Err(Failure::Refused(refusal)))
    }

    fn deregister(&mut self) -> Result<Passage, Failure> {
        let count = self.registered;
        self.pipeline()?.deregister(count)
    }

    fn pipeline(&mut self) -> Result<Pipeline<'_>, Failure> {
        Pipeline::open(
            &self.targets.requests,
            &self.name,
            &mut self.requests,
            self.patience,
            &self.interrupt,
            &mut self.progress,
        )
    }

    fn tell_what_is_left(&self, removal: Result<Passage, Failure>) {
        let (left, reason) = match removal {
            Ok(passage) => {
                let left = self.registered - passage.sent + passage.refused;
                let reason = passage.refusal.map(|refusal| Failure::Refused(refusal).to_string());
                (left, reason.unwrap_or_else(|| "interrupted".to_owned()))
            }
            Err(failure) => (self.registered, failure.to_string()),
        };
        if left > 0 {
            let (prefix, name, ttl) = (ID_PREFIX, &self.name, self.ttl);
            output::complain(&format!(
                "up to {left} services whose ids begin with {prefix}{name} are still registered, \
                 and expire within {ttl} s: {reason}"
            ));
        }
    }
}

/// Where to go. Fails where the registry holds what must not be disturbed.
fn targets(bench: &Bench, registry: &mut Registry) -> Result<Targets, Failure> {
    let mut hb_port = bench.hb_port;
    let needs_port = bench.actions.have(Action::Heartbeat);
    if !bench.allow_foreign || needs_port && hb_port.is_none() {
        let info = registry.ask("info", &[])?;
        if !bench.allow_foreign {
            refuse_foreign(registry.services(&info)?, registry.endpoint())?;
        }
        hb_port = hb_port.or_else(|| port_in(&info));
    }
    let keys = bench.asking().keys.load()?;
    let Asked { host, port } = bench.asking().only()?;
    let at = |port, purpose| Target::new(&host, port, keys.clone(), purpose);
    let heartbeats = match (needs_port, hb_port) {
        (false, _) => None,
        (true, Some(port)) => Some(at(port, Purpose::Heartbeats)),
        (true, None) => {
            return Err(registry.no_registry("its answer does not tell its heartbeat port"));
        }
    };
    Ok(Targets { requests: at(port, Purpose::Requests), heartbeats })
}

fn port_in(info: &Value) -> Option<NonZeroU16> {
    NonZeroU16::new(u16::try_from(info["hb_port"].as_u64()?).ok()?)
}

/// A registry in which somebody's services are is somebody's registry.
fn refuse_foreign(services: &[Value], endpoint: &str) -> Result<(), Failure> {
    let id = |service: &Value| service["id"].as_str().unwrap_or_default().to_owned();
    let foreign = services.iter().map(id).filter(|id| !id.starts_with(ID_PREFIX));
    let foreign: Vec<String> = foreign.collect();
    let Some(first) = foreign.first() else { return Ok(()) };
    let services = output::counted(foreign.len(), "service", "services");
    Err(Failure::Refused(json!({
        "success": false,
        "error": format!("the registry at {endpoint} holds {services} of others, such as {first}"),
        "code": "foreign_services",
        "message": "a load could disturb them; start a registry for it, or use --allow-foreign",
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(ids: &[&str]) -> Option<String> {
        let services: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        refuse_foreign(&services, "tcp://lab:6100").err().map(|failure| failure.to_string())
    }

    #[test]
    fn only_services_of_loads_may_be_disturbed() {
        assert_eq!(refusal(&[]), None);
        assert_eq!(refusal(&["bench-a1b2c3-0000000", "bench-x"]), None);
        let refusal = refusal(&["bench-x", "psu-1", "cam-1"]).unwrap();
        assert!(refusal.contains("tcp://lab:6100 holds 2 services of others, such as psu-1"));
        assert!(refusal.contains("--allow-foreign"));
    }
}
