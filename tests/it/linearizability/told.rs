//! What a subscriber was told while a history was made, held against that history.

use std::collections::BTreeMap;

use super::clients::{Listed, Recording};
use super::specification::{Answer, Id, Question, Version};
use crate::support::{Event, whole_number};

/// What one event says of this history's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Registered(Id, Version),
    Gone(Id),
}

/// Checks all events from one look at them to the next, with the probes' among them. `last` is
/// the number of the last event before these.
#[track_caller]
pub(super) fn assert_told(recording: &Recording, events: &[Event], last: u64) {
    assert_numbered(events, last);
    let told: Vec<(u64, Told)> = events
        .iter()
        .filter_map(|event| Some((whole_number(&event.body["seq"]), told_by(recording, event)?)))
        .collect();
    assert_every_list_is_what_the_events_before_it_make(recording, &told);
    assert_each_write_is_told_once(recording, &told);
    assert_registrations_are_told_in_their_order(recording, &told);
}

#[track_caller]
fn assert_numbered(events: &[Event], last: u64) {
    let numbers: Vec<u64> = events.iter().map(|event| whole_number(&event.body["seq"])).collect();
    let expected: Vec<u64> = (last + 1..).take(numbers.len()).collect();
    assert_eq!(numbers, expected, "one after the other, each once");
    let epochs = events.windows(2).all(|pair| pair[0].body["epoch"] == pair[1].body["epoch"]);
    assert!(epochs, "all in one epoch");
}

fn told_by(recording: &Recording, event: &Event) -> Option<Told> {
    let (topic, id) = event.about();
    let id = recording.service(id)?;
    Some(match topic {
        "register" => {
            let port = whole_number(&event.body["data"]["service_info"]["port"]);
            Told::Registered(id, Version::try_from(port).unwrap())
        }
        "deregister" => Told::Gone(id),
        _ => panic!("nothing else can happen: {}", event.body),
    })
}

/// Whoever takes a list and then follows the events from its `seq` on has, at every later list,
/// exactly that list.
#[track_caller]
fn assert_every_list_is_what_the_events_before_it_make(
    recording: &Recording,
    told: &[(u64, Told)],
) {
    let mut lists = recording.lists();
    lists.sort_by_key(|list| list.seq);
    let mut told = told.iter().peekable();
    let mut services: Vec<(Id, Version)> = Vec::new();
    for Listed { seq, services: list } in lists {
        while let Some((_, event)) = told.next_if(|(number, _)| *number <= seq) {
            match *event {
                Told::Registered(id, version) => {
                    match services.iter_mut().find(|service| service.0 == id) {
                        Some(known) => known.1 = version,
                        None => services.push((id, version)),
                    }
                }
                Told::Gone(id) => services.retain(|service| service.0 != id),
            }
        }
        assert_eq!(list, services, "the list with seq {seq}, and the events up to it");
    }
}

#[track_caller]
fn assert_each_write_is_told_once(recording: &Recording, told: &[(u64, Told)]) {
    #[derive(Debug, Default)]
    struct Count {
        done: usize,
        perhaps: usize,
        told: usize,
    }
    let mut counts: BTreeMap<(Id, Option<Version>), Count> = BTreeMap::new();
    for (_, _, operation) in recording.history().operations() {
        let key = match operation.question {
            Question::Register { id, version, .. } => (id, Some(version)),
            Question::Deregister { id } => (id, None),
            _ => continue,
        };
        let count = counts.entry(key).or_default();
        match operation.answer {
            Some(Answer::Done) => count.done += 1,
            Some(_) => {}
            None => count.perhaps += 1,
        }
    }
    for (_, event) in told {
        let key = match *event {
            Told::Registered(id, version) => (id, Some(version)),
            Told::Gone(id) => (id, None),
        };
        counts.entry(key).or_default().told += 1;
    }
    for (write, count) in counts {
        let possible = count.done..=count.done + count.perhaps;
        assert!(possible.contains(&count.told), "{write:?}: {count:?}");
    }
}

/// Where one registration was answered before another was asked for, it is told before it.
#[track_caller]
fn assert_registrations_are_told_in_their_order(recording: &Recording, told: &[(u64, Told)]) {
    let places: BTreeMap<Version, (usize, Option<usize>)> = recording
        .history()
        .operations()
        .into_iter()
        .filter_map(|(asked, answered, operation)| match operation.question {
            Question::Register { version, .. } => Some((version, (asked, answered))),
            _ => None,
        })
        .collect();
    let mut latest_asked = 0;
    for (seq, event) in told {
        let Told::Registered(_, version) = event else { continue };
        let (asked, answered) = places[version];
        latest_asked = latest_asked.max(asked);
        if let Some(answered) = answered {
            assert!(latest_asked < answered, "event {seq}: one asked for later was told before");
        }
    }
}
