//! Which connections fill the memory: decided by what the kernel counts of each.
//!
//! Pure. ZeroMQ keeps a message until its last frame has come, and counts it as none until then; so
//! does it keep what waits for a peer, and counts messages, not bytes. Here each connection has an
//! account of what was read from it and not handed over, and of how fast its peer takes what is
//! sent.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::clock::ListeningTime;
use crate::server::sock_diag::{Inode, TcpConnection};

/// How long a peer is looked at until its pace is known.
const PACE_WINDOW: Duration = Duration::from_millis(500);

/// A peer is stuck if, at its pace, what waits for it in the kernel alone would take more than ten
/// windows; it is slow if that would take more than a quarter of one.
const STUCK_WINDOWS: u64 = 10;
const SLOW_PART: u64 = 4;

/// A peer is not the one that fills the memory if fewer bytes than these were read from it that are
/// part of no whole message yet.
const NOT_HANDED_OVER_MIN: u64 = 4 << 10;

/// How badly memory is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Not yet.
    None,
    /// Connections that are certainly to blame are closed.
    Short,
    /// So many bytes too much: if none is certainly to blame, the worst are closed.
    Exhausted(u64),
}

/// A connection, and what was taken from it since the last look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) connection: TcpConnection,
    pub(super) handed_over: u64,
}

/// The accounts of all connections, by which those to close are found.
#[derive(Debug)]
pub(super) struct Suspects {
    accounts: HashMap<Inode, Account>,
    /// How many bytes may be read from a peer before a whole message comes out of them.
    unheard_max: u64,
    /// Whether memory was exhausted at the last look already: what was closed then did not help.
    was_exhausted: bool,
}

#[derive(Debug)]
struct Account {
    read: u64,
    /// What was read since the first look, and not handed over.
    unheard: u64,
    /// What was read before the first look, until something is handed over: then all of it was.
    unheard_before: u64,
    pace: Pace,
    window: Option<Window>,
}

/// In which a peer's pace is measured. It begins again whenever nothing waits for the peer.
#[derive(Debug)]
struct Window {
    began: ListeningTime,
    acknowledged: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Fine,
    Slow,
    Stuck,
}

impl Suspects {
    pub(super) fn new(unheard_max: u64) -> Self {
        Self { accounts: HashMap::new(), unheard_max, was_exhausted: false }
    }

    /// Forgets all accounts: nobody is suspected.
    pub(super) fn clear(&mut self) {
        self.accounts.clear();
        self.was_exhausted = false;
    }

    /// Which of all connections are to be closed.
    pub(super) fn look(
        &mut self,
        readings: &[Reading],
        need: Need,
        now: ListeningTime,
    ) -> HashSet<Inode> {
        let mut before = std::mem::take(&mut self.accounts);
        for reading in readings {
            let inode = reading.connection.inode;
            let mut account =
                before.remove(&inode).unwrap_or_else(|| Account::open(&reading.connection));
            account.update(reading, now);
            self.accounts.insert(inode, account);
        }
        let was_exhausted =
            std::mem::replace(&mut self.was_exhausted, matches!(need, Need::Exhausted(_)));
        match need {
            Need::None => HashSet::new(),
            Need::Short => self.guilty(),
            Need::Exhausted(bytes) => self.worst(bytes, was_exhausted),
        }
    }

    fn guilty(&self) -> HashSet<Inode> {
        self.those(|account| account.unheard > self.unheard_max || account.pace == Pace::Stuck)
    }

    /// Those that are certainly to blame; if there are none, those that are slow. If there are none
    /// of these either, or if that was not enough the last time, also the [`Self::senders`] of so
    /// many bytes.
    fn worst(&self, bytes: u64, all_kinds: bool) -> HashSet<Inode> {
        let mut worst = self.guilty();
        if worst.is_empty() {
            worst = self.those(|account| account.pace == Pace::Slow);
        }
        if worst.is_empty() || all_kinds {
            worst.extend(self.senders(bytes));
        }
        worst
    }

    /// Those of which ZeroMQ keeps most that is part of no whole message, as many as it takes to
    /// free so many bytes.
    fn senders(&self, bytes: u64) -> impl Iterator<Item = Inode> + use<> {
        let mut senders: Vec<(u64, Inode)> = self
            .accounts
            .iter()
            .map(|(&inode, account)| (account.not_handed_over(), inode))
            .filter(|&(sent, _)| sent >= NOT_HANDED_OVER_MIN)
            .collect();
        senders.sort_unstable_by(|one, other| other.cmp(one));
        let mut freed = 0;
        let is_needed = move |&(sent, _): &(u64, Inode)| {
            let is_needed = freed < bytes;
            freed += sent;
            is_needed
        };
        senders.into_iter().take_while(is_needed).map(|(_, inode)| inode)
    }

    fn those(&self, are: impl Fn(&Account) -> bool) -> HashSet<Inode> {
        self.accounts.iter().filter(|(_, account)| are(account)).map(|(&inode, _)| inode).collect()
    }
}

impl Account {
    fn open(connection: &TcpConnection) -> Self {
        let read = connection.read;
        Self { read, unheard: 0, unheard_before: read, pace: Pace::Fine, window: None }
    }

    fn update(&mut self, reading: &Reading, now: ListeningTime) {
        let Reading { connection, handed_over } = *reading;
        self.unheard += connection.read.saturating_sub(self.read);
        self.unheard = self.unheard.saturating_sub(handed_over);
        self.read = connection.read;
        if handed_over > 0 {
            self.unheard_before = 0;
        }
        self.measure_pace(&connection, now);
    }

    fn measure_pace(&mut self, connection: &TcpConnection, now: ListeningTime) {
        let &TcpConnection { acknowledged, unsent, .. } = connection;
        let begin = Window { began: now, acknowledged };
        match &self.window {
            _ if unsent == 0 => {
                self.pace = Pace::Fine;
                self.window = None;
            }
            None => self.window = Some(begin),
            Some(window) if now.since(window.began) >= PACE_WINDOW => {
                let taken = acknowledged.saturating_sub(window.acknowledged);
                self.pace = Pace::of(taken, unsent);
                self.window = Some(begin);
            }
            Some(_) => {}
        }
    }

    const fn not_handed_over(&self) -> u64 {
        self.unheard.saturating_add(self.unheard_before)
    }
}

impl Pace {
    /// The pace of a peer that took so many bytes in a window, and for which so many wait.
    const fn of(taken: u64, unsent: u64) -> Self {
        if taken.saturating_mul(STUCK_WINDOWS) < unsent {
            Self::Stuck
        } else if taken < unsent.saturating_mul(SLOW_PART) {
            Self::Slow
        } else {
            Self::Fine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNHEARD_MAX: u64 = 1 << 20;

    /// Connections over time: each with what was read, handed over, taken by its peer, and waits.
    struct Scene {
        suspects: Suspects,
        now: ListeningTime,
    }

    #[derive(Clone, Copy, Default)]
    struct Seen {
        read: u64,
        handed_over: u64,
        acknowledged: u64,
        unsent: u64,
    }

    impl Scene {
        fn new() -> Self {
            Self { suspects: Suspects::new(UNHEARD_MAX), now: ListeningTime::START }
        }

        /// What is to be closed of these connections, which are numbered, half a window later.
        fn look(&mut self, need: Need, seen: &[Seen]) -> Vec<Inode> {
            self.now = self.now.plus(PACE_WINDOW / 2);
            let readings: Vec<Reading> = (0..)
                .zip(seen)
                .map(|(inode, seen)| {
                    let &Seen { read, handed_over, acknowledged, unsent } = seen;
                    let peer = [127, 0, 0, 1].into();
                    let connection =
                        TcpConnection { inode, local_port: 1, peer, read, acknowledged, unsent };
                    Reading { connection, handed_over }
                })
                .collect();
            let closed = self.suspects.look(&readings, need, self.now);
            let mut closed: Vec<Inode> = closed.into_iter().collect();
            closed.sort_unstable();
            closed
        }
    }

    fn read(read: u64, handed_over: u64) -> Seen {
        Seen { read, handed_over, ..Seen::default() }
    }

    fn sent(acknowledged: u64, unsent: u64) -> Seen {
        Seen { acknowledged, unsent, ..Seen::default() }
    }

    #[test]
    fn who_sends_without_end_is_closed_and_who_is_heard_is_not() {
        let mut scene = Scene::new();
        assert!(scene.look(Need::Short, &[read(0, 0), read(0, 0)]).is_empty());

        let both = [read(UNHEARD_MAX, 0), read(UNHEARD_MAX, UNHEARD_MAX)];
        assert!(scene.look(Need::Short, &both).is_empty(), "as much as one may send");
        let both = [read(UNHEARD_MAX + 1, 0), read(9 * UNHEARD_MAX, 8 * UNHEARD_MAX)];

        assert_eq!(scene.look(Need::Short, &both), [0]);
    }

    #[test]
    fn nobody_is_closed_while_there_is_memory() {
        let mut scene = Scene::new();
        scene.look(Need::None, &[read(0, 0), sent(0, 1)]);
        scene.look(Need::None, &[read(2 * UNHEARD_MAX, 0), sent(0, 1)]);

        let both = [read(2 * UNHEARD_MAX, 0), sent(0, 1)];
        assert!(scene.look(Need::None, &both).is_empty());
        assert_eq!(scene.look(Need::Short, &both), [0, 1]);
    }

    #[test]
    fn what_is_heard_late_is_not_held_against_anybody_twice() {
        let mut scene = Scene::new();
        scene.look(Need::Short, &[read(0, 0)]);

        for step in 1..100 {
            let total = step * UNHEARD_MAX;
            let late = if step == 1 { 0 } else { UNHEARD_MAX };
            assert!(scene.look(Need::Short, &[read(total, late)]).is_empty(), "{step}");
        }
    }

    #[test]
    fn who_takes_nothing_of_what_is_sent_is_closed_when_that_is_certain() {
        let mut scene = Scene::new();
        let [deaf, busy] = [sent(7, 100_000), sent(7, 100_000)];
        assert!(scene.look(Need::Short, &[deaf, busy]).is_empty());
        let busy = sent(1_000_000, 100_000);
        assert!(scene.look(Need::Short, &[deaf, busy]).is_empty(), "too soon to tell");

        assert_eq!(scene.look(Need::Short, &[deaf, busy]), [0]);
    }

    #[test]
    fn who_has_taken_everything_is_not_slow() {
        let mut scene = Scene::new();
        scene.look(Need::Short, &[sent(0, 1)]);
        scene.look(Need::Short, &[sent(1, 0)]);

        scene.look(Need::Short, &[sent(1, 1)]);
        assert!(scene.look(Need::Short, &[sent(1, 1)]).is_empty(), "its window began anew");
    }

    #[test]
    fn the_slow_are_closed_only_where_memory_is_exhausted() {
        let slow = |time: u64| [sent(time * 50_000, 100_000)];
        let mut scene = Scene::new();
        for time in 0..10 {
            assert!(scene.look(Need::Short, &slow(time)).is_empty(), "{time}");
        }

        assert_eq!(scene.look(Need::Exhausted(1), &slow(10)), [0]);
    }

    #[test]
    fn where_nobody_is_certainly_to_blame_those_that_sent_most_in_vain_are_closed() {
        let mut scene = Scene::new();
        // Before the first look: one that is heard afterwards, one that waits, some that hold much.
        let seen = [read(900_000, 0), read(300, 0), read(50_000, 0), read(70_000, 0)];
        scene.look(Need::None, &seen);
        let seen = [read(900_300, 300), read(300, 0), read(50_000, 0), read(70_000, 0)];

        assert!(scene.look(Need::Short, &seen).is_empty());
        assert_eq!(scene.look(Need::Exhausted(60_000), &seen), [3]);
        assert_eq!(scene.look(Need::Exhausted(1 << 30), &seen), [2, 3]);
    }

    #[test]
    fn where_closing_the_guilty_was_not_enough_the_others_follow() {
        let mut scene = Scene::new();
        let (nothing, small, guilty) =
            (read(0, 0), read(UNHEARD_MAX / 2, 0), read(2 * UNHEARD_MAX, 0));
        // More than the guilty have sent.
        let exhausted = Need::Exhausted(4 * UNHEARD_MAX + 1);
        scene.look(Need::Short, &[small, small, nothing, nothing]);

        assert_eq!(scene.look(exhausted, &[small, small, guilty, nothing]), [2]);
        assert_eq!(scene.look(exhausted, &[small, small, guilty, guilty]), [1, 2, 3]);
        assert_eq!(scene.look(Need::Short, &[small, small, guilty, guilty]), [2, 3]);
        assert_eq!(scene.look(exhausted, &[small, small, guilty, guilty]), [2, 3], "once more");
    }

    #[test]
    fn connections_that_have_ended_are_forgotten() {
        let mut scene = Scene::new();
        scene.look(Need::Short, &[read(0, 0), read(0, 0)]);
        scene.look(Need::Short, &[]);

        assert!(scene.suspects.accounts.is_empty());
    }
}
