//! The I/O thread of the asynchronous client.
//!
//! *Owns* the connections to the registry and the time limits of all requests. *Receives*
//! orders from futures, through its mailbox, and replies from the registry. *Sends* requests to
//! the registry and answers to the futures, which wakes them. *Ends* when it is told to stop;
//! whoever waits then learns that the client was closed, because what would have answered is
//! dropped.
//!
//! A connection on which a request got no reply in time is retired (Lazy Pirate): it is kept for
//! the replies to the others, and what is asked from then on goes over a new one, under another
//! identity. So a registry that comes back never gets what nobody waits for any more.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsRawFd;
use std::time::Instant;

use futures_channel::oneshot;
use serde_json::Value;
use zmq::{POLLIN, PollItem};

use crate::mailbox::{Mailbox, Post};

use super::super::ClientError;
use super::super::connection::{REQUEST_ID, read_reply};
use super::super::settings::ClientSettings;
use super::super::socket::connect_dealer;
use super::super::thread::{Stop, whole_milliseconds};
use super::exchange::Match;
use super::link::Link;
use super::question::{Alarm, Answer, Order, Question};

/// How many requests may wait for their turn, beside those on their way. One more is refused at
/// once: it would come too late anyhow.
pub(super) const WAITING_MAX: usize = 65_536;

/// How many replies are taken from one connection before the others are looked at.
const REPLIES_PER_TURN: usize = 256;

/// See the module's page.
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
        let request_waits = !self.waiting.is_empty();
        items.extend(
            self.links.iter().map(|link| link.socket.as_poll_item(link.interests(request_waits))),
        );
        match zmq::poll(&mut items, self.milliseconds_to_wait()) {
            Ok(_) | Err(zmq::Error::EINTR) => items[0].get_revents().is_empty(),
            Err(error) => {
                log::error!("the client for {} cannot go on: {error}", self.endpoint());
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
        let link = &mut self.links[link];
        link.has_replied = true;
        match link.exchange.replied(number) {
            Match::Answers(question) => self.settle(question, Ok(reply)),
            Match::TooLate => log::debug!("a reply from {} came too late", self.endpoint()),
            Match::Doubtful => link.retire(),
        }
    }

    /// Gives up on a connection, and on all requests on their way over it.
    fn fail(&mut self, link: usize, error: impl Fn(String) -> ClientError) {
        let link = &mut self.links[link];
        link.retire();
        for question in link.exchange.give_up_all() {
            let error = error(self.endpoint());
            self.settle(question, Err(error));
        }
    }

    /// Answers all requests whose time is over.
    fn give_up_late(&mut self, now: Instant) {
        while let Some(&(deadline, number)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            if let Some(question) = self.give_up(number) {
                let endpoint = self.endpoint();
                let after = question.timeout;
                question.answer(Err(ClientError::Unreachable { endpoint, after }));
            }
        }
    }

    fn ring_alarms(&mut self, now: Instant) {
        while let Some(alarm) = self.alarms.first_entry().filter(|alarm| alarm.key().0 <= now) {
            // A future that was dropped is not there to be woken.
            let _ = alarm.remove().send(());
        }
    }

    /// Takes a request away from where it waits, and retires the connection that failed it.
    fn give_up(&mut self, number: u64) -> Option<Question> {
        if let Some(question) = self.waiting.remove(&number) {
            // A connection that did not come about in all the time that this request had. A
            // fresh one reaches a registry that came back sooner than one that tries now and
            // then.
            let old = |link: &&mut Link| link.opened + question.timeout <= question.deadline;
            self.links.iter_mut().filter(old).for_each(Link::retire);
            return Some(question);
        }
        self.links.iter_mut().find_map(|link| {
            let question = link.exchange.give_up(number)?;
            link.retire();
            Some(question)
        })
    }

    /// Sends what waits, as far as there is room and a registry to take it.
    fn send_waiting(&mut self) {
        while let Some((number, question)) = self.waiting.pop_first() {
            if question.is_dropped() {
                self.deadlines.remove(&question.due());
                continue;
            }
            match self.send(&question) {
                Ok(Some(link)) => link.exchange.sent(number, question),
                Ok(None) => {
                    self.waiting.insert(number, question);
                    return;
                }
                Err(source) => {
                    self.links.iter_mut().for_each(Link::retire);
                    let endpoint = self.endpoint();
                    self.settle(question, Err(ClientError::Socket { endpoint, source }));
                }
            }
        }
    }

    /// Sends a request over the connection in use, and gives that back. None where the request
    /// must wait: for its turn, or for a registry.
    fn send(&mut self, question: &Question) -> zmq::Result<Option<&mut Link>> {
        if let Some(link) = self.links.last_mut().filter(|link| !link.is_retired()) {
            if !link.has_room() {
                return Ok(None);
            }
            if link.send(&question.body)? {
                return Ok(self.links.last_mut());
            }
            if !link.has_replied {
                return Ok(None);
            }
            // The registry that was at its other end is gone.
            link.retire();
        }
        let endpoint = &self.settings.endpoints.requests;
        let link = Link::new(connect_dealer(endpoint, &self.settings.client_id)?);
        let sent = link.send(&question.body)?;
        self.links.push(link);
        Ok(self.links.last_mut().filter(|_| sent))
    }

    fn settle(&mut self, question: Question, answer: Answer) {
        self.deadlines.remove(&question.due());
        question.answer(answer);
    }

    fn endpoint(&self) -> String {
        self.settings.endpoints.requests.to_string()
    }
}
