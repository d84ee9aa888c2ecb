//! The thread of a subscription.
//!
//! *Owns* the event sockets. *Receives* events. *Sends* those that are wanted to the subscriber,
//! and what was missed. *Ends* when it is told to stop, or when ZeroMQ fails it, which it logs.

use std::time::{Duration, Instant};

use crossbeam_channel::TrySendError;

use crate::client::channel::{Receiver, Sender, channel};
use crate::client::error::ClientError;
use crate::client::thread::Stop;

use super::continuity::{Continuity, Seen};
use super::event::{Event, EventKind, Missed, MissedReason};
use super::feed::Feed;
use super::socket::Heard;

/// How many events wait to be taken. As many as a registry can publish in a second or so.
const EVENTS_WAITING_MAX: usize = 4_096;

/// How often a queue that was full is looked at, to tell what was dropped meanwhile.
const FULL_QUEUE_PAUSE: Duration = Duration::from_millis(50);

/// How long nothing happens while nothing happens.
const FOREVER: Duration = Duration::from_secs(3_600);

/// Which events a subscriber wants to see.
#[derive(Debug)]
pub(super) struct Wanted(Vec<EventKind>);

/// Passes events on to a subscriber: the thread of its subscription, ready to run.
pub(super) struct Pump {
    feed: Feed,
    wanted: Wanted,
    continuity: Continuity,
    queue: Queue,
    /// Whether the connection was lost and is not up again.
    is_interrupted: bool,
}

/// The bounded way to the subscriber.
#[derive(Debug)]
pub(super) struct Queue {
    sender: Sender<Event>,
    /// How many events found no room and are not told of yet.
    dropped: u64,
}

impl Wanted {
    /// These kinds, or everything where there are none.
    pub(super) fn new(kinds: &[EventKind]) -> Self {
        Self(kinds.to_vec())
    }

    fn contains(&self, event: &Event) -> bool {
        self.0.is_empty() || event.kind().is_some_and(|kind| self.0.contains(&kind))
    }
}

impl Pump {
    pub(super) fn new(feed: Feed, wanted: Wanted, queue: Queue) -> Self {
        Self { feed, wanted, continuity: Continuity::default(), queue, is_interrupted: false }
    }

    /// Runs the thread.
    pub(super) fn run(mut self, stop: &Stop) {
        while !stop.is_requested() {
            if let Err(error) = self.turn(stop) {
                log::error!("the subscription to {} ends: {error}", self.feed.endpoint());
                return;
            }
        }
    }

    fn turn(&mut self, stop: &Stop) -> Result<(), ClientError> {
        match self.feed.take()? {
            Heard::Event(frames) => self.on_event(&frames),
            Heard::Connected => {
                self.continuity.on_connected();
                if std::mem::take(&mut self.is_interrupted) {
                    let missed = Missed { reason: MissedReason::Disconnected, events: None };
                    self.queue.push(Event::Missed(missed));
                }
            }
            Heard::Disconnected => self.is_interrupted = true,
            Heard::Nothing => {
                self.queue.tell_dropped();
                let pause = if self.queue.dropped > 0 { FULL_QUEUE_PAUSE } else { FOREVER };
                self.feed.wait(stop, pause)?;
            }
        }
        Ok(())
    }

    fn on_event(&mut self, frames: &[Vec<u8>]) {
        let event = match Event::from_frames(frames) {
            Ok(event) => event,
            // Where it had a number, the next one shows that it is missing.
            Err(mistake) => {
                log::warn!("an event from {}: {mistake}", self.feed.endpoint());
                return;
            }
        };
        match self.continuity.see(event.sequence(), Instant::now()) {
            Seen::Next => {}
            Seen::After(missed) => self.queue.push(Event::Missed(missed)),
            Seen::Before => return,
        }
        if self.wanted.contains(&event) {
            self.queue.push(event);
        }
    }
}

impl Queue {
    /// The queue, and where its events arrive.
    pub(super) fn new() -> (Self, Receiver<Event>) {
        Self::with_room(EVENTS_WAITING_MAX)
    }

    fn with_room(room: usize) -> (Self, Receiver<Event>) {
        let (sender, receiver) = channel(room);
        (Self { sender, dropped: 0 }, receiver)
    }

    /// Adds an event if there is room, and counts it if there is none.
    fn push(&mut self, event: Event) {
        self.tell_dropped();
        let dropped = if self.dropped > 0 {
            Some(event)
        } else {
            self.sender.try_send(event).err().map(TrySendError::into_inner)
        };
        self.dropped += match dropped {
            None => 0,
            Some(Event::Missed(missed)) => missed.events.unwrap_or(1),
            Some(_) => 1,
        };
    }

    /// Tells how many events were dropped, if there is room for that.
    fn tell_dropped(&mut self) {
        if self.dropped > 0 {
            let missed = Missed { reason: MissedReason::TooSlow, events: Some(self.dropped) };
            if self.sender.try_send(Event::Missed(missed)).is_ok() {
                self.dropped = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(event_type: &str, id: &str) -> Event {
        let body = json!({"data": {"service_id": id}}).to_string();
        Event::from_frames(&[event_type.into(), body.into()]).unwrap()
    }

    fn all(events: &Receiver<Event>) -> Vec<Event> {
        events.for_threads().try_iter().collect()
    }

    #[test]
    fn what_finds_no_room_is_counted_and_told_as_soon_as_there_is_some() {
        let (mut queue, events) = Queue::with_room(2);
        let [a, b, c] = ["a", "b", "c"].map(|id| event("register", id));

        for event in [&a, &b, &c, &c, &c] {
            queue.push(event.clone());
        }
        let first = all(&events);
        queue.tell_dropped();
        queue.push(c.clone());

        let missed = Missed { reason: MissedReason::TooSlow, events: Some(3) };
        assert_eq!(first, [a, b]);
        assert_eq!(all(&events), [Event::Missed(missed), c]);
    }

    #[test]
    fn a_gap_in_the_queue_is_told_before_what_follows_it() {
        let (mut queue, events) = Queue::with_room(2);
        let [a, b, c] = ["a", "b", "c"].map(|id| event("register", id));

        for event in [&a, &b, &c] {
            queue.push(event.clone());
        }
        assert_eq!(events.for_threads().recv(), Ok(a.clone()));
        queue.push(a.clone());

        let missed = Missed { reason: MissedReason::TooSlow, events: Some(1) };
        assert_eq!(all(&events), [b, Event::Missed(missed)]);
        assert_eq!(queue.dropped, 1, "the notice took the last room");
    }

    #[test]
    fn only_the_kinds_that_are_wanted_are_seen() {
        let registers = Wanted::new(&[EventKind::Register]);

        assert!(registers.contains(&event("register", "a")));
        assert!(!registers.contains(&event("expire", "a")));
        assert!(!registers.contains(&event("of the future", "a")));
        assert!(Wanted::new(&[]).contains(&event("of the future", "a")));
    }
}
