//! The last events, for those who look at the registry rather than subscribe.
//!
//! Kept only where somebody can look: without the HTTP thread nothing is noted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::protocol::event::EventFrames;
use crate::registry::Sequence;

/// How many events are kept.
const EVENTS_MAX: usize = 200;

/// How many bytes of them are kept, unless the last one alone has more: metadata can be large.
const BYTES_MAX: usize = 1 << 20;

/// A ring of the last events; none, where nobody can look. Clones share the same events.
#[derive(Debug, Clone)]
pub(super) struct RecentEvents(Option<Arc<Mutex<Ring>>>);

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Noted>,
    bytes: usize,
}

#[derive(Debug)]
struct Noted {
    sequence: Sequence,
    body: Vec<u8>,
}

impl RecentEvents {
    /// Keeps events only where they are `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        Self(wanted.then(Arc::default))
    }

    /// Notes the next event.
    pub(super) fn note(&self, event: EventFrames) {
        if let Some(mut ring) = self.ring() {
            ring.note(Noted { sequence: event.sequence, body: event.body });
        }
    }

    /// A JSON body with the kept events whose numbers come after `after`, as subscribers get them,
    /// the oldest first, and with the number of the last event; 0, where none is kept.
    pub(super) fn body(&self, after: u64) -> Vec<u8> {
        self.ring().map_or_else(|| Ring::default().body(after), |ring| ring.body(after))
    }

    fn ring(&self) -> Option<MutexGuard<'_, Ring>> {
        // Nothing that runs under this lock can leave the ring half changed.
        Some(self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn note(&mut self, event: Noted) {
        // Numbers of another epoch say nothing about this one.
        if self.events.back().is_some_and(|last| last.sequence.epoch != event.sequence.epoch) {
            *self = Self::default();
        }
        self.bytes += event.body.len();
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || (self.bytes > BYTES_MAX && self.events.len() > 1) {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.body.len();
        }
    }

    /// The numbers need not follow one another: where several registries share a list, they begin
    /// anywhere, and this one can have missed some.
    fn body(&self, after: u64) -> Vec<u8> {
        let seq = self.events.back().map_or(0, |last| last.sequence.seq);
        let mut json = format!("{{\"success\":true,\"seq\":{seq},\"events\":[").into_bytes();
        let newer = self.events.iter().filter(|event| event.sequence.seq > after);
        for (index, event) in newer.enumerate() {
            if index > 0 {
                json.push(b',');
            }
            json.extend_from_slice(&event.body);
        }
        json.extend_from_slice(b"]}");
        json
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::registry::Epoch;

    fn event_of(epoch: &str, seq: u64, body: impl Into<Vec<u8>>) -> EventFrames {
        let sequence = Sequence { epoch: Epoch::new(epoch), seq };
        EventFrames { event_type: "register", body: body.into(), sequence }
    }

    /// An event whose body is its number.
    fn event(seq: u64) -> EventFrames {
        event_of("epoch", seq, seq.to_string())
    }

    fn after(events: &RecentEvents, number: u64) -> Value {
        serde_json::from_slice(&events.body(number)).unwrap()
    }

    #[test]
    fn what_is_new_since_a_number_is_told_in_order() {
        let events = RecentEvents::new(true);
        for number in 1..=3 {
            events.note(event(number));
        }

        let told = |events: &[u64]| json!({"success": true, "seq": 3, "events": events});
        assert_eq!(after(&events, 0), told(&[1, 2, 3]));
        assert_eq!(after(&events, 2), told(&[3]));
        assert_eq!(after(&events, 3), told(&[]));
        assert_eq!(after(&events, u64::MAX), told(&[]));
    }

    #[test]
    fn numbers_may_begin_anywhere_and_leap_and_begin_anew_with_another_epoch() {
        let events = RecentEvents::new(true);
        for number in [4_999, 5_001, 5_100] {
            events.note(event(number));
        }

        assert_eq!(after(&events, 5_000)["events"], json!([5_001, 5_100]));
        assert_eq!(
            after(&events, 5_050),
            json!({"success": true, "seq": 5_100, "events": [5_100]})
        );

        events.note(event_of("another epoch", 7, "7"));
        assert_eq!(after(&events, 0), json!({"success": true, "seq": 7, "events": [7]}));
    }

    #[test]
    fn only_the_last_are_kept() {
        let events = RecentEvents::new(true);
        for number in 1..=EVENTS_MAX as u64 + 7 {
            events.note(event(number));
        }

        let told = after(&events, 3);

        assert_eq!(told["events"].as_array().unwrap().len(), EVENTS_MAX);
        assert_eq!(told["events"][0], 8);
        assert_eq!(told["seq"], EVENTS_MAX + 7);
    }

    #[test]
    fn large_events_push_out_more_and_the_last_is_always_kept() {
        let events = RecentEvents::new(true);
        let large = |length| event_of("epoch", 1, format!("{:?}", "x".repeat(length)));

        for _ in 0..5 {
            events.note(large(BYTES_MAX / 3));
        }
        assert_eq!(after(&events, 0)["events"].as_array().unwrap().len(), 2);

        events.note(large(BYTES_MAX));
        assert_eq!(after(&events, 0)["events"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn where_nobody_looks_nothing_is_kept() {
        let events = RecentEvents::new(false);

        events.note(event(1));

        assert_eq!(after(&events, 0), json!({"success": true, "seq": 0, "events": []}));
    }
}
