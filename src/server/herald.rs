//! The herald thread, where several registries share a list.
//!
//! *Owns* the half of the store that tells of this registry. *Receives* nothing: it looks at the
//! registry for services that were heard. *Sends* beats to the other registries, twice a second.
//! *Ends* when the storage thread is gone; then it tells the last that was heard, and says
//! goodbye, if anybody can hear it.

use std::sync::Arc;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::backend::shared::Herald;
use crate::clock::{Clock, WallTime};
use crate::registry::Entry;
use crate::service::ServiceId;

use super::contact::{BEAT, Contact};
use super::shared::SharedRegistry;
use super::thread::Failure;
use super::vitals::Pulse;

/// How many services a beat tells of at the most. What is left follows in the next one.
const HEARD_PER_BEAT: usize = 2_048;

/// How long the ids of these may be altogether, as they are written: they must fit in a value of
/// etcd's, with a margin.
const ID_BYTES_PER_BEAT: usize = 256 * 1_024;

/// How many beats there are to a look at the store itself: every 3 s.
const BEATS_PER_LOOK: u64 = 6;

/// Tells the other registries what this one hears: the herald thread, ready to run.
pub(super) struct Heralding {
    pub(super) herald: Box<dyn Herald>,
    pub(super) registry: SharedRegistry,
    pub(super) clock: Clock,
    pub(super) contact: Contact,
    /// Nobody sends here; it is closed when the storage thread is gone.
    pub(super) stop: Receiver<()>,
    pub(super) pulse: Pulse,
}

impl Heralding {
    /// Runs the thread.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        self.herald.show_life(self.pulse.sign());
        let mut beats = 0_u64;
        loop {
            self.pulse.beat();
            self.beat();
            self.look(beats);
            beats += 1;
            if let Some(reason) = self.contact.tell_loss(self.clock.now()) {
                log::warn!("out of contact, registrations are refused: {reason}");
            }
            if self.stop.recv_timeout(BEAT) == Err(RecvTimeoutError::Disconnected) {
                break;
            }
        }
        // Otherwise nobody hears it, and nobody should wait for that.
        if self.contact.check(self.clock.now().listening).is_ok() {
            self.beat();
            self.herald.say_goodbye();
        }
        Ok(())
    }

    /// Looks at the store now and then, where it answers anyway.
    fn look(&mut self, beats: u64) {
        let is_time = beats.is_multiple_of(BEATS_PER_LOOK);
        if !is_time || self.contact.check(self.clock.now().listening).is_err() {
            return;
        }
        match self.herald.look() {
            Ok(state) => self.contact.note_store(state),
            // It is for people alone, and whatever is wrong shows in the beats.
            Err(error) => log::debug!("{error}"),
        }
    }

    /// Gives one beat, or as many as it takes to tell of all that were heard.
    fn beat(&mut self) {
        loop {
            let mut room = Room::default();
            let (heard, more) = self.registry.read().take_heard(|entry| room.take(entry));
            let told: Vec<(&ServiceId, WallTime)> = heard
                .iter()
                .map(|entry: &Arc<Entry>| (&entry.service.id, entry.lease.last_heartbeat()))
                .collect();
            if let Err(error) = self.herald.beat(self.clock.now(), &told) {
                log::debug!("{error}");
                self.contact.note_trouble(error.to_string());
                drop(told);
                self.registry.read().give_back_heard(&heard);
                return;
            }
            if !more {
                return;
            }
        }
    }
}

/// What is in a beat.
#[derive(Default)]
struct Room {
    services: usize,
    id_bytes: usize,
}

impl Room {
    /// Takes a service in; false, where there is no room for it.
    fn take(&mut self, entry: &Entry) -> bool {
        self.services += 1;
        self.id_bytes += written_bytes(entry.service.id.as_str());
        self.services <= HEARD_PER_BEAT && self.id_bytes <= ID_BYTES_PER_BEAT
    }
}

/// The length of a text in JSON, with its quotes and escapes, at the most.
fn written_bytes(text: &str) -> usize {
    let written = |byte: u8| match byte {
        0..0x20 => r"\u0000".len(),
        b'"' | b'\\' => 2,
        _ => 1,
    };
    2 + text.bytes().map(written).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_written_longer_than_it_counts() {
        for text in ["", "camera-1", "\"\\/\u{8}\u{c}\n\r\t", "\0\u{1f}\u{7f}", "é\u{2028}𝄞"] {
            let written = serde_json::to_string(text).unwrap();
            assert!(written.len() <= written_bytes(text), "{written}");
        }
    }
}
