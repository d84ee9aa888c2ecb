//! How a picture is kept true: when to ask the registry what, and what to make of its answers
//! and events. Pure: the time is an argument, and asking is left to the thread.
//!
//! The picture begins with a list, asked for when the subscription is made, and moves on by
//! events; those that the list includes are passed over by their numbers. A list is asked for
//! again when an event cannot be applied, or when a check shows that the registry has come
//! further than its events tell: then the last ones were lost. It is asked for, too, when the
//! registry stays behind the picture: then somebody has put back what it shares with others.
//!
//! A list can be long. A registry that was silent is asked for it only after it has answered a
//! check, and where the list did not come in time it is given twice as long the next time. So a
//! registry that needs long for its list is not kept busy with lists that nobody waits for.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::client::events::Event;
use crate::client::service::{HealthReport, Sequence, ServiceList};
use crate::client::settings::BEHIND_MAX;

use super::change::Change;
use super::picture::{Applied, Picture};

/// No more than one part in so many of the time is spent with lists, so that many watchers of a
/// large registry who lose events do not keep it busy with nothing else.
const LIST_SHARE: u32 = 10;

/// The longest pause that [`LIST_SHARE`] makes: a list may have taken long because its registry
/// stood still, and then no pause is due.
const LIST_PAUSE_MAX: Duration = Duration::from_secs(10);

/// How long a list is waited for at the most, unless the first one was given longer: a registry
/// that has gone meanwhile is not found out before.
const LIST_TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// The times that a watch keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// From one check to the next, and from an attempt to reach a silent registry to the next.
    pub(super) check: Duration,
    /// For how long an event may be on its way that a check knows of.
    pub(super) grace: Duration,
    /// From one list to the next at the least.
    pub(super) list: Duration,
    /// How long a list is waited for at the least.
    pub(super) list_timeout: Duration,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The services.
    List,
    /// Only how far the registry has come.
    Health,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask the registry.
    Ask(Ask),
    /// Wait for an event, but not beyond this time.
    WaitUntil(Instant),
}

/// Decides what a watch does next: which question to ask, and what has changed.
#[derive(Debug)]
pub(super) struct Follower {
    picture: Picture,
    pace: Pace,
    random: Rng,
    /// Whether the picture shows a list.
    has_begun: bool,
    /// Whether only a list can tell what is true now.
    needs_list: bool,
    /// How long the next list is waited for.
    list_timeout: Duration,
    /// Whether the registry answered what it was asked last.
    is_heard: bool,
    /// When the registry is asked next, if nothing calls for it before.
    next_check: Instant,
    /// When the last list came.
    listed: Instant,
    /// For how long no other is asked for.
    list_pause: Duration,
    /// What a check knows of and no event told, and until when an event may still tell.
    expected: Option<(Sequence, Instant)>,
    /// Since when the registry, which is in contact with those that share its list, tells of an
    /// earlier time than the picture shows.
    behind_since: Option<Instant>,
    /// Since when the registry does not answer.
    silent_since: Option<Instant>,
}

impl Follower {
    /// Begins with an empty picture, for which the registry is asked at once.
    pub(super) fn new(picture: Picture, pace: Pace, random: Rng, now: Instant) -> Self {
        Self {
            picture,
            pace,
            random,
            has_begun: false,
            needs_list: true,
            list_timeout: pace.list_timeout,
            is_heard: false,
            next_check: now,
            listed: now,
            list_pause: Duration::ZERO,
            expected: None,
            behind_since: None,
            silent_since: None,
        }
    }

    /// The picture as it is now.
    pub(super) const fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Whether there has been a list.
    pub(super) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// How long to wait for the next list.
    pub(super) const fn list_timeout(&self) -> Duration {
        self.list_timeout
    }

    /// Since when the registry does not answer.
    pub(super) const fn silent_since(&self) -> Option<Instant> {
        self.silent_since
    }

    /// What to do now.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        if let Some((_, until)) = &self.expected {
            self.needs_list |= now >= *until;
        }
        let check = now >= self.next_check;
        let list = self.is_heard && (self.needs_list || check && !self.health_tells());
        match (list, check) {
            (true, _) if now >= self.next_list() => Next::Ask(Ask::List),
            (false, true) => Next::Ask(Ask::Health),
            _ => Next::WaitUntil(self.next_time()),
        }
    }

    /// Makes of an event what can be made of it. A change, if it made one.
    pub(super) fn on_event(&mut self, event: &Event) -> Option<Change> {
        if self.needs_list {
            // The list is asked for after this event came, and includes it.
            return None;
        }
        let change = match self.picture.apply(event) {
            Applied::Next(change) => change,
            Applied::Known => None,
            Applied::Gap => {
                self.note_epoch(event.sequence());
                self.needs_list = true;
                None
            }
        };
        let here = self.picture.sequence();
        let is_reached = |expected: &Sequence| here.is_some_and(|here| here.seq >= expected.seq);
        self.expected.take_if(|(expected, _)| is_reached(expected));
        change
    }

    /// Takes over a list that took so long to get, and returns the changes. One that is older than
    /// the picture comes from a registry that is behind the one that was asked before, and is
    /// passed over.
    pub(super) fn on_list(
        &mut self,
        list: ServiceList,
        took: Duration,
        now: Instant,
    ) -> Vec<Change> {
        self.on_answer(now);
        self.has_begun = true;
        self.set_list_timeout(2 * took);
        self.listed = now;
        self.list_pause = self.pace.list.max((took * LIST_SHARE).min(LIST_PAUSE_MAX));
        self.note_epoch(list.sequence.as_ref());
        self.note_place(list.sequence.as_ref(), list.in_contact, now);
        if self.is_behind(list.sequence.as_ref()) && !self.is_set_back(now) {
            self.list_pause = self.list_pause.max(self.pace.grace);
            return Vec::new();
        }
        self.needs_list = false;
        self.expected = None;
        self.behind_since = None;
        self.picture.replace(list)
    }

    /// Learns from a check whether the last events were lost.
    pub(super) fn on_health(&mut self, report: HealthReport, now: Instant) {
        self.on_answer(now);
        self.note_place(report.sequence.as_ref(), report.in_contact != Some(false), now);
        self.needs_list |= self.is_set_back(now);
        match (self.picture.sequence(), report.sequence) {
            (Some(here), Some(there)) if here.epoch == there.epoch => {
                if there.seq > here.seq {
                    self.expected = Some((there, now + self.pace.grace));
                }
            }
            (_, there) => {
                self.note_epoch(there.as_ref());
                self.needs_list = true;
            }
        }
    }

    /// Learns that what was asked at `asked` got no answer. The registry is asked again later.
    pub(super) fn on_silence(&mut self, ask: Ask, asked: Instant, now: Instant) {
        self.is_heard = false;
        self.silent_since.get_or_insert(asked);
        if ask == Ask::List && now - asked >= self.list_timeout {
            self.set_list_timeout(2 * self.list_timeout);
        }
        // At other times than all the others who wait for the same registry.
        self.next_check = now + self.pace.check.mul_f64(0.5 + self.random.f64());
    }

    /// Asks at once: the connection for events is up again, or lost, or leads to another registry,
    /// and what was missed meanwhile is not waited for until the next check.
    pub(super) fn check_now(&mut self, now: Instant) {
        self.next_check = now;
    }

    /// Where the registry began anew, what the last list took includes its start, and says nothing
    /// of the next one.
    fn note_epoch(&mut self, there: Option<&Sequence>) {
        if let (Some(here), Some(there)) = (self.picture.sequence(), there)
            && here.epoch != there.epoch
        {
            self.list_pause = self.pace.list;
        }
    }

    /// Learns that another registry is asked from now on, which has not been heard yet.
    pub(super) fn on_move(&mut self) {
        self.is_heard = false;
        self.behind_since = None;
    }

    fn on_answer(&mut self, now: Instant) {
        self.is_heard = true;
        self.silent_since = None;
        self.next_check = now + self.pace.check;
    }

    /// Whether a list shows what was before the picture.
    fn is_behind(&self, there: Option<&Sequence>) -> bool {
        let (Some(here), Some(there)) = (self.picture.sequence(), there) else { return false };
        here.epoch == there.epoch && there.seq < here.seq
    }

    fn note_place(&mut self, there: Option<&Sequence>, in_contact: bool, now: Instant) {
        if in_contact && self.is_behind(there) {
            self.behind_since.get_or_insert(now);
        } else {
            self.behind_since = None;
        }
    }

    /// Whether the registry was behind the picture for longer than one that merely hears later than
    /// another can be: then what they share was put back to an earlier state.
    fn is_set_back(&self, now: Instant) -> bool {
        self.behind_since.is_some_and(|since| now - since >= BEHIND_MAX)
    }

    fn set_list_timeout(&mut self, timeout: Duration) {
        let least = self.pace.list_timeout;
        self.list_timeout = timeout.clamp(least, least.max(LIST_TIMEOUT_MAX));
    }

    /// Whether a check can do without a list. Without numbers only a list tells anything, and
    /// that a critical service recovered is told by nothing else.
    fn health_tells(&self) -> bool {
        self.picture.sequence().is_some() && !self.picture.has_critical()
    }

    /// The earliest time for another list.
    fn next_list(&self) -> Instant {
        self.listed + self.list_pause
    }

    /// The next time at which something is to be done, if nothing comes.
    fn next_time(&self) -> Instant {
        if !self.is_heard {
            return self.next_check;
        }
        if self.needs_list {
            return self.next_list();
        }
        let check = self.next_check;
        let check = if self.health_tells() { check } else { check.max(self.next_list()) };
        self.expected.as_ref().map_or(check, |(_, until)| check.min(*until))
    }
}

#[cfg(test)]
mod tests;
