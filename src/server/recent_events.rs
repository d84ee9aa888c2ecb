//! The last events, for those who look at the registry rather than subscribe.
//!
//! Kept only where somebody can look: without the HTTP thread nothing is noted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::protocol::event::EventFrames;

/// How many events are kept.
const EVENTS_MAX: usize = 200;

/// How many bytes of them are kept, unless the last one alone has more: metadata can be large.
const BYTES_MAX: usize = 1 << 20;

/// See the module's page. Clones share the same events.
#[derive(Debug, Clone)]
pub(super) struct RecentEvents(Option<Arc<Mutex<Ring>>>);

#[derive(Debug, Default)]
struct Ring {
    bodies: VecDeque<Vec<u8>>,
    bytes: usize,
    /// How many there ever were, which is the `seq` of the last: they come in order, and none is
    /// left out.
    seq: u64,
}

impl RecentEvents {
    /// Keeps events only where they are `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        Self(wanted.then(Arc::default))
    }

    /// Notes the next event.
    pub(super) fn note(&self, event: EventFrames) {
        if let Some(mut ring) = self.ring() {
            ring.note(event.body);
        }
    }

    /// A JSON body with the events that are kept behind number `after`, as subscribers get them,
    /// the oldest first, and with the number of the last event.
    pub(super) fn body(&self, after: u64) -> Vec<u8> {
        self.ring().map_or_else(|| Ring::default().body(after), |ring| ring.body(after))
    }

    fn ring(&self) -> Option<MutexGuard<'_, Ring>> {
        // Nothing that runs under this lock can leave the ring half changed.
        Some(self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn note(&mut self, body: Vec<u8>) {
        self.seq += 1;
        self.bytes += body.len();
        self.bodies.push_back(body);
        while self.bodies.len() > EVENTS_MAX || (self.bytes > BYTES_MAX && self.bodies.len() > 1) {
            let oldest = self.bodies.pop_front().unwrap_or_default();
            self.bytes -= oldest.len();
        }
    }

    fn body(&self, after: u64) -> Vec<u8> {
        let newer = usize::try_from(self.seq.saturating_sub(after)).unwrap_or(usize::MAX);
        let skipped = self.bodies.len().saturating_sub(newer);
        let mut json = format!("{{\"success\":true,\"seq\":{},\"events\":[", self.seq).into_bytes();
        for (index, body) in self.bodies.iter().skip(skipped).enumerate() {
            if index > 0 {
                json.push(b',');
            }
            json.extend_from_slice(body);
        }
        json.extend_from_slice(b"]}");
        json
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(body: impl Into<Vec<u8>>) -> EventFrames {
        EventFrames { event_type: "register", body: body.into() }
    }

    fn after(events: &RecentEvents, number: u64) -> Value {
        serde_json::from_slice(&events.body(number)).unwrap()
    }

    #[test]
    fn what_is_new_since_a_number_is_told_in_order() {
        let events = RecentEvents::new(true);
        for number in 1..=3 {
            events.note(event(number.to_string()));
        }

        let told = |events: &[u64]| json!({"success": true, "seq": 3, "events": events});
        assert_eq!(after(&events, 0), told(&[1, 2, 3]));
        assert_eq!(after(&events, 2), told(&[3]));
        assert_eq!(after(&events, 3), told(&[]));
        assert_eq!(after(&events, u64::MAX), told(&[]));
    }

    #[test]
    fn only_the_last_are_kept() {
        let events = RecentEvents::new(true);
        for number in 1..=EVENTS_MAX + 7 {
            events.note(event(number.to_string()));
        }

        let told = after(&events, 3);

        assert_eq!(told["events"].as_array().unwrap().len(), EVENTS_MAX);
        assert_eq!(told["events"][0], 8);
        assert_eq!(told["seq"], EVENTS_MAX + 7);
    }

    #[test]
    fn large_events_push_out_more_and_the_last_is_always_kept() {
        let events = RecentEvents::new(true);
        let large = |length| event(format!("{:?}", "x".repeat(length)));

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

        events.note(event("1"));

        assert_eq!(after(&events, 0), json!({"success": true, "seq": 0, "events": []}));
    }
}
