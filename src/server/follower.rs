//! The follower thread, where several registries share a list.
//!
//! *Owns* the half of the store that hears what happens. *Receives* news from there. *Sends* them
//! to the storage thread, in their order. *Ends* when that is gone, or when
//! another registry comes under the name of this one.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender};

use crate::backend::shared::{Follower, News};

use super::contact::Contact;
use super::thread::Failure;
use super::vitals::Pulse;

/// How long the thread waits after nothing could be heard, or told, before it tries again.
const RETRY: Duration = Duration::from_millis(200);

/// Two registries of one name would take each other's services for their own.
const REPLACED: &str = "another registry was started under the name of this one; give each of them \
                        its own with `name` under `etcd` in registry.yaml";

/// Hears what other registries do: the follower thread, ready to run.
pub(super) struct Following {
    pub(super) follower: Box<dyn Follower>,
    pub(super) news: Sender<Vec<News>>,
    pub(super) contact: Contact,
    /// Nobody sends here; it is closed when the storage thread is gone.
    pub(super) stop: Receiver<()>,
    pub(super) pulse: Pulse,
}

impl Following {
    /// Runs the thread.
    pub(super) fn run(mut self) -> Result<(), Failure> {
        self.follower.show_life(self.pulse.sign());
        loop {
            self.pulse.beat();
            let patience = match self.follower.listen() {
                Ok(news) if news.contains(&News::Replaced) => return Err(REPLACED.to_owned()),
                Ok(news) => {
                    if !news.is_empty() && !self.tell(news) {
                        return Ok(());
                    }
                    Duration::ZERO
                }
                Err(error) => {
                    log::debug!("{error}");
                    self.contact.note_trouble(error.to_string());
                    RETRY
                }
            };
            if self.stop.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected) {
                return Ok(());
            }
        }
    }

    /// Hands `news` to the storage thread, which has a pulse of its own while it is busy. False,
    /// where that is gone.
    fn tell(&self, mut news: Vec<News>) -> bool {
        loop {
            match self.news.send_timeout(news, RETRY) {
                Ok(()) => return true,
                Err(SendTimeoutError::Timeout(untold)) => news = untold,
                Err(SendTimeoutError::Disconnected(_)) => return false,
            }
            self.pulse.beat();
        }
    }
}
