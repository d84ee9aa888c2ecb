//! Whether this registry hears the others that share its list, and how old its picture is.
//!
//! A registry gives signs of life, *beats*, over the store that they share, and hears its own
//! among those of the others. A beat that came back proves the whole way: what was stored, and
//! what the others heard, until it was given is known here. The storage thread notes that; all
//! threads may ask.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;

use crate::backend::shared::StoreState;
use crate::clock::{ListeningTime, Now};
use crate::protocol::reply::{Cluster, Store};

/// How often a beat is given.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// How old the last beat that came back may be. Beyond it, the registry is out of contact.
const AGE_MAX: Duration = Duration::from_secs(3);

/// After the contact was lost, how long it must have lasted again before anything is decided:
/// the others, who may have lost it too, need a beat to tell what they heard meanwhile.
const SETTLING: Duration = Duration::from_millis(1_500);

/// For how long after a beat time goes on for the services that others watch over.
const HORIZON: Duration = Duration::from_millis(1_500);

/// How long a heartbeat takes at the most, in ordinary times, from the registry that hears it to
/// the place in etcd from which all of them know it: a beat, and the way there.
const WORD_OF_OTHERS: Duration = Duration::from_millis(1_500);

/// Why nothing can be decided here just now.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum NoContact {
    /// The others cannot be heard.
    #[error(
        "etcd was heard last {:.1} s ago{}; lookups go on from what was known then",
        silent.as_secs_f64(),
        because(reason.as_deref())
    )]
    Lost {
        /// For how long.
        silent: Duration,
        /// What etcd, or the way to it, said.
        reason: Option<String>,
    },
    /// They can be heard again, and may have more to tell.
    #[error("etcd was out of reach, and what the others did meanwhile is still coming in")]
    Settling,
    /// They can be heard, and something that they stored could not be read.
    #[error("what was missed of the others cannot be read yet ({0})")]
    Behind(String),
}

/// What is known of the way from this registry to the others and back. Clones tell of the same
/// registry.
#[derive(Debug, Clone)]
pub(super) struct Contact(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    name: Box<str>,
    /// When the last beat that came back was given, and how many pauses there were by then.
    last: (ListeningTime, u64),
    /// From when on things may be decided, after the contact was lost.
    settled: ListeningTime,
    trouble: Option<String>,
    /// Why something that was missed could not be made up for yet, where that is so.
    behind: Option<String>,
    /// Somebody was told that the contact is lost.
    is_loss_told: bool,
    number: u64,
    registries: BTreeSet<Box<str>>,
    /// How the store was when it was looked at last.
    store: Option<StoreState>,
}

impl Contact {
    /// That of the registry `name`, which has just loaded the list.
    pub(super) fn new(name: &str, now: Now) -> Self {
        Self(Arc::new(Mutex::new(State {
            name: name.into(),
            last: (now.listening, now.pauses),
            settled: now.listening,
            trouble: None,
            behind: None,
            is_loss_told: false,
            number: 0,
            registries: BTreeSet::new(),
            store: None,
        })))
    }

    /// Notes that the beat came back which was `given` then. For how long the contact was lost,
    /// where it is there again with this.
    pub(super) fn note_beat(&self, given: (ListeningTime, u64), now: Now) -> Option<Duration> {
        let mut state = self.state();
        let silent = now.listening.since(state.last.0);
        state.last = state.last.max(given);
        // One that was long on its way proves nothing of now.
        if now.listening.since(given.0) > AGE_MAX {
            return None;
        }
        state.trouble = None;
        state.is_loss_told &= state.behind.is_some();
        if silent <= AGE_MAX {
            return None;
        }
        state.settled = now.listening.plus(SETTLING);
        Some(silent)
    }

    /// Notes what went wrong when etcd was asked, for those who wonder why it is not heard.
    pub(super) fn note_trouble(&self, reason: String) {
        self.state().trouble = Some(reason);
    }

    /// Notes that something was missed that cannot be read, and why.
    pub(super) fn note_behind(&self, reason: String) {
        self.state().behind = Some(reason);
    }

    /// Notes that nothing is missing any more.
    pub(super) fn note_complete(&self) {
        self.state().behind = None;
    }

    /// Whether something was missed that could not be read yet.
    pub(super) fn is_behind(&self) -> bool {
        self.state().behind.is_some()
    }

    /// Notes how far the list has come.
    pub(super) fn note_number(&self, number: u64) {
        self.state().number = number;
    }

    /// Notes how the store itself is.
    pub(super) fn note_store(&self, store: Option<StoreState>) {
        self.state().store = store;
    }

    /// Notes which registries are there.
    pub(super) fn note_registries(&self, names: &[Box<str>]) {
        self.state().registries = names.iter().cloned().collect();
    }

    /// Notes that a registry is there, or not any more.
    pub(super) fn note_registry(&self, name: &str, is_there: bool) {
        let mut state = self.state();
        if is_there {
            state.registries.insert(name.into());
        } else {
            state.registries.remove(name);
        }
    }

    /// The names of the registries that are there.
    pub(super) fn registries(&self) -> BTreeSet<Box<str>> {
        self.state().registries.clone()
    }

    /// Until when all that the others heard is known, so that who was not heard was silent: what
    /// they told before the last beat that came back, and told in time.
    pub(super) fn known_until(&self) -> ListeningTime {
        self.state().last.0.minus(WORD_OF_OTHERS)
    }

    /// Until when time goes on for the services that the others watch over.
    pub(super) fn horizon(&self) -> ListeningTime {
        self.state().last.0.plus(HORIZON)
    }

    /// Whether something may be stored at `now`.
    pub(super) fn check(&self, now: ListeningTime) -> Result<(), NoContact> {
        let state = self.state();
        let silent = now.since(state.last.0);
        if silent > AGE_MAX {
            return Err(NoContact::Lost { silent, reason: state.trouble.clone() });
        }
        if now < state.settled {
            return Err(NoContact::Settling);
        }
        state.behind.clone().map_or(Ok(()), |reason| Err(NoContact::Behind(reason)))
    }

    /// That the contact was lost, once each time.
    pub(super) fn tell_loss(&self, now: Now) -> Option<NoContact> {
        let lost =
            self.check(now.listening).err().filter(|reason| *reason != NoContact::Settling)?;
        let was_told = std::mem::replace(&mut self.state().is_loss_told, true);
        (!was_told).then_some(lost)
    }

    /// Whether all that others heard is known here, so that silence is silence: after a pause of
    /// this registry's own, only when a beat came back that was given after it.
    pub(super) fn is_caught_up(&self, now: Now) -> bool {
        self.check(now.listening).is_ok() && self.state().last.1 == now.pauses
    }

    /// How things stand, for people.
    pub(super) fn tell(&self, now: Now) -> Cluster {
        let checked = self.check(now.listening);
        let state = self.state();
        // Out of contact nobody knows.
        let store = state.store.as_ref().filter(|_| checked.is_ok());
        Cluster {
            backend: "etcd",
            name: state.name.clone(),
            in_contact: checked.is_ok(),
            heard_seconds_ago: now.listening.since(state.last.0).as_secs_f64(),
            reason: checked.err().map(|reason| reason.to_string()),
            entry: state.number,
            registries: state.registries.iter().cloned().collect(),
            etcd: store.map(|store| Store {
                members: store.members.clone(),
                leader: store.leader.clone(),
                revision: store.revision,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under this lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(" ({reason})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::WallTime;

    fn at(milliseconds: u64) -> Now {
        Now {
            wall: WallTime::from_unix_seconds(0),
            listening: ListeningTime::START.plus(Duration::from_millis(milliseconds)),
            pauses: 0,
        }
    }

    fn given(milliseconds: u64) -> (ListeningTime, u64) {
        (at(milliseconds).listening, 0)
    }

    #[test]
    fn the_contact_is_lost_when_no_beat_comes_back_and_settles_when_one_does() {
        let contact = Contact::new("a", at(0));
        assert_eq!(contact.note_beat(given(500), at(510)), None);
        assert_eq!(contact.check(at(3_500).listening), Ok(()));

        contact.note_trouble("no route".to_owned());
        assert!(contact.tell_loss(at(3_500)).is_none());
        assert!(contact.tell_loss(at(4_001)).is_some());
        assert!(contact.tell_loss(at(4_002)).is_none());
        let silent = Duration::from_millis(3_501);
        let reason = Some("no route".to_owned());
        assert_eq!(contact.check(at(4_001).listening), Err(NoContact::Lost { silent, reason }));

        let out = Duration::from_millis(9_600);
        assert_eq!(contact.note_beat(given(10_000), at(10_100)), Some(out));
        assert_eq!(contact.check(at(11_000).listening), Err(NoContact::Settling));
        contact.note_beat(given(11_500), at(11_600));
        assert_eq!(contact.check(at(11_600).listening), Ok(()));
    }

    #[test]
    fn who_could_not_read_what_was_missed_is_out_of_contact_until_it_is_read() {
        let contact = Contact::new("a", at(0));

        contact.note_behind("no answer".to_owned());
        contact.note_beat(given(500), at(510));

        assert!(!contact.tell(at(600)).in_contact);
        assert!(!contact.is_caught_up(at(600)));
        let behind = NoContact::Behind("no answer".to_owned());
        assert_eq!(contact.tell_loss(at(600)), Some(behind));
        contact.note_beat(given(1_000), at(1_010));
        assert_eq!(contact.tell_loss(at(1_100)), None, "it was told");
        contact.note_complete();
        assert!(contact.tell(at(1_100)).in_contact);
    }

    #[test]
    fn who_was_not_heard_was_silent_only_until_the_others_could_tell() {
        let contact = Contact::new("a", at(0));

        contact.note_beat(given(9_000), at(9_100));

        assert_eq!(contact.known_until(), at(7_500).listening);
    }

    #[test]
    fn an_old_beat_that_comes_in_late_is_no_contact() {
        let contact = Contact::new("a", at(0));

        assert_eq!(contact.note_beat(given(1_000), at(10_000)), None);

        assert!(contact.check(at(10_000).listening).is_err());
    }

    #[test]
    fn after_a_pause_silence_counts_only_behind_a_beat_of_after_it() {
        let contact = Contact::new("a", at(0));
        let after = Now { pauses: 1, ..at(500) };

        assert!(contact.check(after.listening).is_ok());
        assert!(!contact.is_caught_up(after));
        contact.note_beat((at(600).listening, 1), Now { pauses: 1, ..at(700) });
        assert!(contact.is_caught_up(Now { pauses: 1, ..at(700) }));
    }

    #[test]
    fn who_is_out_of_contact_says_since_when_and_why() {
        let contact = Contact::new("a", at(0));
        contact.note_trouble("no route".to_owned());
        contact.note_registry("a", true);
        contact.note_registry("b", true);
        contact.note_registry("b", false);

        let told = contact.tell(at(60_000));

        assert!(!told.in_contact);
        assert_eq!(told.registries, ["a".into()]);
        let reason = "etcd was heard last 60.0 s ago (no route); lookups go on from what was \
                      known then";
        assert_eq!(told.reason.as_deref(), Some(reason));
    }
}
