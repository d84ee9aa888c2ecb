//! Services in the order of their registration.
//!
//! One roster holds all services, one each those of a type. What discovery and cleanup need of
//! it costs the same however many services there are: appending, removing, the first one, and
//! any one at random. A removed service leaves a gap in its place; gaps are closed when they
//! come to outnumber the services, so that each removal pays for itself.

use std::collections::VecDeque;

/// Where something stands in the order of registration. Never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Position(u64);

impl Position {
    /// The very first position.
    pub(super) const FIRST: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Members in the order of their positions.
#[derive(Debug, Clone)]
pub(super) struct Roster<T> {
    slots: VecDeque<Slot<T>>,
    occupied: usize,
}

#[derive(Debug, Clone)]
struct Slot<T> {
    position: Position,
    /// None is a gap.
    member: Option<T>,
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        // Most types have one service, and there are as many types.
        Self { slots: VecDeque::with_capacity(1), occupied: 0 }
    }
}

impl<T> Roster<T> {
    /// How many members there are.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.occupied
    }

    /// Whether there are none.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.occupied == 0
    }

    /// The members in the order of their positions.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.slots.iter().filter_map(|slot| slot.member.as_ref())
    }

    /// The member at `position`, if there is one.
    #[must_use]
    pub(super) fn get(&self, position: Position) -> Option<&T> {
        let slot = self.slots.get(self.index(position))?;
        if slot.position == position { slot.member.as_ref() } else { None }
    }

    /// Puts `member` at `position`, in the place of the one that was there. Constant time after
    /// the last position, which is where all but re-registrations go.
    pub(super) fn put(&mut self, position: Position, member: T) {
        let index = self.index(position);
        match self.slots.get_mut(index) {
            Some(slot) if slot.position == position => {
                if slot.member.replace(member).is_none() {
                    self.occupied += 1;
                }
            }
            _ => {
                self.slots.insert(index, Slot { position, member: Some(member) });
                self.occupied += 1;
            }
        }
    }

    /// Takes out the member at `position`, if there is one.
    pub(super) fn remove(&mut self, position: Position) -> Option<T> {
        let index = self.index(position);
        let slot = self.slots.get_mut(index).filter(|slot| slot.position == position)?;
        let member = slot.member.take()?;
        self.occupied -= 1;
        self.close_gaps();
        Some(member)
    }

    /// A member for the number `pick`, which may be any: the same chance for each member, where
    /// `pick` has the same chance for each number. `pick` and the numbers made of it are tried
    /// until `accept` likes the member; where it likes few, all are looked at.
    pub(super) fn pick(&self, pick: u64, accept: impl Fn(&T) -> bool) -> Option<&T> {
        const TRIES: u64 = 16;

        // At least half of the slots are occupied, so a few tries find an occupied one.
        for index in (0..TRIES).filter_map(|attempt| self.place_for(mix(pick, attempt))) {
            match &self.slots.get(index)?.member {
                Some(member) if accept(member) => return Some(member),
                _ => {}
            }
        }
        let accepted: Vec<&T> = self.iter().filter(|member| accept(member)).collect();
        let count = u64::try_from(accepted.len()).ok()?;
        let index = usize::try_from(pick.checked_rem(count)?).ok()?;
        accepted.get(index).copied()
    }

    fn place_for(&self, number: u64) -> Option<usize> {
        let slots = u64::try_from(self.slots.len()).ok()?;
        usize::try_from(number.checked_rem(slots)?).ok()
    }

    fn index(&self, position: Position) -> usize {
        match self.slots.back() {
            Some(last) if last.position < position => self.slots.len(),
            _ => self.slots.partition_point(|slot| slot.position < position),
        }
    }

    fn close_gaps(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.member.is_none()) {
            self.slots.pop_front();
        }
        if self.slots.len() > 2 * self.occupied {
            self.slots.retain(|slot| slot.member.is_some());
            self.slots.shrink_to(2 * self.occupied);
        }
    }
}

/// A number that depends on every bit of `pick` and `attempt` (the finalizer of SplitMix64,
/// Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").
fn mix(pick: u64, attempt: u64) -> u64 {
    let mut number = pick.wrapping_add(attempt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(positions: impl IntoIterator<Item = u64>) -> Roster<u64> {
        let mut roster = Roster::default();
        for position in positions {
            roster.put(Position(position), position);
        }
        roster
    }

    fn members(roster: &Roster<u64>) -> Vec<u64> {
        roster.iter().copied().collect()
    }

    #[test]
    fn members_stand_in_the_order_of_their_positions_wherever_they_are_put() {
        let roster = roster([4, 9, 2, 7, 9]);

        assert_eq!(members(&roster), [2, 4, 7, 9]);
        assert_eq!(roster.len(), 4);
    }

    #[test]
    fn removing_leaves_the_others_in_their_order() {
        let mut roster = roster(0..100);

        for position in (0..100).filter(|position| position % 7 != 3) {
            assert_eq!(roster.remove(Position(position)), Some(position));
            assert_eq!(roster.remove(Position(position)), None);
        }

        assert_eq!(members(&roster), (0..100).filter(|n| n % 7 == 3).collect::<Vec<_>>());
    }

    #[test]
    fn gaps_never_outnumber_the_members() {
        let mut roster = roster(0..1_000);

        for position in 1..1_000 {
            roster.remove(Position(position));
            assert!(roster.slots.len() <= 2 * roster.len());
        }

        assert_eq!(members(&roster), [0]);
    }

    #[test]
    fn every_member_that_is_accepted_is_picked_about_equally_often() {
        let mut roster = roster(0..40);
        for position in 0..15 {
            roster.remove(Position(position * 2 + 1));
        }

        let mut picked = [0_u32; 40];
        for pick in 0..40_000 {
            let member = *roster.pick(mix(pick, 99), |member| member % 5 != 0).unwrap();
            picked[usize::try_from(member).unwrap()] += 1;
        }

        let accepted = roster.iter().filter(|member| *member % 5 != 0).count();
        let expected = 40_000.0 / accepted as f64;
        for member in roster.iter() {
            let count = f64::from(picked[usize::try_from(*member).unwrap()]);
            if member % 5 == 0 {
                assert_eq!(count, 0.0);
            } else {
                assert!((count / expected - 1.0).abs() < 0.15, "{member}: {count} of {expected}");
            }
        }
    }

    #[test]
    fn the_only_acceptable_member_among_many_is_found() {
        let roster = roster(0..10_000);

        for pick in 0..20 {
            assert_eq!(roster.pick(pick, |member| *member == 4_321), Some(&4_321));
        }
        assert_eq!(roster.pick(1, |_| false), None);
        assert_eq!(Roster::<u64>::default().pick(1, |_| true), None);
    }
}
