//! What the log says of services that come and go.
//!
//! Ids and hosts come from clients. They are logged with their quotes and escapes, so that none
//! can break a line or forge one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::ListeningTime;
use crate::registry::{Event, EventKind};

use super::asker::Asker;

/// From how many services of one host on it is the host, or the network, that fell silent.
const HOST_SILENT_FROM: usize = 3;

/// Logs one event, and who asked for what happened, if it was somebody here.
pub(super) fn log(event: &Event, asker: Option<&Asker>) {
    match &event.kind {
        EventKind::Register { entry, .. } => log::info!(
            "registered {:?} at {:?}, port {}, ttl {} s{}",
            entry.service.id.as_str(),
            entry.service.description.host(),
            entry.service.description.port(),
            entry.service.description.ttl().seconds(),
            by(asker),
        ),
        EventKind::Deregister { entry } => {
            log::info!("deregistered {:?}{}", entry.service.id.as_str(), by(asker));
        }
        EventKind::Expire { entry, silence } => log::info!(
            "expired {:?} of host {:?}: not heard for {:.1} s, its ttl is {} s{}{}",
            entry.service.id.as_str(),
            entry.service.description.host(),
            silence.duration.as_secs_f64(),
            entry.service.description.ttl().seconds(),
            if silence.restarted { "; not heard since the registry started" } else { "" },
            if silence.paused { "; the registry itself stood still meanwhile" } else { "" },
        ),
    }
}

/// The end of a line that says who asked for something.
pub(super) fn by(asker: Option<&Asker>) -> String {
    asker.map(|asker| format!(", asked by {asker}")).unwrap_or_default()
}

/// Logs, for each host of which several services expired in one sweep, that it is the host.
pub(super) fn log_silent_hosts(sweep: &[Event]) {
    for line in silent_hosts(sweep) {
        log::warn!("{line}");
    }
}

fn silent_hosts(sweep: &[Event]) -> Vec<String> {
    let mut hosts: BTreeMap<Cow<'_, str>, Vec<ListeningTime>> = BTreeMap::new();
    for event in sweep {
        // Who was not heard since the registry started may have died at any time before.
        if let EventKind::Expire { entry, silence } = &event.kind
            && !silence.restarted
        {
            hosts.entry(entry.service.description.host()).or_default().push(silence.since);
        }
    }
    hosts.retain(|_, last_heard| last_heard.len() >= HOST_SILENT_FROM);
    hosts.iter().filter_map(|(host, last_heard)| silent_host(host, last_heard)).collect()
}

fn silent_host(host: &str, last_heard: &[ListeningTime]) -> Option<String> {
    let (first, last) = (last_heard.iter().min()?, last_heard.iter().max()?);
    Some(format!(
        "{} services of host {host:?} fell silent within {} s: a host or network problem",
        last_heard.len(),
        whole_seconds(last.since(*first))
    ))
}

/// Rounded up: "within 0 s" helps nobody.
fn whole_seconds(duration: Duration) -> u128 {
    duration.as_millis().div_ceil(1_000).max(1)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::clock::{Now, WallTime};
    use crate::registry::{Change, Epoch, Plan, Registry};
    use crate::service::{Parts, Registration, samples};

    fn at(milliseconds: u64) -> Now {
        Now {
            wall: WallTime::from_unix_seconds(1_700_000_000 + milliseconds / 1_000),
            listening: ListeningTime::START.plus(Duration::from_millis(milliseconds)),
            pauses: 0,
        }
    }

    fn service(id: &str, host: &str) -> Registration {
        samples::registration(id, Parts::new("name", host, 6110))
    }

    fn apply(registry: &mut Registry, changes: Vec<Change>, now: Now) -> Vec<Event> {
        changes.into_iter().filter_map(|change| registry.apply(change, now)).collect()
    }

    /// What expires in one sweep, of services that were heard last at these milliseconds on
    /// these hosts. The commit of each lasts for long.
    fn sweep(heard: &[(u64, &str)]) -> Vec<Event> {
        let mut registry = Registry::new(Epoch::new("epoch"), true);
        for (number, (milliseconds, host)) in heard.iter().enumerate() {
            let now = at(*milliseconds);
            let registration = service(&format!("s{number}"), host);
            let planned = Plan::new(&registry, now).register(&registry, registration, Uuid::nil());
            apply(&mut registry, planned.changes, now);
        }
        let (changes, _) = Plan::new(&registry, at(60_000)).expire(&registry, heard.len() + 1);
        assert_eq!(changes.len(), heard.len());
        apply(&mut registry, changes, at(100_000))
    }

    #[test]
    fn a_host_that_fell_silent_is_told_in_one_line() {
        let mut heard: Vec<(u64, &str)> = (0..14).map(|number| (number * 100, "X")).collect();
        heard.extend([(0, "Y"), (9_000, "Y")]);

        assert_eq!(
            silent_hosts(&sweep(&heard)),
            ["14 services of host \"X\" fell silent within 2 s: a host or network problem"]
        );
    }

    #[test]
    fn each_host_has_its_line_from_three_services_on() {
        let heard = [(0, "X"), (0, "Y"), (0, "X"), (0, "Z"), (0, "Y"), (0, "X"), (2_001, "Y")];

        assert_eq!(
            silent_hosts(&sweep(&heard)),
            [
                "3 services of host \"X\" fell silent within 1 s: a host or network problem",
                "3 services of host \"Y\" fell silent within 3 s: a host or network problem",
            ]
        );
    }

    #[test]
    fn services_that_were_not_heard_since_the_start_say_nothing_of_their_host() {
        let mut registry = Registry::new(Epoch::new("epoch"), true);
        for number in 0..5 {
            let restored = samples::service(&format!("s{number}"), Parts::new("name", "X", 6110));
            registry.restore(restored, WallTime::from_unix_seconds(0), at(0));
        }
        let (changes, _) = Plan::new(&registry, at(60_000)).expire(&registry, 10);

        let sweep = apply(&mut registry, changes, at(60_000));

        assert_eq!(sweep.len(), 5);
        assert!(silent_hosts(&sweep).is_empty());
    }
}
