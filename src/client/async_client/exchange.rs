//! Which reply answers which request, on one connection.
//!
//! Every request carries a number. A registry that sends it back may be asked many things at
//! once. The Python registry does not; it is asked one thing at a time, so that there is no
//! doubt what a reply is about. Which of the two it is shows in the first reply.
//!
//! Pure: no socket, no clock, no thread.

use std::collections::BTreeMap;
use std::mem;

/// How many requests are on their way at once, at the most. Fewer than the thousand replies that
/// the registry holds for a client before it drops some, and than the thousand requests that a
/// socket takes before it refuses.
const ON_THEIR_WAY_MAX: usize = 256;

/// The requests on one connection that no reply has come for. `R` is what is to be remembered of
/// a request.
#[derive(Debug)]
pub(super) struct Exchange<R> {
    unanswered: BTreeMap<u64, Unanswered<R>>,
    /// Whether a reply has come with the number of its request.
    echoes: bool,
    /// How many replies have come.
    replies: u64,
}

#[derive(Debug)]
struct Unanswered<R> {
    request: R,
    /// How many replies had come when it was sent.
    replies_before: u64,
}

/// A request to which no reply is awaited any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GivenUp<R> {
    pub(super) request: R,
    /// Whether no reply to any request has come since it was sent.
    pub(super) in_silence: bool,
}

/// What a reply is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Match<R> {
    /// The request that it answers.
    Answers(R),
    /// A request that has been given up.
    TooLate,
    /// Nobody can say: another registry has taken the place of the one that sent the numbers
    /// back. The connection is of no further use.
    Doubtful,
}

impl<R> Exchange<R> {
    pub(super) fn new() -> Self {
        Self { unanswered: BTreeMap::new(), echoes: false, replies: 0 }
    }

    /// Whether another request may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.unanswered.len() < if self.echoes { ON_THEIR_WAY_MAX } else { 1 }
    }

    /// Whether no reply is awaited.
    pub(super) fn is_idle(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// The request with this number has been sent.
    pub(super) fn sent(&mut self, number: u64, request: R) {
        let replies_before = self.replies;
        self.unanswered.insert(number, Unanswered { request, replies_before });
    }

    /// A reply has come, with this number or with none.
    pub(super) fn replied(&mut self, number: Option<u64>) -> Match<R> {
        self.replies += 1;
        let unanswered = match number {
            Some(number) => {
                self.echoes = true;
                self.unanswered.remove(&number)
            }
            None if self.echoes => return Match::Doubtful,
            None => self.unanswered.pop_first().map(|(_, unanswered)| unanswered),
        };
        unanswered.map_or(Match::TooLate, |unanswered| Match::Answers(unanswered.request))
    }

    /// No reply to this request is awaited any more. Gives it back, if it was on its way here.
    pub(super) fn give_up(&mut self, number: u64) -> Option<GivenUp<R>> {
        let Unanswered { request, replies_before } = self.unanswered.remove(&number)?;
        Some(GivenUp { request, in_silence: replies_before == self.replies })
    }

    /// No reply is awaited any more to those of the requests behind this one that `are_meant`.
    pub(super) fn give_up_behind(&mut self, number: u64, are_meant: impl Fn(&R) -> bool) -> Vec<R> {
        let behind = self.unanswered.range(number..);
        let meant = behind.filter(|(_, unanswered)| are_meant(&unanswered.request));
        let numbers: Vec<u64> = meant.map(|(number, _)| *number).collect();
        let given_up = numbers.into_iter().filter_map(|number| self.unanswered.remove(&number));
        given_up.map(|unanswered| unanswered.request).collect()
    }

    /// Whether one of the requests that no reply has come for `is_meant`.
    pub(super) fn awaits(&self, is_meant: impl FnMut(&R) -> bool) -> bool {
        self.unanswered.values().map(|unanswered| &unanswered.request).any(is_meant)
    }

    /// No reply to any request is awaited any more.
    pub(super) fn give_up_all(&mut self) -> impl Iterator<Item = R> + use<R> {
        mem::take(&mut self.unanswered).into_values().map(|unanswered| unanswered.request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An exchange with a registry that sends numbers back.
    fn proven() -> Exchange<&'static str> {
        let mut exchange = Exchange::new();
        exchange.sent(0, "first");
        assert_eq!(exchange.replied(Some(0)), Match::Answers("first"));
        exchange
    }

    #[test]
    fn one_thing_is_asked_at_a_time_until_a_number_has_come_back() {
        let mut exchange = Exchange::new();

        assert!(exchange.has_room());
        exchange.sent(1, "a");
        assert!(!exchange.has_room());
        assert_eq!(exchange.replied(None), Match::Answers("a"));
        exchange.sent(2, "b");
        assert!(!exchange.has_room());
        assert_eq!(exchange.replied(Some(2)), Match::Answers("b"));

        exchange.sent(3, "c");
        assert!(exchange.has_room());
    }

    #[test]
    fn replies_find_their_requests_in_whatever_order_they_come() {
        let mut exchange = proven();
        exchange.sent(1, "a");
        exchange.sent(2, "b");
        exchange.sent(3, "c");

        assert_eq!(exchange.replied(Some(3)), Match::Answers("c"));
        assert_eq!(exchange.replied(Some(1)), Match::Answers("a"));
        assert_eq!(exchange.replied(Some(2)), Match::Answers("b"));
        assert!(exchange.is_idle());
    }

    #[test]
    fn a_reply_to_a_request_that_was_given_up_answers_nobody() {
        let mut exchange = proven();
        exchange.sent(1, "a");
        exchange.sent(2, "b");

        assert_eq!(exchange.give_up(1), Some(GivenUp { request: "a", in_silence: true }));
        assert_eq!(exchange.give_up(1), None);

        assert_eq!(exchange.replied(Some(1)), Match::TooLate);
        assert_eq!(exchange.replied(Some(2)), Match::Answers("b"));
    }

    #[test]
    fn a_reply_without_a_number_to_a_request_that_was_given_up_answers_nobody() {
        let mut exchange = Exchange::new();
        exchange.sent(1, "a");

        assert!(exchange.give_up(1).is_some());

        assert_eq!(exchange.replied(None), Match::TooLate);
    }

    #[test]
    fn a_request_is_given_up_in_silence_where_nothing_came_since_it_was_sent() {
        let mut exchange = proven();
        exchange.sent(1, "a");
        exchange.sent(2, "b");
        exchange.replied(Some(1));
        exchange.sent(3, "c");

        assert_eq!(exchange.give_up(2), Some(GivenUp { request: "b", in_silence: false }));
        assert_eq!(exchange.give_up(3), Some(GivenUp { request: "c", in_silence: true }));
    }

    #[test]
    fn those_behind_another_are_given_up_as_far_as_they_are_meant() {
        let mut exchange = proven();
        for (number, request) in [(1, "read"), (2, "write"), (3, "read"), (4, "write")] {
            exchange.sent(number, request);
        }

        assert_eq!(exchange.give_up_behind(3, |request| *request == "write"), ["write"]);

        assert!(exchange.awaits(|request| *request == "write"));
        assert_eq!(exchange.replied(Some(4)), Match::TooLate);
        assert_eq!(exchange.replied(Some(2)), Match::Answers("write"));
        assert!(!exchange.awaits(|request| *request == "write"));
    }

    #[test]
    fn after_numbers_a_reply_without_one_is_not_guessed_to_be_an_answer() {
        let mut exchange = proven();
        exchange.sent(1, "a");
        exchange.sent(2, "b");

        assert_eq!(exchange.replied(None), Match::Doubtful);
        assert!(exchange.give_up(1).is_some());
        assert_eq!(exchange.replied(None), Match::Doubtful);

        assert_eq!(exchange.give_up_all().collect::<Vec<_>>(), ["b"]);
        assert!(exchange.is_idle());
    }

    #[test]
    fn what_is_on_its_way_is_bounded() {
        let mut exchange = proven();

        let sent = (1..).take_while(|number| {
            let has_room = exchange.has_room();
            exchange.sent(*number, "one of many");
            has_room
        });

        assert_eq!(sent.count(), ON_THEIR_WAY_MAX);
    }
}
