//! How a picture is kept true: when to ask the registry what, and what to make of its answers
//! and events. Pure: the time is an argument, and asking is left to the thread.
//!
//! The picture begins with a list, asked for when the subscription is made, and moves on by
//! events; those that the list includes are passed over by their numbers. A list is asked for
//! again when an event cannot be applied, or when a check shows that the registry has come
//! further than its events tell: then the last ones were lost.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::client::events::Event;
use crate::client::service::{HealthReport, Sequence, ServiceList};

use super::change::Change;
use super::picture::{Applied, Picture};

/// No more than one part in so many of the time is spent with lists, so that many watchers of a
/// large registry who lose events do not keep it busy with nothing else.
const LIST_SHARE: u32 = 10;

/// The times that a watch keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// From one check to the next, and from an attempt to reach a silent registry to the next.
    pub(super) check: Duration,
    /// For how long an event may be on its way that a check knows of.
    pub(super) grace: Duration,
    /// From one list to the next at the least.
    pub(super) list: Duration,
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

/// See the module's page.
#[derive(Debug)]
pub(super) struct Follower {
    picture: Picture,
    pace: Pace,
    random: Rng,
    /// Whether only a list can tell what is true now.
    needs_list: bool,
    /// When the registry is asked next, if nothing calls for it before.
    next_check: Instant,
    /// The earliest time for another list.
    next_list: Instant,
    /// What a check knows of and no event told, and until when an event may still tell.
    expected: Option<(Sequence, Instant)>,
    /// Since when the registry does not answer.
    silent_since: Option<Instant>,
}

impl Follower {
    /// Begins with an empty picture, for which a list is asked at once.
    pub(super) fn new(picture: Picture, pace: Pace, random: Rng, now: Instant) -> Self {
        Self {
            picture,
            pace,
            random,
            needs_list: true,
            next_check: now,
            next_list: now,
            expected: None,
            silent_since: None,
        }
    }

    /// The picture as it is now.
    pub(super) const fn picture(&self) -> &Picture {
        &self.picture
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
        let list = if self.needs_list {
            check || self.silent_since.is_none()
        } else {
            check && !self.health_tells()
        };
        match (list, check) {
            (true, _) if now >= self.next_list => Next::Ask(Ask::List),
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
                self.needs_list = true;
                None
            }
        };
        let here = self.picture.sequence();
        let is_reached = |expected: &Sequence| here.is_some_and(|here| here.seq >= expected.seq);
        self.expected.take_if(|(expected, _)| is_reached(expected));
        change
    }

    /// Takes over a list that took so long to get, and returns the changes.
    pub(super) fn on_list(
        &mut self,
        list: ServiceList,
        took: Duration,
        now: Instant,
    ) -> Vec<Change> {
        self.on_answer(now);
        self.needs_list = false;
        self.expected = None;
        self.next_list = now + self.pace.list.max(took * LIST_SHARE);
        self.picture.replace(list)
    }

    /// Learns from a check whether the last events were lost.
    pub(super) fn on_health(&mut self, report: HealthReport, now: Instant) {
        self.on_answer(now);
        match (self.picture.sequence(), report.sequence) {
            (Some(here), Some(there)) if here.epoch == there.epoch => {
                if there.seq > here.seq {
                    self.expected = Some((there, now + self.pace.grace));
                }
            }
            _ => self.needs_list = true,
        }
    }

    /// Learns that what was asked at `asked` got no answer. The registry is asked again later.
    pub(super) fn on_silence(&mut self, asked: Instant, now: Instant) {
        self.silent_since.get_or_insert(asked);
        // At other times than all the others who wait for the same registry.
        self.next_check = now + self.pace.check.mul_f64(0.5 + self.random.f64());
    }

    /// Learns that the connection for events is up again. What was missed meanwhile is not waited
    /// for until the next check.
    pub(super) fn on_connected(&mut self, now: Instant) {
        self.next_check = now;
    }

    fn on_answer(&mut self, now: Instant) {
        self.silent_since = None;
        self.next_check = now + self.pace.check;
    }

    /// Whether a check can do without a list. Without numbers only a list tells anything, and
    /// that a critical service recovered is told by nothing else.
    fn health_tells(&self) -> bool {
        self.picture.sequence().is_some() && !self.picture.has_critical()
    }

    /// The next time at which something is to be done, if nothing comes.
    fn next_time(&self) -> Instant {
        match (self.needs_list, self.silent_since) {
            (true, None) => self.next_list,
            (true, Some(_)) => self.next_list.max(self.next_check),
            (false, _) => {
                let check = self.next_check;
                let check = if self.health_tells() { check } else { check.max(self.next_list) };
                self.expected.as_ref().map_or(check, |(_, until)| check.min(*until))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::client::service::{Health, Service, WallTime};
    use crate::client::watch::tests::samples::{deregister, event, list, register, service};

    use super::*;

    const PACE: Pace = Pace {
        check: Duration::from_secs(1),
        grace: Duration::from_millis(100),
        list: Duration::from_millis(20),
    };

    const MOMENT: Duration = Duration::from_millis(1);

    /// A follower and the time.
    struct Lab {
        follower: Follower,
        now: Instant,
    }

    impl Lab {
        fn new() -> Self {
            let now = Instant::now();
            let picture = Picture::new(None);
            Self { follower: Follower::new(picture, PACE, Rng::with_seed(1), now), now }
        }

        /// With a picture of no service, at event 5.
        fn following() -> Self {
            let mut lab = Self::new();
            lab.list("e", 5, Vec::new());
            lab.elapse(PACE.list);
            lab
        }

        fn elapse(&mut self, duration: Duration) {
            self.now += duration;
        }

        fn list(&mut self, epoch: &str, seq: u64, services: Vec<Service>) -> Vec<Change> {
            self.follower.on_list(list(epoch, seq, services), MOMENT, self.now)
        }

        fn health(&mut self, epoch: &str, seq: u64) {
            let sequence = Some(Sequence { epoch: epoch.to_owned(), seq });
            self.report(sequence);
        }

        fn report(&mut self, sequence: Option<Sequence>) {
            let timestamp = WallTime::from_unix_seconds(0);
            let report = HealthReport { status: "ok".to_owned(), timestamp, sequence };
            self.follower.on_health(report, self.now);
        }

        fn next(&mut self) -> Next {
            self.follower.next(self.now)
        }

        #[track_caller]
        fn assert_asks(&mut self, ask: Ask) {
            assert_eq!(self.next(), Next::Ask(ask));
        }

        #[track_caller]
        fn assert_waits(&mut self, duration: Duration) {
            assert_eq!(self.next(), Next::WaitUntil(self.now + duration));
        }
    }

    #[test]
    fn a_watch_begins_with_a_list_and_then_checks_from_time_to_time() {
        let mut lab = Lab::new();

        lab.assert_asks(Ask::List);
        lab.list("e", 5, vec![service("a", "A")]);
        lab.assert_waits(PACE.check);
        lab.elapse(PACE.check);
        lab.assert_asks(Ask::Health);
        lab.health("e", 5);
        lab.assert_waits(PACE.check);
    }

    #[test]
    fn events_move_the_picture_on_without_any_request() {
        let mut lab = Lab::following();

        let change = lab.follower.on_event(&register("e", 6, &service("a", "A")));

        assert!(matches!(change, Some(Change::Registered(_))));
        assert!(matches!(lab.next(), Next::WaitUntil(_)));
    }

    #[test]
    fn a_hole_calls_for_a_list_at_once_and_what_comes_until_then_is_left_to_it() {
        let mut lab = Lab::following();

        let hole = lab.follower.on_event(&register("e", 7, &service("b", "B")));
        let next = lab.follower.on_event(&register("e", 8, &service("c", "C")));

        assert_eq!((hole, next), (None, None));
        lab.assert_asks(Ask::List);
        let services = ["a", "b", "c"].map(|id| service(id, "A")).to_vec();
        assert_eq!(lab.list("e", 8, services).len(), 3);
        lab.assert_waits(PACE.check);
    }

    #[test]
    fn another_epoch_calls_for_a_list() {
        let mut lab = Lab::following();

        lab.follower.on_event(&deregister("f", 1, "a"));

        lab.assert_asks(Ask::List);
    }

    #[test]
    fn a_restart_without_events_is_seen_by_the_next_check() {
        let mut lab = Lab::following();

        lab.health("f", 5);

        lab.assert_asks(Ask::List);
    }

    #[test]
    fn a_lost_last_event_is_seen_by_a_check_after_a_time_of_grace() {
        let mut lab = Lab::following();

        lab.health("e", 6);

        lab.assert_waits(PACE.grace);
        lab.elapse(PACE.grace);
        lab.assert_asks(Ask::List);
        lab.list("e", 6, Vec::new());
        lab.assert_waits(PACE.check);
    }

    #[test]
    fn an_event_that_was_on_its_way_during_the_check_needs_no_list() {
        let mut lab = Lab::following();
        lab.health("e", 6);

        lab.follower.on_event(&register("e", 6, &service("a", "A")));

        lab.assert_waits(PACE.check);
    }

    #[test]
    fn lists_take_no_more_than_a_tenth_of_the_time() {
        let mut lab = Lab::following();
        let took = Duration::from_millis(300);
        lab.follower.on_list(list("e", 5, Vec::new()), took, lab.now);

        lab.follower.on_event(&deregister("e", 9, "a"));

        lab.assert_waits(took * LIST_SHARE);
        lab.elapse(took * LIST_SHARE);
        lab.assert_asks(Ask::List);
    }

    #[test]
    fn a_silent_registry_is_asked_again_after_a_pause_that_differs_from_one_to_the_next() {
        let mut lab = Lab::following();
        let asked = lab.now;
        let mut pauses = Vec::new();

        for _ in 0..10 {
            lab.follower.on_silence(lab.now, lab.now);
            let Next::WaitUntil(until) = lab.next() else { panic!("it asks at once") };
            pauses.push(until - lab.now);
            lab.now = until;
            lab.assert_asks(Ask::Health);
        }

        assert!(pauses.iter().all(|pause| (PACE.check / 2..PACE.check * 2).contains(pause)));
        assert!(pauses.windows(2).all(|pair| pair[0] != pair[1]), "{pauses:?}");
        assert_eq!(lab.follower.silent_since(), Some(asked));
        lab.health("e", 5);
        assert_eq!(lab.follower.silent_since(), None);
    }

    #[test]
    fn a_list_that_is_needed_waits_for_a_silent_registry_too() {
        let mut lab = Lab::following();
        lab.follower.on_event(&deregister("e", 9, "a"));
        lab.assert_asks(Ask::List);

        lab.follower.on_silence(lab.now, lab.now);

        let Next::WaitUntil(until) = lab.next() else { panic!("it asks at once") };
        assert!(until >= lab.now + PACE.check / 2);
        lab.now = until;
        lab.assert_asks(Ask::List);
    }

    #[test]
    fn while_a_service_is_critical_lists_take_the_place_of_checks() {
        let mut lab = Lab::following();
        let critical = Service { health: Health::Critical, ..service("a", "A") };
        lab.list("e", 5, vec![critical.clone()]);

        lab.elapse(PACE.check);
        lab.assert_asks(Ask::List);
        let changes = lab.list("e", 5, vec![service("a", "A")]);

        assert!(matches!(&changes[..], [Change::Changed { .. }]), "{changes:?}");
        lab.elapse(PACE.check);
        lab.assert_asks(Ask::Health);
    }

    #[test]
    fn a_registry_without_numbers_is_listed_at_every_check_and_after_every_event() {
        let mut lab = Lab::new();
        let unnumbered = |services| ServiceList { services, sequence: None };
        lab.follower.on_list(unnumbered(Vec::new()), MOMENT, lab.now);
        lab.assert_waits(PACE.check);

        lab.elapse(PACE.check);
        lab.assert_asks(Ask::List);
        lab.follower.on_list(unnumbered(Vec::new()), MOMENT, lab.now);
        lab.follower.on_event(&event("expire", &json!({"data": {"service_id": "a"}})));

        lab.assert_waits(PACE.list);
        lab.elapse(PACE.list);
        lab.assert_asks(Ask::List);
    }

    #[test]
    fn an_event_connection_that_is_up_again_is_followed_by_a_check_at_once() {
        let mut lab = Lab::following();

        lab.follower.on_connected(lab.now);

        lab.assert_asks(Ask::Health);
    }

    #[test]
    fn a_registry_that_stops_giving_numbers_is_listed() {
        let mut lab = Lab::following();

        lab.report(None);

        lab.assert_asks(Ask::List);
    }
}
