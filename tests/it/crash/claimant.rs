//! One client whose services are never heard again. Each claims a type for itself, blocks it for
//! its short ttl, and must then give way to the next claim, in one commit with its expiry.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::writer::Counts;
use crate::support::{
    Client, DEADLINE, Impatient, Transcript, assert_refused, assert_success, short_lived,
};

const NAME: &str = "claimant";
const TYPES: u64 = 40;
const TTL: Duration = Duration::from_secs(1);

/// A client that claims types for services which it lets expire.
pub(super) struct Claimant {
    chance: fastrand::Rng,
    claims: u64,
    /// The latest claim to each type that was acknowledged.
    holders: HashMap<String, Claim>,
    /// The one that was on its way when the registry was killed.
    unanswered: Option<(String, Claim)>,
    acknowledgements: u64,
}

struct Claim {
    id: String,
    /// No later than the beginning of its ttl.
    made: Instant,
}

impl Claimant {
    pub(super) fn new(chance: fastrand::Rng) -> Self {
        Self { chance, claims: 0, holders: HashMap::new(), unanswered: None, acknowledgements: 0 }
    }

    /// Claims one type after the other until the registry is killed.
    pub(super) fn claim_until(&mut self, requests: &str, killed: &AtomicBool) {
        let mut client = Impatient::connect(requests, &Transcript::default());
        loop {
            let service_type = format!("{NAME}-type-{}", self.chance.u64(..TYPES));
            let (claim, request) = self.next_claim(&service_type);
            let is_killed = || killed.load(Ordering::Acquire);
            let Some(answer) = client.ask(&request, DEADLINE, is_killed) else {
                assert!(is_killed(), "it neither answers nor is it dead");
                self.unanswered = Some((service_type, claim));
                return;
            };
            self.take_in(service_type, claim, &answer);
        }
    }

    /// Finds what happened to the claim without an answer, and checks that every other type has
    /// the holder that was acknowledged last, or none if it may have expired.
    #[track_caller]
    pub(super) fn explain(&mut self, list: &Value) -> Counts {
        let found = holders_in(list);
        let unanswered = u64::from(self.unanswered.is_some());
        let mut carried_out = 0;
        if let Some((service_type, claim)) = self.unanswered.take()
            && found.get(service_type.as_str()).is_some_and(|(id, _)| *id == claim.id)
        {
            self.holders.insert(service_type, claim);
            carried_out = 1;
        }
        for (service_type, (id, _)) in &found {
            let holder = self.holders.get(*service_type).map(|claim| claim.id.as_str());
            assert_eq!(holder, Some(*id), "the holder of {service_type} that was acknowledged");
        }
        self.holders.retain(|service_type, claim| {
            let is_there = found.contains_key(service_type.as_str());
            assert!(is_there || claim.made.elapsed() >= TTL, "{} is lost", claim.id);
            is_there
        });
        let acknowledged = std::mem::take(&mut self.acknowledgements);
        Counts { acknowledged, unanswered, carried_out, ..Counts::default() }
    }

    /// Claims every type whose holder is silent. None of them may be in the way.
    #[track_caller]
    pub(super) fn succeed_the_silent(&mut self, client: &Client, list: &Value) -> Counts {
        let mut heirs = 0;
        for (service_type, (_, health)) in holders_in(list) {
            if health == "critical" {
                let (claim, request) = self.next_claim(service_type);
                assert_success(&client.request(&request));
                self.holders.insert(service_type.to_owned(), claim);
                heirs += 1;
            }
        }
        Counts { heirs, ..Counts::default() }
    }

    fn next_claim(&mut self, service_type: &str) -> (Claim, Value) {
        self.claims += 1;
        let id = format!("{NAME}-{}", self.claims);
        let request = short_lived(&id, service_type, TTL.as_secs() as u32);
        (Claim { id, made: Instant::now() }, request)
    }

    #[track_caller]
    fn take_in(&mut self, service_type: String, claim: Claim, answer: &Value) {
        if answer["success"] == true {
            self.holders.insert(service_type, claim);
            self.acknowledgements += 1;
        } else {
            assert_refused(answer, "duplicate_service_type", &[]);
            let holder = self.holders.get(&service_type).map(|claim| json!(claim.id));
            assert_eq!(Some(&answer["existing_service_id"]), holder.as_ref(), "{answer}");
        }
    }
}

/// The holder of each type, with its health. Two of one type fail here.
#[track_caller]
fn holders_in(list: &Value) -> HashMap<&str, (&str, &str)> {
    fn text(value: &Value) -> &str {
        value.as_str().expect("this is a text")
    }

    let mut holders = HashMap::new();
    for service in list["services"].as_array().expect("the answer has services") {
        let id = text(&service["id"]);
        if id.starts_with(NAME) {
            let holder = (id, text(&service["health"]));
            let other = holders.insert(text(&service["metadata"]["type"]), holder);
            assert_eq!(other, None, "only one has the type of {service}");
        }
    }
    holders
}
