//! Which leases to look at next, so that cleanup costs what it removes and not what is there.
//!
//! Every service stands in this queue once, under the time after which its lease was over when
//! it was last looked at. Heartbeats do not touch the queue: a lease that turns out to have been
//! renewed is put back under its new time, once per ttl at the most.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::ListeningTime;

use super::entry::Entry;
use super::roster::Position;

/// All services, by the time at which to look at their leases.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    queue: BTreeMap<(ListeningTime, Position), Arc<Entry>>,
}

/// Under which time an entry stands in the queue. Only the queue looks at it, or changes it.
#[derive(Debug, Default)]
pub(super) struct Ticket(AtomicU64);

impl Ticket {
    fn time(&self) -> ListeningTime {
        ListeningTime::from_milliseconds(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, time: ListeningTime) {
        self.0.store(time.milliseconds(), Ordering::Relaxed);
    }
}

/// What one look at the queue found.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// Entries whose lease is over.
    pub(super) over: Vec<Arc<Entry>>,
    /// The look stopped at its limit, and more may be due.
    pub(super) more: bool,
}

impl Expiry {
    /// Puts `entry` in the queue, where it may be already under another time. No other entry of
    /// its position may be there.
    pub(super) fn put(&mut self, entry: Arc<Entry>) {
        self.remove(&entry);
        let time = entry.lease.over_after();
        entry.ticket.set(time);
        self.queue.insert((time, entry.position), entry);
    }

    /// Takes `entry` out, where it is there.
    pub(super) fn remove(&mut self, entry: &Entry) {
        self.queue.remove(&(entry.ticket.time(), entry.position));
    }

    /// Looks at no more than `limit` of the entries whose time has come. Those that are over stay
    /// in the queue until they are removed.
    pub(super) fn due(&mut self, now: ListeningTime, limit: usize) -> Due {
        let looked_at: Vec<Arc<Entry>> = self
            .queue
            .iter()
            .take_while(|((time, _), _)| *time < now)
            .take(limit)
            .map(|(_, entry)| Arc::clone(entry))
            .collect();
        let more = looked_at.len() == limit;

        let mut over = Vec::new();
        for entry in looked_at {
            if entry.lease.over_after() < now {
                over.push(entry);
            } else {
                self.put(entry);
            }
        }
        Due { over, more }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Now, WallTime};
    use crate::service::{Parts, Ttl, samples};

    fn at(seconds: u64) -> Now {
        Now {
            wall: WallTime::from_unix_seconds(seconds),
            listening: ListeningTime::START.plus(Duration::from_secs(seconds)),
            pauses: 0,
        }
    }

    fn entry(position: Position, ttl: u64) -> Arc<Entry> {
        let parts = Parts { ttl: Ttl::from_seconds(ttl).unwrap(), ..Parts::new("name", "host", 1) };
        let service = samples::service(&format!("{position:?}"), parts);
        Arc::new(Entry::new(service, position, at(0)))
    }

    #[test]
    fn what_is_over_is_found_in_the_order_of_its_time_and_stays_until_removed() {
        let mut expiry = Expiry::default();
        let (first, second) = (Position::FIRST, Position::FIRST.next());
        expiry.put(entry(first, 20));
        expiry.put(entry(second, 10));

        assert!(expiry.due(at(10).listening, 10).over.is_empty());
        let over = expiry.due(at(21).listening, 10).over;
        assert_eq!(over.iter().map(|entry| entry.position).collect::<Vec<_>>(), [second, first]);

        expiry.remove(&over[0]);
        assert_eq!(expiry.due(at(21).listening, 10).over.len(), 1);
    }

    #[test]
    fn a_renewed_lease_is_looked_at_again_only_after_its_new_time() {
        let mut expiry = Expiry::default();
        let entry = entry(Position::FIRST, 10);
        expiry.put(Arc::clone(&entry));
        entry.lease.renew(at(9));

        assert!(expiry.due(at(15).listening, 10).over.is_empty());
        assert_eq!(expiry.queue.keys().next(), Some(&(at(19).listening, Position::FIRST)));
        assert_eq!(expiry.due(at(20).listening, 10).over.len(), 1);
    }

    #[test]
    fn a_look_stops_at_its_limit_and_says_so() {
        let mut expiry = Expiry::default();
        let mut position = Position::FIRST;
        for _ in 0..5 {
            expiry.put(entry(position, 10));
            position = position.next();
        }

        let due = expiry.due(at(11).listening, 3);

        assert_eq!((due.over.len(), due.more), (3, true));
        assert!(!expiry.due(at(11).listening, 6).more);
    }

    #[test]
    fn an_entry_that_is_put_again_and_again_keeps_one_place_in_the_queue() {
        let mut expiry = Expiry::default();
        let entry = entry(Position::FIRST, 10);

        for seconds in 1..100 {
            entry.lease.renew(at(seconds));
            expiry.put(Arc::clone(&entry));
        }

        assert_eq!(expiry.queue.len(), 1);
        expiry.remove(&entry);
        assert!(expiry.queue.is_empty());
    }
}
