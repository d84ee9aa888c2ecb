//! The half of the etcd backend that hears what happens: a watch on `feed/`.
//!
//! The answer to a watch never ends. Each line has what happened in one revision or several, and
//! the next watch goes on where the last one ended. A registry hears its own beats, too, several of
//! them a second, so a watch that is silent is dead.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::BackendError;
use crate::backend::etcd::EtcdSettings;
use crate::backend::shared::{Beat, Follower, News, SignOfLife, Standing};
use crate::registry::Epoch;

use super::api::{
    Bytes, Happened, Number, Range, RangeAnswer, Watch, WatchEvent, WatchFrom, WatchLine,
    WatchResult,
};
use super::gateway::Gateway;
use super::head::{self, Found};
use super::keys::{Feed, Keys, behind};
use super::load::shown;
use super::record::{self, BeatRecord, PresenceRecord};
use super::store::read_transaction;

/// How long a watch may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// The longest line that is read.
const LINE_MAX: u64 = 256 * 1024 * 1024;

/// A watch on `feed/` in etcd, and what makes news of its answers.
pub(super) struct EtcdFollower {
    gateway: Gateway,
    settings: EtcdSettings,
    sign: SignOfLife,
    keys: Keys,
    name: Box<str>,
    instance: Box<str>,
    /// From which revision on news have not been told; none before the list was loaded.
    next: Number,
    lines: Option<BufReader<Box<dyn Read + Send>>>,
    /// Whether there was a watch before.
    has_begun: bool,
}

impl EtcdFollower {
    pub(super) fn open(
        settings: &EtcdSettings,
        keys: Keys,
        name: Box<str>,
        instance: Box<str>,
    ) -> Result<Self, BackendError> {
        let gateway = Gateway::open(settings, Some(SILENCE_MAX))?;
        let (settings, sign): (_, SignOfLife) = (settings.clone(), Arc::new(|| ()));
        let (next, lines, has_begun) = (Number(0), None, false);
        Ok(Self { gateway, settings, sign, keys, name, instance, next, lines, has_begun })
    }

    fn begin(&mut self) -> Result<BufReader<Box<dyn Read + Send>>, BackendError> {
        let key = self.keys.feed();
        let range_end = behind(&key);
        let start_revision = self.next;
        let watch = Watch { create_request: WatchFrom { key, range_end, start_revision } };
        Ok(BufReader::new(self.gateway.stream("watch", &watch)?))
    }

    fn read_line(&mut self) -> Result<WatchResult, BackendError> {
        let Some(lines) = &mut self.lines else {
            return Err(BackendError::new("there is no watch"));
        };
        let mut line = Vec::new();
        let read = lines.take(LINE_MAX).read_until(b'\n', &mut line);
        let url = self.gateway.url();
        let failed = |reason: String| BackendError::new(format!("{url} stopped telling: {reason}"));
        match read {
            Err(error) => return Err(failed(error.to_string())),
            Ok(0) => return Err(failed("it closed the connection".to_owned())),
            Ok(_) => {}
        }
        let line: WatchLine =
            serde_json::from_slice(&line).map_err(|error| failed(error.to_string()))?;
        match (line.result, line.error) {
            (Some(result), _) => Ok(result),
            (None, Some(error)) => Err(failed(error.message)),
            (None, None) => Err(failed("it says nothing".to_owned())),
        }
    }

    /// That there is a watch again, and where what is watched stands.
    fn resume(&mut self) -> Result<Vec<News>, BackendError> {
        let found = match self.ask(head::find) {
            Ok(found) => found,
            Err(error) => {
                self.lines = None;
                return Err(error);
            }
        };
        let news = found.map_or(News::Interrupted, |Found { head, .. }| {
            News::Resumed(Standing {
                epoch: Epoch::new(&head.epoch),
                number: head.entry,
                mark: head.nonce,
            })
        });
        Ok(vec![news])
    }

    /// What was to be told is forgotten: goes on from now.
    fn skip(&mut self) -> Result<News, BackendError> {
        self.next = Number(self.ask_revision()?.0 + 1);
        Ok(News::Interrupted)
    }

    /// That the member that was asked has not come as far as what was told already. It is one
    /// that lags behind, unless all of etcd has not come as far: then that was set up anew.
    fn meet_the_past(&mut self) -> Result<News, BackendError> {
        self.gateway.leave();
        let revision = self.ask_revision()?;
        if revision.0 + 1 < self.next.0 {
            self.next = Number(revision.0 + 1);
            return Ok(News::Interrupted);
        }
        Err(BackendError::new("a member of etcd lags behind the others"))
    }

    /// The revision of all etcd.
    fn ask_revision(&self) -> Result<Number, BackendError> {
        let range = Range { key: self.keys.head(), ..Range::default() };
        let answer: RangeAnswer =
            self.ask(|gateway, _| Ok(gateway.ask_all("kv/range", &range)?))?;
        Ok(answer.header.revision)
    }

    /// Asks something that has one answer.
    fn ask<Answer>(
        &self,
        question: impl FnOnce(&mut Gateway, &Keys) -> Result<Answer, BackendError>,
    ) -> Result<Answer, BackendError> {
        let mut gateway = Gateway::open(&self.settings, None)?;
        gateway.show_life(Arc::clone(&self.sign));
        question(&mut gateway, &self.keys)
    }

    fn read_event(&self, event: &WatchEvent) -> Option<News> {
        let is_put = event.r#type == Happened::Put;
        match self.keys.read_feed(&event.kv.key)? {
            Feed::Registry { name } if is_put => Some(self.presence(name, &event.kv.value)),
            Feed::Registry { name } => Some(News::Gone(name.into())),
            Feed::Log if is_put => match read_transaction(&event.kv) {
                Ok(transaction) => Some(News::Stored(transaction)),
                Err(error) => {
                    log::error!("what another registry stored cannot be read: {error}");
                    Some(News::Interrupted)
                }
            },
            Feed::Heard { by } if is_put => match record::read(&event.kv.value) {
                Ok(record) => Some(News::Beat(self.beat(by, &record))),
                Err(reason) => {
                    log::warn!("{} is left out: {reason}", shown(&event.kv.key));
                    None
                }
            },
            // Nobody does that to a list that goes on.
            Feed::Log => Some(News::Interrupted),
            Feed::Heard { .. } => None,
        }
    }

    fn presence(&self, name: &str, value: &Bytes) -> News {
        let record = record::read(value);
        let is_other = |record: PresenceRecord<'_>| *record.instance != *self.instance;
        if *name == *self.name && record.is_ok_and(is_other) {
            return News::Replaced;
        }
        News::Present(name.into())
    }

    fn beat(&self, by: &str, record: &BeatRecord) -> Beat {
        let own = (record.instance == self.instance).then(|| record.given());
        Beat { by: by.into(), own, heard: record.heard().collect() }
    }
}

impl Follower for EtcdFollower {
    fn begin_behind(&mut self, revision: u64) {
        self.next = Number(revision + 1);
        self.lines = None;
    }

    fn listen(&mut self) -> Result<Vec<News>, BackendError> {
        if self.lines.is_none() {
            self.lines = Some(self.begin()?);
            if self.has_begun {
                return self.resume();
            }
            self.has_begun = true;
        }
        let result = match self.read_line() {
            Ok(result) => result,
            Err(error) => {
                self.lines = None;
                self.gateway.leave();
                return Err(error);
            }
        };
        if result.compact_revision > Number(0) {
            self.lines = None;
            return Ok(vec![self.skip()?]);
        }
        if result.canceled {
            self.lines = None;
            self.gateway.leave();
            return Err(BackendError::new(format!("the watch ended: {}", result.cancel_reason)));
        }
        if result.header.revision.0 + 1 < self.next.0 {
            self.lines = None;
            return Ok(vec![self.meet_the_past()?]);
        }
        if let Some(last) = result.events.iter().map(|event| event.kv.mod_revision).max() {
            self.next = Number(last.0 + 1);
        }
        let mut news: Vec<News> =
            result.events.iter().filter_map(|event| self.read_event(event)).collect();
        // Who deletes the log deletes many at once.
        news.dedup_by(|one, other| *one == News::Interrupted && one == other);
        Ok(news)
    }

    fn show_life(&mut self, sign: SignOfLife) {
        self.gateway.show_life(Arc::clone(&sign));
        self.sign = sign;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::etcd::cluster::api::KeyValue;
    use crate::clock::{ListeningTime, WallTime};
    use crate::service::ServiceId;

    fn follower() -> EtcdFollower {
        let keys = Keys::new("/lab/");
        EtcdFollower::open(&EtcdSettings::default(), keys, "a".into(), "instance".into()).unwrap()
    }

    fn event(happened: Happened, key: Bytes, value: Bytes) -> WatchEvent {
        WatchEvent { r#type: happened, kv: KeyValue { key, value, mod_revision: Number(7) } }
    }

    #[test]
    fn beats_are_told_and_those_of_this_process_are_known() {
        let follower = follower();
        let id = ServiceId::new("s").unwrap();
        let (listening, time) =
            (ListeningTime::from_milliseconds(5), WallTime::from_unix_seconds(9));

        for (instance, own) in [("instance", Some((listening, 3))), ("another", None)] {
            let record = BeatRecord::new(instance, listening, 3, &[(&id, time)]);
            let key = follower.keys.heard_by("a", Some(1));
            let news = follower.read_event(&event(Happened::Put, key, record::write(&record)));

            let beat = Beat { by: "a".into(), own, heard: vec![(id.clone(), time)] };
            assert_eq!(news, Some(News::Beat(beat)));
        }
    }

    #[test]
    fn registries_come_and_go() {
        let follower = follower();
        let key = || follower.keys.registry("b");

        let news = |happened| follower.read_event(&event(happened, key(), Bytes::default()));

        assert_eq!(news(Happened::Put), Some(News::Present("b".into())));
        assert_eq!(news(Happened::Delete), Some(News::Gone("b".into())));
    }

    #[test]
    fn another_process_under_this_name_is_told_apart_from_this_one() {
        let follower = follower();
        let news = |instance| {
            let presence = record::write(&PresenceRecord { instance, version: "1" });
            follower.read_event(&event(Happened::Put, follower.keys.registry("a"), presence))
        };

        assert_eq!(news("instance"), Some(News::Present("a".into())));
        assert_eq!(news("another"), Some(News::Replaced));
    }

    #[test]
    fn a_transaction_that_cannot_be_read_is_not_passed_over() {
        let follower = follower();

        let news =
            follower.read_event(&event(Happened::Put, follower.keys.log_of(1), Bytes::from("?")));

        assert_eq!(news, Some(News::Interrupted));
    }
}
