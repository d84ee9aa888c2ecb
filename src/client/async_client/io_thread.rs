//! The I/O thread of the asynchronous client.
//!
//! *Owns* the connections to the registry and the time limits of all requests. *Receives*
//! orders from futures, through its mailbox, and replies from the registry. *Sends* requests to
//! the registry and answers to the futures, which wakes them. *Ends* when it is told to stop;
//! whoever waits then learns that the client was closed, because what would have answered is
//! dropped.
//!
//! A connection on which a request got no reply in time is given up (Lazy Pirate), and what is
//! asked from then on goes over a new one, under another identity:
//!
//! - Where something else was heard on it since, it is retired: kept for the replies to the others.
//! - Where nothing was, it is closed, and what ZeroMQ still holds for a registry that is not there
//!   goes with it. So what was reported to have reached nobody is not carried out later, when the
//!   registry is back. The others on their way over it are asked again if they change nothing;
//!   else nobody can know whether they were carried out, which is what their futures are told.
//!
//! Where there are several registries, a request that is not answered within its share of the time
//! closes the connection, and all that is on its way over it is asked of the next registry, in the
//! order in which it was asked for: no registration may come after the deregistration behind it.
//!
//! What a registry says that is cut off from its storage is kept while the others are asked, over
//! connections of their own, and is the answer where none of them has a better one. Only where one
//! has is the first registry left.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use serde_json::{Map, Value};
use zmq::{POLLIN, PollItem};

use crate::mailbox::{Mailbox, Post};

use super::super::ClientError;
use super::super::connection::{REQUEST_ID, read_reply};
use super::super::failover::is_cut_off;
use super::super::operation::Repetition;
use super::super::registries::Place;
use super::super::settings::ClientSettings;
use super::super::thread::{Stop, whole_milliseconds};
use super::exchange::Match;
use super::link::Link;
use super::question::{Alarm, Answer, Order, Question, Reply};
use super::routing::link_for;

/// How many requests may wait for their turn, beside those on their way. One more is refused at
/// once: it would come too late anyhow.
pub(super) const WAITING_MAX: usize = 65_536;

/// How many replies are taken from one connection before the others are looked at.
const REPLIES_PER_TURN: usize = 256;

/// Carries the requests of all futures: the I/O thread, ready to run.
pub(super) struct IoThread {
    orders: Mailbox<Order>,
    settings: ClientSettings,
    /// Not sent yet, in their order.
    waiting: BTreeMap<u64, Question>,
    /// When to give up which request, for all that have no answer.
    deadlines: BTreeSet<(Instant, u64)>,
    /// All but the last are retired; that one may be, too.
    links: Vec<Link>,
    /// Futures that wait for a moment and nothing else.
    alarms: BTreeMap<(Instant, u64), oneshot::Sender<()>>,
}

impl IoThread {
    pub(super) fn new(orders: Mailbox<Order>, settings: ClientSettings) -> Self {
        Self {
            orders,
            settings,
            waiting: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            links: Vec::new(),
            alarms: BTreeMap::new(),
        }
    }

    /// Runs the thread.
    pub(super) fn run(mut self, stop: &Stop) {
        while self.wait(stop) {
            self.take_orders();
            self.take_replies();
            let now = Instant::now();
            self.give_up_late(now);
            self.ring_alarms(now);
            self.send_waiting();
            self.links.retain(|link| !link.is_retired() || !link.exchange.is_idle());
        }
    }

    /// Waits until there is something to do. False, if that is to end.
    fn wait(&self, stop: &Stop) -> bool {
        let mut items = vec![
            PollItem::from_fd(stop.as_raw_fd(), POLLIN),
            PollItem::from_fd(self.orders.descriptor(), POLLIN),
        ];
        items.extend(self.links.iter().map(|link| link.socket.as_poll_item(POLLIN)));
        match zmq::poll(&mut items, self.milliseconds_to_wait()) {
            Ok(_) | Err(zmq::Error::EINTR) => items[0].get_revents().is_empty(),
            Err(error) => {
                let endpoint = self.endpoint(self.settings.registries.first());
                log::error!("the client for {endpoint} cannot go on: {error}");
                false
            }
        }
    }

    /// Until the first request is too late or the first alarm due, or for ever.
    fn milliseconds_to_wait(&self) -> i64 {
        let first_alarm = self.alarms.first_key_value().map(|(due, _)| due);
        let next = self.deadlines.first().into_iter().chain(first_alarm).min();
        next.map_or(-1, |(moment, _)| {
            whole_milliseconds(moment.saturating_duration_since(Instant::now()))
        })
    }

    fn take_orders(&mut self) {
        self.orders.answer_bell();
        // That the mailbox is closed needs no answer: with its last sender, the client itself is
        // gone, which tells this thread to stop.
        while let Post::Message(order) = self.orders.take() {
            match order {
                Order::Ask(question) if self.waiting.len() >= WAITING_MAX => {
                    question.answer(Err(ClientError::TooManyRequests));
                }
                Order::Ask(question) => {
                    self.deadlines.insert(question.due());
                    self.waiting.insert(question.number, question);
                }
                Order::Wake(Alarm { due, future }) => {
                    // Futures that were dropped must not pile up.
                    self.alarms.retain(|_, future| !future.is_canceled());
                    self.alarms.insert(due, future);
                }
            }
        }
    }

    fn take_replies(&mut self) {
        for link in 0..self.links.len() {
            for _ in 0..REPLIES_PER_TURN {
                match self.links[link].receive() {
                    Ok(Some(frames)) => self.take_reply(link, &frames),
                    Ok(None) => break,
                    Err(source) => {
                        self.fail(link, |endpoint| ClientError::Socket { endpoint, source });
                        break;
                    }
                }
            }
        }
    }

    fn take_reply(&mut self, link: usize, frames: &[Vec<u8>]) {
        let mut reply = match read_reply(frames) {
            Ok(reply) => reply,
            // Which request it was to answer, nobody can say.
            Err(reason) => {
                self.fail(link, |endpoint| ClientError::NotARegistry { endpoint, reason });
                return;
            }
        };
        let number = reply.remove(REQUEST_ID).as_ref().and_then(Value::as_u64);
        let place = self.links[link].place;
        match self.links[link].exchange.replied(number) {
            Match::Answers(question) if self.is_to_be_passed_on(&question, &reply) => {
                self.pass_on(question, link, reply);
            }
            Match::Answers(question) => {
                question.cut_off.iter().for_each(|(worse, _)| self.leave(*worse));
                self.settle(question, Ok(Reply { body: reply, by: place }));
            }
            Match::TooLate => log::debug!("a reply from {} came too late", self.endpoint(place)),
            Match::Doubtful => self.links[link].retire(),
        }
    }

    /// Whether a reply says no more than that another registry should be asked.
    fn is_to_be_passed_on(&self, question: &Question, reply: &Map<String, Value>) -> bool {
        let count = self.settings.registries.count();
        count > 1 && question.repetition != Repetition::Never && is_cut_off(reply)
    }

    /// Keeps what one says that is cut off from its storage, and asks the next, if there is one.
    fn pass_on(&mut self, mut question: Question, link: usize, reply: Map<String, Value>) {
        let link = &mut self.links[link];
        let place = link.place;
        if question.repetition == Repetition::Elsewhere {
            // No change may overtake another.
            let is_change = |other: &Question| other.repetition == Repetition::Elsewhere;
            for behind in link.exchange.give_up_behind(question.number, is_change) {
                self.wait_again(behind, |behind| behind.pass_over(place));
            }
        }
        question.cut_off.push((place, reply));
        self.wait_again(question, |question| question.pass_over(place));
    }

    /// A registry is cut off from its storage, and another is not.
    fn leave(&mut self, place: Place) {
        self.settings.registries.failed(place);
        for at in 0..self.links.len() {
            let link = &mut self.links[at];
            if link.place == place {
                link.retire();
                for question in link.exchange.give_up_all() {
                    self.wait_again(question, |question| question.pass_over(place));
                }
            }
        }
    }

    /// Gives up on a connection, and on all requests on their way over it.
    fn fail(&mut self, link: usize, error: impl Fn(String) -> ClientError) {
        let link = &mut self.links[link];
        link.retire();
        let place = link.place;
        for question in link.exchange.give_up_all() {
            let error = error(self.endpoint(place));
            self.settle(question, Err(error));
        }
    }

    /// Answers all requests whose time is over, and passes on those whose registry had its share.
    fn give_up_late(&mut self, now: Instant) {
        while let Some(&(due, number)) = self.deadlines.first().filter(|(due, _)| *due <= now) {
            self.deadlines.remove(&(due, number));
            if let Some(question) = self.give_up(number, now) {
                let timeout = question.timeout;
                self.conclude(question, timeout);
            }
        }
    }

    fn ring_alarms(&mut self, now: Instant) {
        while let Some(alarm) = self.alarms.first_entry().filter(|alarm| alarm.key().0 <= now) {
            // A future that was dropped is not there to be woken.
            let _ = alarm.remove().send(());
        }
    }

    /// Takes a request away from where it waits, and gives up the connection that failed it. None
    /// where there is still time to ask another registry.
    fn give_up(&mut self, number: u64, now: Instant) -> Option<Question> {
        if let Some(question) = self.waiting.remove(&number) {
            // It waited for its turn, all the time that it had, behind one that is not answered.
            let old = |link: &&mut Link| link.opened + question.timeout <= question.deadline;
            self.links.iter_mut().filter(old).for_each(Link::retire);
            return Some(question);
        }
        let given_up = |(at, link): (usize, &mut Link)| Some((at, link.exchange.give_up(number)?));
        let (at, given_up) = self.links.iter_mut().enumerate().find_map(given_up)?;
        let (mut question, place) = (given_up.request, self.links[at].place);
        if question.deadline > now {
            self.close(at);
            self.ask_again(question, place);
            return None;
        }
        question.end_attempt(place);
        if given_up.in_silence {
            self.close(at);
        } else {
            self.links[at].retire();
        }
        Some(question)
    }

    /// Closes a connection whose registry failed. It goes at the end of the turn.
    fn close(&mut self, link: usize) {
        let link = &mut self.links[link];
        link.retire();
        let place = link.place;
        self.settings.registries.failed(place);
        for question in link.exchange.give_up_all() {
            self.ask_again(question, place);
        }
    }

    /// A request was not answered.
    fn ask_again(&mut self, question: Question, failed: Place) {
        self.wait_again(question, |question| question.end_attempt(failed));
    }

    /// Lets a request wait for another registry, in the place that it had, after `end`ing the
    /// attempt before. Without one, what changes something is not asked again, nor what was told.
    fn wait_again(&mut self, mut question: Question, end: impl FnOnce(&mut Question)) {
        self.deadlines.remove(&question.due());
        end(&mut question);
        let may_repeat = question.repetition == Repetition::Harmless && question.cut_off.is_empty();
        if may_repeat || question.attempts_left(self.settings.registries.count()) > 0 {
            self.deadlines.insert(question.due());
            self.waiting.insert(question.number, question);
        } else {
            let waited = question.waited();
            self.conclude(question, waited);
        }
    }

    /// Answers a request after the last attempt, with the best that there is.
    fn conclude(&self, mut question: Question, after: Duration) {
        let answer =
            question.take_cut_off_reply().ok_or_else(|| self.unreachable(&question, after));
        question.answer(answer);
    }

    /// Sends what waits, as far as there is room.
    fn send_waiting(&mut self) {
        while let Some((number, question)) = self.waiting.pop_first() {
            if question.is_dropped() {
                self.deadlines.remove(&question.due());
                continue;
            }
            match self.send(&question) {
                Ok(Some(link)) => self.sent(question, link),
                Ok(None) => {
                    self.waiting.insert(number, question);
                    return;
                }
                Err(source) => {
                    self.links.iter_mut().for_each(Link::retire);
                    let endpoint = self.endpoint(self.settings.registries.first());
                    self.settle(question, Err(ClientError::Socket { endpoint, source }));
                }
            }
        }
    }

    /// Sends a request, and tells over which connection. None where it must wait for its turn.
    fn send(&mut self, question: &Question) -> zmq::Result<Option<usize>> {
        let Some(at) = link_for(question, &mut self.links, &self.settings)? else {
            return Ok(None);
        };
        self.links[at].send(&question.body).map(|()| Some(at))
    }

    /// A request was sent.
    fn sent(&mut self, mut question: Question, link: usize) {
        self.deadlines.remove(&question.due());
        question.begin_attempt(self.settings.registries.count());
        self.deadlines.insert(question.due());
        self.links[link].exchange.sent(question.number, question);
    }

    fn settle(&mut self, question: Question, answer: Answer) {
        self.deadlines.remove(&question.due());
        question.answer(answer);
    }

    /// What is told of a request to which nothing came back.
    fn unreachable(&self, question: &Question, after: Duration) -> ClientError {
        match &question.silent[..] {
            // It never had its turn.
            [] => {
                ClientError::unreachable(&[self.endpoint(self.settings.registries.first())], after)
            }
            silent => {
                let all: Vec<String> = silent.iter().map(|place| self.endpoint(*place)).collect();
                ClientError::unreachable(&all, after)
            }
        }
    }

    fn endpoint(&self, place: Place) -> String {
        self.settings.registries.at(place).requests.to_string()
    }
}
