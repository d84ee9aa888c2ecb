//! What other registries do to the list that they share with this one.

use std::collections::VecDeque;

use crate::backend::BackendError;
use crate::backend::shared::{Beat, Missed, News, Standing, Transaction, TransactionPlace};
use crate::clock::Now;
use crate::registry::{Event, Fact, Home};
use crate::server::keeper::Keeper;

use super::step::Step;
use super::turn::Turn;
use super::{Storage, describe};

/// How often other registries may be first before a request is refused.
const OVERTAKEN_MAX: usize = 50;

impl Storage {
    /// Plans the steps again, after what others stored before them, unless others were first too
    /// often.
    pub(super) fn plan_behind(&mut self, missed: Missed, steps: Vec<Step>, turn: &mut Turn) {
        turn.overtaken += 1;
        if turn.overtaken < OVERTAKEN_MAX {
            self.put_back(steps, turn);
        } else {
            let reason = format!("other registries were first {OVERTAKEN_MAX} times in a row");
            self.refuse_all(steps, &reason);
            turn.overtaken = 0;
        }
        self.take_missed(missed);
    }

    /// Plans the steps again, each by itself, since they were too much together.
    pub(super) fn plan_apart(&mut self, steps: Vec<Step>, turn: &mut Turn) {
        turn.apart = steps.len();
        self.put_back(steps, turn);
    }

    /// Puts what the steps were planned for before all other jobs.
    fn put_back(&mut self, steps: Vec<Step>, turn: &mut Turn) {
        let mut again = VecDeque::new();
        for step in steps {
            match step.again() {
                Ok(job) => again.push_back(job),
                Err(step) => self.refuse_all(vec![*step], "it cannot be planned again"),
            }
        }
        again.append(&mut turn.jobs);
        turn.jobs = again;
    }

    /// Takes over what others did, in its order.
    pub(super) fn take_news(&mut self, news: Vec<News>) {
        for news in news {
            self.retry_catching_up();
            match news {
                News::Stored(transaction) => self.follow(transaction),
                News::Beat(beat) => self.take_beat(&beat),
                News::Present(name) => self.note_registry(&name, true),
                News::Gone(name) => self.note_registry(&name, false),
                News::Resumed(standing) => self.resume(&standing),
                News::Interrupted => self.catch_up(),
                // The follower has stopped the server.
                News::Replaced => {}
            }
        }
    }

    /// Takes over what was stored before a proposal of this registry's.
    fn take_missed(&mut self, missed: Missed) {
        match missed {
            Missed::Transactions(transactions) => {
                transactions.into_iter().for_each(|transaction| self.follow(transaction));
            }
            Missed::TooMuch => self.load_anew(),
        }
    }

    fn follow(&mut self, transaction: Transaction) {
        let Keeper::Shared(sharing) = &mut self.keeper else { return };
        let home = sharing.homes.home(&transaction.by);
        match sharing.backend.follow(&transaction) {
            TransactionPlace::Known => {
                let registry = self.registry.read();
                for fact in &transaction.facts {
                    if let Fact::Registered { service, .. } = fact {
                        registry.note_registered(service.id.as_str(), home);
                    }
                }
            }
            TransactionPlace::Next => {
                sharing.contact.note_number(transaction.number);
                self.accept(transaction, home);
            }
            TransactionPlace::Beyond => self.catch_up(),
        }
    }

    /// Makes true what another registry has stored, and tells the subscribers of it.
    fn accept(&mut self, transaction: Transaction, home: Home) {
        let mut events: Vec<Event> = Vec::new();
        for fact in transaction.facts {
            let now = Now { wall: transaction.at, ..self.clock.now() };
            let event = self.registry.write().accept(fact, home, now);
            if let Some(event) = event {
                self.note(event, None, &mut events);
            }
        }
        self.publish(&events);
    }

    fn take_beat(&mut self, beat: &Beat) {
        let Keeper::Shared(sharing) = &mut self.keeper else { return };
        let (now, home) = (self.clock.now(), sharing.homes.home(&beat.by));
        {
            let registry = self.registry.read();
            for (id, heard) in &beat.heard {
                registry.note_heard(id.as_str(), home, *heard, now);
            }
        }
        let Some(given) = beat.own else { return };
        let lost = sharing.contact.note_beat(given, now);
        let registry = self.registry.read();
        if let Some(silent) = lost {
            registry.keep_all(now.listening);
            log::warn!("etcd is heard again, after {:.1} s", silent.as_secs_f64());
        }
        if !sharing.contact.is_behind() {
            registry.set_horizon(sharing.contact.horizon());
        }
        for name in sharing.abandoned(now) {
            let services = registry.adopt(sharing.homes.home(&name), now);
            log::warn!(
                "registry {name:?} is gone for good: its {services} services are watched here"
            );
        }
        drop(registry);
        if lost.is_some() {
            // It may be another etcd, or one that was set back.
            self.catch_up();
        }
    }

    fn note_registry(&mut self, name: &str, is_there: bool) {
        let Keeper::Shared(sharing) = &mut self.keeper else { return };
        sharing.contact.note_registry(name, is_there);
        if is_there {
            log::info!("registry {name:?} is there");
            sharing.gone.remove(name);
        } else {
            log::warn!("registry {name:?} is not heard any more");
            sharing.gone.insert(name.into(), self.clock.now().listening);
        }
    }

    /// Reads what was missed, where that could not be read before.
    fn retry_catching_up(&mut self) {
        if matches!(&self.keeper, Keeper::Shared(sharing) if sharing.contact.is_behind()) {
            self.catch_up();
        }
    }

    /// Goes on with a store that was out of reach. What it stored meanwhile would come as news,
    /// unless it is another one, or was set back.
    fn resume(&mut self, standing: &Standing) {
        let Keeper::Shared(sharing) = &self.keeper else { return };
        if !sharing.backend.knows_all_of(standing) {
            self.catch_up();
        }
    }

    /// Reads what was missed: from the log as far as that reaches back, and otherwise the whole
    /// list.
    fn catch_up(&mut self) {
        loop {
            let Keeper::Shared(sharing) = &mut self.keeper else { return };
            match sharing.backend.missed() {
                Ok(Missed::Transactions(none)) if none.is_empty() => break,
                Ok(Missed::Transactions(some)) => {
                    some.into_iter().for_each(|transaction| self.follow(transaction));
                }
                Ok(Missed::TooMuch) => return self.load_anew(),
                Err(error) => return self.stay_behind(&error),
            }
        }
        self.take_lives();
    }

    /// Reads who is there, and who heard which service.
    fn take_lives(&mut self) {
        let Keeper::Shared(sharing) = &mut self.keeper else { return };
        let lives = match sharing.backend.lives() {
            Ok(lives) => lives,
            Err(error) => return self.stay_behind(&error),
        };
        sharing.contact.note_complete();
        lives.heard.iter().for_each(|beat| self.take_beat(beat));
        let Keeper::Shared(sharing) = &mut self.keeper else { return };
        let known = sharing.contact.registries();
        for name in known.iter().filter(|name| !lives.registries.contains(name)) {
            self.note_registry(name, false);
        }
        for name in lives.registries.iter().filter(|name| !known.contains(*name)) {
            self.note_registry(name, true);
        }
    }

    /// Takes the whole list anew. Subscribers see that numbers are missing, and do the same.
    fn load_anew(&mut self) {
        let Keeper::Shared(sharing) = &mut self.keeper else { return };
        let picture = match sharing.backend.load() {
            Ok(picture) => picture,
            Err(error) => return self.stay_behind(&error),
        };
        let now = self.clock.now();
        log::warn!(
            "too much was missed of what other registries did: the list is taken anew, with {} \
             services",
            picture.services.len()
        );
        sharing.note_registries(&picture, now);
        *self.registry.write() = sharing.registry(picture, now);
        sharing.contact.note_complete();
    }

    fn stay_behind(&mut self, error: &BackendError) {
        log::debug!("{}", describe(error));
        if let Keeper::Shared(sharing) = &mut self.keeper {
            sharing.contact.note_behind(describe(error));
        }
    }
}
