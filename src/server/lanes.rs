//! Keeps the replies to each client in the order of its requests.
//!
//! Most requests are answered at once. A client with a request on its way to the storage thread
//! has a lane: its later replies queue there behind the one that is awaited.

use std::collections::{HashMap, VecDeque};

use crate::protocol::envelope::Identity;

use super::messages::Reply;

/// How many refusals may queue in a lane behind the replies that are awaited. A client that has
/// so many unanswered requests is not waiting for answers; it loses the next ones.
const REFUSALS_WAITING_MAX: usize = 1_024;

/// See the module's page.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<Identity, Lane>,
    awaited: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// In the order of the requests; none for a reply that is awaited.
    replies: VecDeque<Option<Reply>>,
    refusals: usize,
}

impl Lanes {
    /// How many replies are awaited from the storage thread.
    pub(super) const fn awaited(&self) -> usize {
        self.awaited
    }

    /// Whether a reply to this client is awaited, so that the next must queue.
    pub(super) fn is_busy(&self, client: &Identity) -> bool {
        self.lanes.contains_key(client)
    }

    /// A reply to this client is awaited from now on.
    pub(super) fn expect(&mut self, client: Identity) {
        self.lanes.entry(client).or_default().replies.push_back(None);
        self.awaited += 1;
    }

    /// Queues a reply behind those that are awaited. False, and lost, if too many queue.
    pub(super) fn queue(&mut self, reply: Reply) -> bool {
        let lane = self.lanes.entry(reply.caller.client.clone()).or_default();
        if lane.refusals >= REFUSALS_WAITING_MAX {
            return false;
        }
        lane.refusals += 1;
        lane.replies.push_back(Some(reply));
        true
    }

    /// The first awaited reply to its client is here. Gives back all that can be sent now.
    pub(super) fn complete(&mut self, reply: Reply) -> Vec<Reply> {
        let client = reply.caller.client.clone();
        let Some(lane) = self.lanes.get_mut(&client) else { return vec![reply] };
        if let Some(awaited) = lane.replies.iter_mut().find(|waiting| waiting.is_none()) {
            *awaited = Some(reply);
            self.awaited -= 1;
        }

        let mut ready = Vec::new();
        while lane.replies.front().is_some_and(Option::is_some) {
            ready.extend(lane.replies.pop_front().flatten());
        }
        lane.refusals = lane.replies.iter().flatten().count();
        if lane.replies.is_empty() {
            self.lanes.remove(&client);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::envelope::Envelope;
    use crate::server::messages::Caller;

    fn reply(client: &str, body: &str) -> Reply {
        let client = client.as_bytes().to_vec();
        let caller = Caller { client, envelope: Envelope::Typed, request_id: None };
        Reply::new(caller, body.as_bytes().to_vec())
    }

    fn bodies(replies: Vec<Reply>) -> Vec<String> {
        replies.into_iter().map(|reply| String::from_utf8(reply.body).unwrap()).collect()
    }

    #[test]
    fn replies_leave_in_the_order_of_the_requests() {
        let mut lanes = Lanes::default();
        lanes.expect(b"a".to_vec());
        assert!(lanes.queue(reply("a", "refused")));
        lanes.expect(b"a".to_vec());
        assert!(lanes.queue(reply("a", "refused, too")));

        assert_eq!(bodies(lanes.complete(reply("a", "first"))), ["first", "refused"]);
        assert!(lanes.is_busy(&b"a".to_vec()));
        assert_eq!(bodies(lanes.complete(reply("a", "second"))), ["second", "refused, too"]);

        assert!(!lanes.is_busy(&b"a".to_vec()));
        assert_eq!(lanes.awaited(), 0);
    }

    #[test]
    fn clients_do_not_wait_for_each_other() {
        let mut lanes = Lanes::default();
        lanes.expect(b"a".to_vec());
        lanes.expect(b"b".to_vec());

        assert!(!lanes.is_busy(&b"c".to_vec()));
        assert_eq!(bodies(lanes.complete(reply("b", "b's"))), ["b's"]);
        assert_eq!(lanes.awaited(), 1);
    }

    #[test]
    fn a_lane_is_bounded() {
        let mut lanes = Lanes::default();
        lanes.expect(b"a".to_vec());

        for _ in 0..REFUSALS_WAITING_MAX {
            assert!(lanes.queue(reply("a", "no")));
        }
        assert!(!lanes.queue(reply("a", "lost")));

        assert_eq!(lanes.complete(reply("a", "yes")).len(), REFUSALS_WAITING_MAX + 1);
    }
}
