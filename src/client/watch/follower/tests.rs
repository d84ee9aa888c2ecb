//! When the follower asks, and what it makes of the answers.

use serde_json::json;

use crate::client::service::{Health, Service, WallTime};
use crate::client::watch::tests::samples::{deregister, event, list, register, service};

use super::*;

const PACE: Pace = Pace {
    check: Duration::from_secs(1),
    grace: Duration::from_millis(100),
    list: Duration::from_millis(20),
    list_timeout: Duration::from_secs(2),
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
        lab.health("e", 5);
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

    /// A list of no service that took so long to get.
    fn slow_list(&mut self, epoch: &str, seq: u64, took: Duration) {
        self.elapse(took);
        self.follower.on_list(list(epoch, seq, Vec::new()), took, self.now);
    }

    fn health(&mut self, epoch: &str, seq: u64) {
        let sequence = Some(Sequence { epoch: epoch.to_owned(), seq });
        self.report(sequence);
    }

    fn report(&mut self, sequence: Option<Sequence>) {
        self.report_with(sequence, None);
    }

    fn report_with(&mut self, sequence: Option<Sequence>, in_contact: Option<bool>) {
        let timestamp = WallTime::from_unix_seconds(0);
        let trouble = None;
        let status = "ok".to_owned();
        let report = HealthReport { status, timestamp, sequence, in_contact, trouble };
        self.follower.on_health(report, self.now);
    }

    fn next(&mut self) -> Next {
        self.follower.next(self.now)
    }

    /// Nothing came back to what was asked, for so long.
    fn silence(&mut self, ask: Ask, duration: Duration) {
        let asked = self.now;
        self.elapse(duration);
        self.follower.on_silence(ask, asked, self.now);
    }

    /// Lets time pass until there is something to ask.
    #[track_caller]
    fn pause(&mut self) -> Duration {
        let Next::WaitUntil(until) = self.next() else { panic!("it asks at once") };
        let pause = until - self.now;
        self.now = until;
        pause
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
fn a_watch_begins_with_a_check_and_a_list_and_then_checks_from_time_to_time() {
    let mut lab = Lab::new();

    lab.assert_asks(Ask::Health);
    lab.health("e", 5);
    assert!(!lab.follower.has_begun());
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
fn a_registry_that_began_anew_is_asked_for_its_list_however_long_the_last_one_took() {
    let mut lab = Lab::following();
    lab.elapse(PACE.check);
    lab.health("f", 0);
    lab.assert_asks(Ask::List);
    // It was stopped and started while it was asked.
    lab.slow_list("f", 3, Duration::from_secs(3));

    lab.elapse(PACE.list);
    lab.follower.on_event(&register("f", 5, &service("b", "B")));
    lab.assert_asks(Ask::List);
    lab.slow_list("f", 5, Duration::from_millis(500));

    lab.elapse(PACE.list);
    lab.follower.on_event(&register("g", 1, &service("c", "C")));
    lab.assert_asks(Ask::List);
}

#[test]
fn a_list_that_took_very_long_is_no_reason_to_wait_for_minutes() {
    let mut lab = Lab::following();
    lab.slow_list("e", 5, Duration::from_secs(60));
    lab.follower.on_event(&register("e", 7, &service("b", "B")));

    lab.assert_waits(LIST_PAUSE_MAX);
}

#[test]
fn a_list_of_a_registry_that_is_behind_is_passed_over_and_asked_for_again() {
    let mut lab = Lab::following();
    lab.follower.on_event(&register("e", 6, &service("a", "A")));
    lab.follower.on_event(&register("e", 8, &service("c", "C")));
    lab.assert_asks(Ask::List);

    assert_eq!(lab.list("e", 5, Vec::new()), []);
    assert_eq!(lab.follower.picture().services().count(), 1);
    lab.assert_waits(PACE.grace);
    lab.elapse(PACE.grace);
    lab.assert_asks(Ask::List);

    let services = ["a", "b", "c"].map(|id| service(id, "A")).to_vec();
    assert_eq!(lab.list("e", 8, services).len(), 2);
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
        lab.silence(Ask::Health, MOMENT);
        pauses.push(lab.pause());
        lab.assert_asks(Ask::Health);
    }

    assert!(pauses.iter().all(|pause| (PACE.check / 2..PACE.check * 2).contains(pause)));
    assert!(pauses.windows(2).all(|pair| pair[0] != pair[1]), "{pauses:?}");
    assert_eq!(lab.follower.silent_since(), Some(asked));
    lab.health("e", 5);
    assert_eq!(lab.follower.silent_since(), None);
}

#[test]
fn a_list_that_is_needed_waits_until_a_silent_registry_has_answered_a_check() {
    let mut lab = Lab::following();
    lab.follower.on_event(&deregister("e", 9, "a"));
    lab.assert_asks(Ask::List);

    lab.silence(Ask::List, MOMENT);

    assert!(lab.pause() >= PACE.check / 2);
    lab.assert_asks(Ask::Health);
    lab.silence(Ask::Health, MOMENT);
    assert!(lab.pause() >= PACE.check / 2);
    lab.assert_asks(Ask::Health);
    lab.health("e", 9);
    lab.assert_asks(Ask::List);
}

#[test]
fn a_list_that_does_not_come_in_time_is_given_twice_as_long_up_to_a_limit() {
    let mut lab = Lab::new();
    let mut timeouts = Vec::new();

    for _ in 0..7 {
        lab.health("e", 5);
        lab.assert_asks(Ask::List);
        let timeout = lab.follower.list_timeout();
        timeouts.push(timeout.as_secs());
        lab.silence(Ask::List, timeout);
        lab.pause();
    }

    assert_eq!(timeouts, [2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn a_list_is_given_twice_as_long_as_the_last_one_took() {
    let mut lab = Lab::following();

    for (took, timeout) in [(5, 10), (1, 2), (0, 2), (100, 60)] {
        let took = Duration::from_secs(took);
        lab.follower.on_list(list("e", 5, Vec::new()), took, lab.now);
        assert_eq!(lab.follower.list_timeout().as_secs(), timeout);
    }
}

#[test]
fn a_silence_that_says_nothing_about_the_list_leaves_it_its_time() {
    let mut lab = Lab::following();

    lab.silence(Ask::Health, PACE.list_timeout);
    lab.silence(Ask::List, MOMENT);

    assert_eq!(lab.follower.list_timeout(), PACE.list_timeout);
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
    let unnumbered = |services| ServiceList { services, sequence: None, in_contact: true };
    lab.report(None);
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

    lab.follower.check_now(lab.now);

    lab.assert_asks(Ask::Health);
}

#[test]
fn a_registry_that_stops_giving_numbers_is_listed() {
    let mut lab = Lab::following();

    lab.report(None);

    lab.assert_asks(Ask::List);
}

#[test]
fn a_registry_that_stays_behind_in_spite_of_its_contact_was_put_back() {
    let mut lab = Lab::following();
    lab.list("e", 100, vec![service("lost", "A")]);

    lab.health("e", 51);
    lab.elapse(BEHIND_MAX / 2);
    lab.health("e", 51);
    assert!(matches!(lab.next(), Next::WaitUntil(_)), "one that hears late is given time");
    lab.elapse(BEHIND_MAX / 2);
    lab.health("e", 52);

    assert_eq!(lab.next(), Next::Ask(Ask::List));
    let changes = lab.list("e", 52, vec![service("restored", "A")]);
    let ids: Vec<&str> = changes.iter().map(|change| change.service().id.as_str()).collect();
    assert_eq!(ids, ["lost", "restored"]);
    assert_eq!(lab.follower.picture().sequence().map(|sequence| sequence.seq), Some(52));
}

#[test]
fn a_registry_without_contact_is_behind_for_as_long_as_it_takes() {
    let mut lab = Lab::following();
    lab.list("e", 100, Vec::new());

    for _ in 0..3 {
        let sequence = Some(Sequence { epoch: "e".to_owned(), seq: 51 });
        lab.report_with(sequence, Some(false));
        lab.elapse(BEHIND_MAX);
    }

    assert_eq!(lab.next(), Next::Ask(Ask::Health));
}

#[test]
fn another_registry_is_asked_how_it_is_before_it_is_asked_for_its_list() {
    let mut lab = Lab::following();
    lab.elapse(PACE.list);
    lab.follower.on_event(&deregister("e", 9, "a"));
    assert_eq!(lab.next(), Next::Ask(Ask::List));

    lab.follower.on_move();
    lab.follower.check_now(lab.now);

    assert_eq!(lab.next(), Next::Ask(Ask::Health));
}
