//! What a subscriber was told while a history was made, held against that history.

use std::collections::BTreeMap;

use serde_json::Value;

use super::clients::{Listed, Recording};
use super::history::Asked;
use super::specification::{Answer, Id, Question, Version};
use crate::support::{Event, whole_number};

/// What one event says of this history's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Registered(Id, Version),
    Gone(Id),
}

/// The last event before others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    epoch: Value,
    seq: u64,
}

/// What a subscriber was told in one life of a registry.
#[derive(Debug)]
pub(super) struct Life {
    /// Where its events begin, and what there was of the history's services by then.
    pub(super) since: Place,
    pub(super) services: Vec<(Id, Version)>,
    /// With the probes' among them.
    pub(super) events: Vec<Event>,
    /// Whether the registry lived to tell everything.
    pub(super) is_whole: bool,
}

impl Place {
    pub(super) fn of(event: &Event) -> Self {
        Self { epoch: event.body["epoch"].clone(), seq: whole_number(&event.body["seq"]) }
    }

    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }
}

impl Life {
    /// The last event of it.
    pub(super) fn end(&self) -> Place {
        self.events.last().map_or_else(|| self.since.clone(), Place::of)
    }

    /// The changes that were told, each with its number.
    #[track_caller]
    pub(super) fn changes(&self, recording: &Recording) -> Vec<(u64, Question)> {
        let questions = recording.history().operations().into_iter();
        let questions: Vec<Question> = questions.map(|it| it.operation.question).collect();
        let asked_for = |told| match told {
            Told::Gone(id) => Question::Deregister { id },
            Told::Registered(_, told) => *questions
                .iter()
                .find(|it| matches!(it, Question::Register { version, .. } if *version == told))
                .expect("it was asked for"),
        };
        self.told(recording).into_iter().map(|(seq, told)| (seq, asked_for(told))).collect()
    }

    fn told(&self, recording: &Recording) -> Vec<(u64, Told)> {
        let told = |event| Some((Place::of(event).seq, told_by(recording, event)?));
        self.events.iter().filter_map(told).collect()
    }
}

/// Checks all that was told while a history was made, in one life of the registry or in several.
#[track_caller]
pub(super) fn assert_told(recording: &Recording, lives: &[Life]) {
    for life in lives {
        assert_numbered(life);
        assert_every_list_is_what_the_events_before_it_make(recording, life);
        assert_registrations_are_told_in_their_order(recording, &life.told(recording));
    }
    assert_each_write_is_told_once(recording, lives);
}

#[track_caller]
fn assert_numbered(life: &Life) {
    let places: Vec<Place> = life.events.iter().map(Place::of).collect();
    let Place { epoch, seq } = &life.since;
    let expected = (seq + 1..).map(|seq| Place { epoch: epoch.clone(), seq });
    let expected: Vec<Place> = expected.take(places.len()).collect();
    assert_eq!(places, expected, "one after the other, each once, and all in one epoch");
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
fn assert_every_list_is_what_the_events_before_it_make(recording: &Recording, life: &Life) {
    let end = life.end();
    let mut lists = recording.lists();
    lists.retain(|list| list.epoch == end.epoch && (life.is_whole || list.seq <= end.seq));
    lists.sort_by_key(|list| list.seq);
    let mut told = life.told(recording).into_iter().peekable();
    let mut services = life.services.clone();
    for Listed { seq, services: list, .. } in lists {
        while let Some((_, event)) = told.next_if(|(number, _)| *number <= seq) {
            match event {
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
fn assert_each_write_is_told_once(recording: &Recording, lives: &[Life]) {
    #[derive(Debug, Default)]
    struct Count {
        done: usize,
        perhaps: usize,
        told: usize,
    }
    let mut counts: BTreeMap<(Id, Option<Version>), Count> = BTreeMap::new();
    for Asked { operation, .. } in recording.history().operations() {
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
    for (_, event) in lives.iter().flat_map(|life| life.told(recording)) {
        let key = match event {
            Told::Registered(id, version) => (id, Some(version)),
            Told::Gone(id) => (id, None),
        };
        counts.entry(key).or_default().told += 1;
    }
    for (write, count) in counts {
        // What was done right before a kill may have been told to nobody.
        let least = if lives.iter().all(|life| life.is_whole) { count.done } else { 0 };
        let possible = least..=count.done + count.perhaps;
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
        .filter_map(|it| match it.operation.question {
            Question::Register { version, .. } => Some((version, (it.asked, it.answered))),
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
