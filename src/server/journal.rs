//! What the log says of services that come and go.
//!
//! Ids and hosts come from clients. They are logged with their quotes and escapes, so that none
//! can break a line or forge one.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::ListeningTime;
use crate::registry::{Event, EventKind};

/// From how many services of one host on it is the host, or the network, that fell silent.
const HOST_SILENT_FROM: usize = 3;

/// Logs one event.
pub(super) fn log(event: &Event) {
    match &event.kind {
        EventKind::Register { entry, .. } => log::info!(
            "registered {:?} at {:?}, port {}, ttl {} s",
            entry.service.id.as_str(),
            entry.service.host,
            entry.service.port,
            entry.service.ttl.seconds()
        ),
        EventKind::Deregister { entry } => {
            log::info!("deregistered {:?}", entry.service.id.as_str());
        }
        EventKind::Expire { entry, silence, paused } => log::info!(
            "expired {:?} of host {:?}: not heard for {:.1} s, its ttl is {} s{}{}",
            entry.service.id.as_str(),
            entry.service.host,
            silence.duration.as_secs_f64(),
            entry.service.ttl.seconds(),
            if silence.restarted { "; not heard since the registry started" } else { "" },
            if *paused { "; the registry itself stood still meanwhile" } else { "" },
        ),
    }
}

/// Logs, for each host of which several services expired in one sweep, that it is the host.
pub(super) fn log_silent_hosts(sweep: &[Event]) {
    for (host, last_heard) in last_heard_by_host(sweep) {
        let (Some(first), Some(last)) = (last_heard.iter().min(), last_heard.iter().max()) else {
            continue;
        };
        if last_heard.len() >= HOST_SILENT_FROM {
            log::warn!(
                "{} services of host {host:?} fell silent within {:.0} s: a host or network \
                 problem",
                last_heard.len(),
                whole_seconds(last.since(*first)).as_secs_f64()
            );
        }
    }
}

fn last_heard_by_host(sweep: &[Event]) -> BTreeMap<&str, Vec<ListeningTime>> {
    let mut hosts: BTreeMap<&str, Vec<ListeningTime>> = BTreeMap::new();
    for event in sweep {
        // Who was not heard since the registry started may have died at any time before.
        if let EventKind::Expire { entry, silence, .. } = &event.kind
            && !silence.restarted
        {
            let last_heard = event.at.listening.minus(silence.duration);
            hosts.entry(&entry.service.host).or_default().push(last_heard);
        }
    }
    hosts
}

/// Rounded up: "within 0 s" helps nobody.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_millis().div_ceil(1_000).max(1).try_into().unwrap_or(u64::MAX))
}
