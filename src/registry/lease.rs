//! The lease of one service: how long it counts as alive, and when it was last heard.
//!
//! Heartbeats are the most frequent thing a registry is told, so a lease is renewed in place by
//! whichever thread hears the heartbeat, without a lock. The one race that matters is a
//! heartbeat that arrives while the service is being expired: closing the lease decides it, once
//! and for all. A heartbeat before the closing keeps the service; one after it is told that the
//! service is gone, and its client registers again.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{ListeningTime, Now, WallTime};
use crate::service::Ttl;

use super::home::{Home, Horizon};

/// Stands in `passing_until` of a lease that is closed.
const CLOSED: u64 = 0;

/// Stands in `passing_until` of a lease that was over before the listening clock started.
const OVER: u64 = 1;

/// When a lease is over that another registry watches over.
const NEVER: ListeningTime = ListeningTime::from_milliseconds(u64::MAX);

/// Whether a service may be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Heard within its ttl.
    Passing,
    /// Silent for longer than its ttl; about to be cleaned up unless it is heard again.
    Critical,
}

/// Until when one service counts as alive.
#[derive(Debug)]
pub struct Lease {
    ttl: Ttl,
    last_heartbeat: AtomicU64,
    passing_until: AtomicU64,
    /// How often the registry had stood still when it was last heard.
    pauses: AtomicU64,
    /// When the registry could hear it first: when it registered, or when it was restored.
    since: ListeningTime,
    /// Not expired before this, heard or not, in milliseconds: a service that was restored gets
    /// a full ttl in which it can be heard.
    kept_until: AtomicU64,
    /// Who watches over it, as a number.
    home: AtomicU32,
    horizon: Horizon,
    /// It was restored, and not heard since.
    unproven: AtomicBool,
    /// A heartbeat came that no backend knows of yet.
    unsaved: AtomicBool,
    /// Its service stands among those that are looked at when heartbeats are saved.
    noted: AtomicBool,
}

/// What undoes [`Lease::close_if_over`].
#[derive(Debug)]
#[must_use]
pub struct Closed {
    passing_until: u64,
    /// How long the service was silent.
    pub silence: Silence,
}

/// How long a service was not heard, as it stood when its lease was closed. The commit of its
/// expiry, however long it takes, is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// When it began.
    pub since: ListeningTime,
    /// In listening time: while the registry could have heard it.
    pub duration: Duration,
    /// The registry started after the last heartbeat, and counts from its start.
    pub restarted: bool,
    /// The registry stood still for a while meanwhile, which does not count.
    pub paused: bool,
}

impl Lease {
    /// The lease of a service that registered at `now`.
    #[must_use]
    pub fn new(ttl: Ttl, now: Now) -> Self {
        let end = now.listening.plus(length(ttl));
        Self {
            ttl,
            last_heartbeat: AtomicU64::new(now.wall.unix_seconds()),
            passing_until: AtomicU64::new(end.milliseconds()),
            pauses: AtomicU64::new(now.pauses),
            since: now.listening,
            kept_until: AtomicU64::new(ListeningTime::START.milliseconds()),
            home: AtomicU32::new(Home::HERE.number()),
            horizon: Horizon::default(),
            unproven: AtomicBool::new(false),
            unsaved: AtomicBool::new(false),
            noted: AtomicBool::new(false),
        }
    }

    /// The same, of a service that `home` watches over.
    pub(super) fn watched_by(self, home: Home, horizon: &Horizon) -> Self {
        Self { home: AtomicU32::new(home.number()), horizon: horizon.clone(), ..self }
    }

    /// The lease of a service that was restored at `now` and last heard at `last_heartbeat`. As
    /// healthy as its age says; kept for a full ttl, because nobody was listening meanwhile.
    #[must_use]
    pub fn restored(ttl: Ttl, last_heartbeat: WallTime, now: Now) -> Self {
        let age = now.wall.seconds_since(last_heartbeat);
        let left = u64::from(ttl.seconds()).checked_sub(age);
        let passing_until =
            left.map_or(OVER, |left| now.listening.plus(Duration::from_secs(left)).milliseconds());
        Self {
            ttl,
            last_heartbeat: AtomicU64::new(last_heartbeat.unix_seconds()),
            passing_until: AtomicU64::new(passing_until),
            pauses: AtomicU64::new(now.pauses),
            since: now.listening,
            kept_until: AtomicU64::new(now.listening.plus(length(ttl)).milliseconds()),
            home: AtomicU32::new(Home::HERE.number()),
            horizon: Horizon::default(),
            unproven: AtomicBool::new(true),
            unsaved: AtomicBool::new(false),
            noted: AtomicBool::new(false),
        }
    }

    /// When the last heartbeat came.
    #[must_use]
    pub fn last_heartbeat(&self) -> WallTime {
        WallTime::from_unix_seconds(self.last_heartbeat.load(Ordering::Acquire))
    }

    /// Passing until exactly one ttl after the last heartbeat, then critical.
    #[must_use]
    pub fn health(&self, now: ListeningTime) -> Health {
        let passing_until = self.passing_until.load(Ordering::Acquire);
        let time = self.time(now).milliseconds();
        if time <= passing_until { Health::Passing } else { Health::Critical }
    }

    /// The time after which this lease can be closed, as things stand.
    #[must_use]
    pub fn over_after(&self) -> ListeningTime {
        if self.home() != Home::HERE {
            return NEVER;
        }
        let passing_until = self.passing_until.load(Ordering::Acquire);
        ListeningTime::from_milliseconds(passing_until.max(self.kept_until.load(Ordering::Acquire)))
    }

    /// Which registry watches over it.
    #[must_use]
    pub fn home(&self) -> Home {
        Home::from_number(self.home.load(Ordering::Acquire))
    }

    /// Says who watches over it from now on.
    pub(super) fn set_home(&self, home: Home) {
        self.home.store(home.number(), Ordering::Release);
    }

    /// Does not let it be over before one more ttl.
    pub(super) fn keep(&self, now: ListeningTime) {
        let until = now.plus(length(self.ttl)).milliseconds();
        self.kept_until.fetch_max(until, Ordering::AcqRel);
    }

    /// How late it is for this lease.
    fn time(&self, now: ListeningTime) -> ListeningTime {
        if self.home() == Home::HERE { now } else { self.horizon.time(now) }
    }

    /// Starts the lease anew for one more ttl. False, and nothing done, if it is closed.
    pub fn renew(&self, now: Now) -> bool {
        if !self.extend(now) {
            return false;
        }
        self.last_heartbeat.store(now.wall.unix_seconds(), Ordering::Release);
        true
    }

    /// The same for a heartbeat that another registry heard, and told of only now.
    pub(super) fn renew_late(&self, heard: WallTime, now: Now) -> bool {
        if !self.extend(now) {
            return false;
        }
        // The service may have been heard here meanwhile.
        self.last_heartbeat.fetch_max(heard.unix_seconds(), Ordering::AcqRel);
        true
    }

    fn extend(&self, now: Now) -> bool {
        let end = now.listening.plus(length(self.ttl)).milliseconds();
        let renewed = self.passing_until.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| {
            // Never shortened: another thread may have read a later time.
            (old != CLOSED).then_some(old.max(end))
        });
        if renewed.is_err() {
            return false;
        }
        self.pauses.store(now.pauses, Ordering::Release);
        self.unproven.store(false, Ordering::Release);
        true
    }

    /// Notes that the last heartbeat is not saved yet; true where its service must be noted for
    /// that as well, which it stays until it is saved.
    pub fn mark_unsaved(&self) -> bool {
        !self.unsaved.swap(true, Ordering::AcqRel) && !self.noted.swap(true, Ordering::AcqRel)
    }

    /// Whether the last heartbeat is not saved yet.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.unsaved.load(Ordering::Acquire)
    }

    /// Notes that the heartbeat is about to be saved; true if there is one. To be called when the
    /// service is no longer noted, and before the heartbeat is read, so that one that arrives in
    /// between is noted again.
    pub fn mark_saved(&self) -> bool {
        // In this order: whoever finds nothing unsaved finds nothing noted either.
        self.noted.swap(false, Ordering::AcqRel);
        self.unsaved.swap(false, Ordering::AcqRel)
    }

    /// Takes the place of `replaced`: what noted that service notes this one from now on, of which
    /// there is nothing to save yet.
    pub(super) fn replace(&self, replaced: &Self) {
        self.noted.store(replaced.noted.load(Ordering::Acquire), Ordering::Release);
    }

    /// Closes the lease if it is over: from here on it cannot be renewed.
    pub fn close_if_over(&self, now: Now) -> Option<Closed> {
        if now.listening <= self.over_after() { None } else { self.close_if_critical(now) }
    }

    /// Closes the lease if it is no longer passing, although it might still be kept: its service
    /// stands in the way of one that is alive.
    pub fn close_if_critical(&self, now: Now) -> Option<Closed> {
        let over_before = self.time(now.listening).milliseconds();
        let close = |old: u64| (old != CLOSED && old < over_before).then_some(CLOSED);
        let passing_until =
            self.passing_until.fetch_update(Ordering::AcqRel, Ordering::Acquire, close).ok()?;
        Some(Closed { passing_until, silence: self.silence(passing_until, now) })
    }

    fn silence(&self, passing_until: u64, now: Now) -> Silence {
        let restarted = self.unproven.load(Ordering::Acquire);
        let since = if restarted {
            self.since
        } else {
            ListeningTime::from_milliseconds(passing_until).minus(length(self.ttl))
        };
        let paused = now.pauses > self.pauses.load(Ordering::Acquire);
        Silence { since, duration: now.listening.since(since), restarted, paused }
    }

    /// Takes the closing back, because the expiry could not be stored.
    pub fn reopen(&self, closed: &Closed) {
        self.passing_until.store(closed.passing_until, Ordering::Release);
    }
}

const fn length(ttl: Ttl) -> Duration {
    Duration::from_secs(ttl.seconds() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Now {
        Now {
            wall: WallTime::from_unix_seconds(1_000 + milliseconds / 1_000),
            listening: ListeningTime::START.plus(Duration::from_millis(milliseconds)),
            pauses: 0,
        }
    }

    fn ttl(seconds: u64) -> Ttl {
        Ttl::from_seconds(seconds).unwrap()
    }

    #[test]
    fn passing_until_exactly_one_ttl_after_the_last_heartbeat() {
        let lease = Lease::new(ttl(30), at(0));

        assert_eq!(lease.health(at(30_000).listening), Health::Passing);
        assert_eq!(lease.health(at(30_001).listening), Health::Critical);
        assert!(lease.close_if_over(at(30_000)).is_none());
        assert!(lease.close_if_over(at(30_001)).is_some());
    }

    #[test]
    fn a_heartbeat_heals_a_critical_service() {
        let lease = Lease::new(ttl(30), at(0));

        assert!(lease.renew(at(50_000)));

        assert_eq!(lease.health(at(80_000).listening), Health::Passing);
        assert_eq!(lease.last_heartbeat(), at(50_000).wall);
    }

    #[test]
    fn a_closed_lease_cannot_be_renewed_until_it_is_reopened() {
        let lease = Lease::new(ttl(30), at(0));
        let closed = lease.close_if_over(at(40_000)).unwrap();

        assert!(!lease.renew(at(40_000)));
        assert_eq!(lease.health(at(1_000).listening), Health::Critical);
        assert!(lease.close_if_over(at(50_000)).is_none(), "closed once only");

        lease.reopen(&closed);
        assert_eq!(lease.over_after(), at(30_000).listening);
        assert!(lease.renew(at(40_000)));
    }

    #[test]
    fn a_heartbeat_in_time_wins_over_the_closing() {
        let lease = Lease::new(ttl(30), at(0));
        lease.renew(at(29_000));

        assert!(lease.close_if_over(at(40_000)).is_none());
    }

    #[test]
    fn a_restored_lease_has_the_health_of_its_age_and_is_kept_for_a_full_ttl() {
        let young = Lease::restored(ttl(30), WallTime::from_unix_seconds(990), at(0));
        let old = Lease::restored(ttl(30), WallTime::from_unix_seconds(900), at(0));

        assert_eq!(young.health(at(20_000).listening), Health::Passing);
        assert_eq!(young.health(at(20_001).listening), Health::Critical);
        assert_eq!(old.health(at(0).listening), Health::Critical);
        for lease in [young, old] {
            assert!(lease.close_if_over(at(30_000)).is_none());
            assert!(lease.close_if_over(at(30_001)).is_some());
        }
    }

    #[test]
    fn a_restored_lease_whose_life_is_unproven_can_be_closed_to_make_room() {
        let lease = Lease::restored(ttl(30), WallTime::from_unix_seconds(900), at(0));

        assert!(lease.close_if_critical(at(0)).is_some());
    }

    #[test]
    fn the_silence_of_a_service_is_what_could_have_been_heard_of_it() {
        let live = Lease::new(ttl(30), at(0));
        live.renew(at(5_000));
        let unproven = Lease::restored(ttl(30), WallTime::from_unix_seconds(999), at(1_000));
        let proven = Lease::restored(ttl(30), WallTime::from_unix_seconds(900), at(1_000));
        proven.renew(at(2_500));

        for (lease, milliseconds, restarted) in
            [(live, 35_000, false), (unproven, 39_000, true), (proven, 37_500, false)]
        {
            let silence = lease.close_if_over(at(40_000)).unwrap().silence;
            assert_eq!(silence.duration, Duration::from_millis(milliseconds));
            assert_eq!(silence.restarted, restarted);
        }
    }

    #[test]
    fn only_a_pause_behind_the_last_heartbeat_is_told() {
        let after = |pauses, milliseconds| Now { pauses, ..at(milliseconds) };
        let restored = Lease::restored(ttl(30), at(0).wall, after(2, 0));
        // Listening time goes back to the last tick when there was a pause.
        let before = Lease::new(ttl(30), after(2, 400));
        let behind = Lease::new(ttl(30), after(2, 400));
        behind.renew(after(3, 300));

        for (lease, pauses, paused) in
            [(&restored, 2, false), (&before, 3, true), (&behind, 3, false)]
        {
            let closed = lease.close_if_over(after(pauses, 40_000)).unwrap();
            assert_eq!(closed.silence.paused, paused);
        }
    }

    #[test]
    fn only_the_first_of_many_heartbeats_is_noted_as_unsaved() {
        let lease = Lease::new(ttl(30), at(0));

        assert!(lease.mark_unsaved());
        assert!(!lease.mark_unsaved());
        lease.mark_saved();
        assert!(lease.mark_unsaved());
    }
}
