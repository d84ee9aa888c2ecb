//! Keeps the replies to each client in the order of its requests.
//!
//! Most requests are answered at once. A client with a request on its way to the storage thread
//! has a lane: its later replies queue there after the one that is awaited.

use std::collections::{HashMap, VecDeque};

use crate::limits::{Exceeded, Limit, Limits};
use crate::protocol::envelope::Identity;
use crate::protocol::fault::Overload;

use super::messages::Reply;

/// The lanes of all clients with a request on its way to the storage thread.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: HashMap<Identity, Lane>,
    limits: Limits,
    awaited: Load,
}

/// What is on its way to the storage thread.
#[derive(Debug, Default, Clone, Copy)]
struct Load {
    jobs: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// In the order of the requests.
    replies: VecDeque<Slot>,
    awaited: Load,
    refusals: usize,
}

#[derive(Debug)]
enum Slot {
    /// The reply to a request of so many bytes.
    Awaited(usize),
    Ready(Reply),
}

impl Lanes {
    /// No lanes, for no more requests at a time than `limits` allow.
    pub(super) fn new(limits: Limits) -> Self {
        Self { lanes: HashMap::new(), limits, awaited: Load::default() }
    }

    /// How many replies are awaited from the storage thread.
    pub(super) const fn awaited(&self) -> usize {
        self.awaited.jobs
    }

    /// Whether a reply to this client is awaited, so that the next must queue.
    pub(super) fn is_busy(&self, client: &Identity) -> bool {
        self.lanes.contains_key(client)
    }

    /// Whether one more request of so many bytes may go to the storage thread. No client may have
    /// more there than is left for all others, so none can fill it; who has nothing there may
    /// have what is left.
    pub(super) fn admit(&self, client: &Identity, bytes: usize) -> Result<(), Overload> {
        let own = self.lanes.get(client).map_or_else(Load::default, |lane| lane.awaited);
        self.share(Limit::Jobs, own.jobs, self.awaited.jobs, 1)?;
        self.share(Limit::JobBytes, own.bytes, self.awaited.bytes, bytes)
    }

    fn share(&self, limit: Limit, own: usize, all: usize, more: usize) -> Result<(), Overload> {
        let left = self.limits.count(limit).saturating_sub(all);
        if more <= left && (own == 0 || own + more <= left) {
            return Ok(());
        }
        Err(Overload { exceeded: self.limits.exceeded(limit), own, all })
    }

    /// A reply to a request of so many bytes is awaited from now on.
    pub(super) fn expect(&mut self, client: Identity, bytes: usize) {
        let lane = self.lanes.entry(client).or_default();
        lane.replies.push_back(Slot::Awaited(bytes));
        lane.awaited.add(bytes);
        self.awaited.add(bytes);
    }

    /// Queues a refusal after the replies that are awaited. Lost, if too many queue: a client that
    /// has so many unanswered requests is not waiting for answers.
    pub(super) fn queue(&mut self, reply: Reply) -> Result<(), Exceeded> {
        let lane = self.lanes.entry(reply.caller.client.clone()).or_default();
        self.limits.check(Limit::RefusalsPerClient, lane.refusals + 1)?;
        lane.refusals += 1;
        lane.replies.push_back(Slot::Ready(reply));
        Ok(())
    }

    /// The first awaited reply to its client is here. Gives back all that can be sent now.
    pub(super) fn complete(&mut self, reply: Reply) -> Vec<Reply> {
        let client = reply.caller.client.clone();
        let Some(lane) = self.lanes.get_mut(&client) else { return vec![reply] };
        let awaited = lane.replies.iter_mut().find_map(|slot| match slot {
            Slot::Awaited(bytes) => Some((*bytes, slot)),
            Slot::Ready(_) => None,
        });
        if let Some((bytes, slot)) = awaited {
            *slot = Slot::Ready(reply);
            lane.awaited.remove(bytes);
            self.awaited.remove(bytes);
        }

        let mut ready = Vec::new();
        while let Some(Slot::Ready(_)) = lane.replies.front() {
            if let Some(Slot::Ready(reply)) = lane.replies.pop_front() {
                ready.push(reply);
            }
        }
        lane.refusals = lane.replies.len() - lane.awaited.jobs;
        if lane.replies.is_empty() {
            self.lanes.remove(&client);
        }
        ready
    }
}

impl Load {
    fn add(&mut self, bytes: usize) {
        self.jobs += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: usize) {
        self.jobs -= 1;
        self.bytes -= bytes;
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
        let mut lanes = Lanes::new(Limits::default());
        lanes.expect(b"a".to_vec(), 100);
        lanes.queue(reply("a", "refused")).unwrap();
        lanes.expect(b"a".to_vec(), 100);
        lanes.queue(reply("a", "refused, too")).unwrap();

        assert_eq!(bodies(lanes.complete(reply("a", "first"))), ["first", "refused"]);
        assert!(lanes.is_busy(&b"a".to_vec()));
        assert_eq!(bodies(lanes.complete(reply("a", "second"))), ["second", "refused, too"]);

        assert!(!lanes.is_busy(&b"a".to_vec()));
        assert_eq!(lanes.awaited(), 0);
    }

    #[test]
    fn clients_do_not_wait_for_each_other() {
        let mut lanes = Lanes::new(Limits::default());
        lanes.expect(b"a".to_vec(), 100);
        lanes.expect(b"b".to_vec(), 100);

        assert!(!lanes.is_busy(&b"c".to_vec()));
        assert_eq!(bodies(lanes.complete(reply("b", "b's"))), ["b's"]);
        assert_eq!(lanes.awaited(), 1);
    }

    #[test]
    fn a_lane_is_bounded() {
        let limits = Limits::default().with(Limit::RefusalsPerClient, 3).unwrap();
        let mut lanes = Lanes::new(limits);
        lanes.expect(b"a".to_vec(), 100);

        for _ in 0..3 {
            lanes.queue(reply("a", "no")).unwrap();
        }
        let exceeded = Exceeded { limit: Limit::RefusalsPerClient, allowed: 3 };
        assert_eq!(lanes.queue(reply("a", "lost")), Err(exceeded));

        assert_eq!(lanes.complete(reply("a", "yes")).len(), 4);
    }

    fn limited(jobs: u64, job_bytes: u64) -> Lanes {
        let limits = Limits::default().with(Limit::Jobs, jobs).unwrap();
        Lanes::new(limits.with(Limit::JobBytes, job_bytes).unwrap())
    }

    /// How many requests of so many bytes a client can add.
    fn fill(lanes: &mut Lanes, client: &str, bytes: usize) -> usize {
        let client = client.as_bytes().to_vec();
        let mut count = 0;
        while lanes.admit(&client, bytes).is_ok() {
            lanes.expect(client.clone(), bytes);
            count += 1;
        }
        count
    }

    #[test]
    fn a_client_that_floods_leaves_as_much_to_the_others_as_it_takes() {
        let mut lanes = limited(1_000, 1 << 20);

        assert_eq!(fill(&mut lanes, "flood", 1), 500);
        assert_eq!(fill(&mut lanes, "polite", 1), 250);
        assert_eq!(fill(&mut lanes, "another", 1), 125);

        lanes.complete(reply("flood", "done"));
        assert!(lanes.admit(&b"late".to_vec(), 1).is_ok());
        assert!(lanes.admit(&b"flood".to_vec(), 1).is_err(), "it has more than is left");
    }

    #[test]
    fn bytes_are_shared_as_requests_are() {
        let mut lanes = limited(1_000, 10_000);

        assert_eq!(fill(&mut lanes, "flood", 1_000), 5);
        let overload = lanes.admit(&b"flood".to_vec(), 1_000).unwrap_err();
        assert_eq!(overload.exceeded.limit, Limit::JobBytes);
        assert_eq!((overload.own, overload.all), (5_000, 5_000));

        assert!(lanes.admit(&b"polite".to_vec(), 5_000).is_ok(), "one that has nothing there");
        assert!(lanes.admit(&b"polite".to_vec(), 5_001).is_err());
    }

    #[test]
    fn never_more_waits_than_the_limit_however_many_clients_ask() {
        let mut lanes = limited(100, 1 << 20);

        let taken: usize = (0..1_000).map(|client| fill(&mut lanes, &client.to_string(), 1)).sum();

        assert_eq!(taken, 100);
        assert_eq!(lanes.awaited(), 100);
    }
}
