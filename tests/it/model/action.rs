//! What can happen to a registry, and random sequences of it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use service_registry::access::Origin;
use service_registry::json::Json;
use service_registry::service::{Parts, Registration, ServiceId, Tags, Ttl, TypePolicy};

pub(super) type Id = &'static str;

/// Few services and types, so that they meet again and again.
pub(super) const IDS: [Id; 5] = ["a", "b", "c", "d", "e"];
pub(super) const TYPES: [&str; 3] = ["X", "Y", "Z"];

/// From where clients ask.
const HOSTS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))];

/// The longest ttl in seconds. Time passes in steps up to somewhat more.
const LONGEST_TTL: u64 = 30;

const HOUR: i64 = 3_600;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// A turn of the storage thread.
    Turn(Turn),
    /// A heartbeat.
    Renew { id: Id },
    /// Time passes, and the registry listens.
    Elapse { milliseconds: u64 },
    /// Somebody sets the clock.
    ClockStep { seconds: i64 },
    /// The process stands still.
    Pause { seconds: u64 },
    /// It ends, and starts again after so many seconds. One that ends cleanly saves what it has
    /// heard.
    Restart { clean: bool, outage: u64 },
}

/// All that shares one transaction.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    /// How many heartbeats to save and leases to look at, where it is time to clean up.
    pub(super) clean_up: Option<usize>,
    pub(super) writes: Vec<Write>,
    /// How long the commit takes.
    pub(super) commit_milliseconds: u64,
    /// For how many seconds the process stands still meanwhile.
    pub(super) pause: Option<u64>,
    pub(super) heard_meanwhile: Vec<Id>,
    pub(super) fails: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Write {
    Register(Registered),
    Deregister { id: Id, from: Origin },
}

/// What a service says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) id: Id,
    pub(super) service_type: Option<&'static str>,
    pub(super) tag: Option<&'static str>,
    pub(super) port: u16,
    pub(super) ttl: u64,
    pub(super) policy: TypePolicy,
    pub(super) from: Origin,
}

impl Registered {
    pub(super) fn has_type(&self, name: &str) -> bool {
        [self.service_type, self.tag].contains(&Some(name))
    }

    pub(super) fn registration(&self) -> Registration {
        let parts = Parts {
            service_type: self.service_type.map(Cow::from),
            tags: Tags::from_texts(self.tag),
            ttl: Ttl::from_seconds(self.ttl).unwrap(),
            ..Parts::new(self.id, "localhost", self.port)
        };
        Registration {
            policy: self.policy,
            from: self.from,
            ..Registration::new(Some(service_id(self.id)), parts, Json::empty_object())
        }
    }
}

pub(super) fn service_id(id: &str) -> ServiceId {
    ServiceId::new(id).unwrap()
}

/// Sequences of up to `longest` actions.
pub(super) fn actions(longest: usize) -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        8 => turn().prop_map(Action::Turn),
        4 => id().prop_map(|id| Action::Renew { id }),
        6 => passing_time().prop_map(|milliseconds| Action::Elapse { milliseconds }),
        1 => (-5 * HOUR..=5 * HOUR).prop_map(|seconds| Action::ClockStep { seconds }),
        1 => pause().prop_map(|seconds| Action::Pause { seconds }),
        1 => (any::<bool>(), prop_oneof![0..=LONGEST_TTL, 0..=10_000_u64])
            .prop_map(|(clean, outage)| Action::Restart { clean, outage }),
    ];
    vec(action, 1..=longest)
}

fn turn() -> impl Strategy<Value = Turn> {
    let limit = prop_oneof![1..=3_usize, Just(1_000)];
    (
        proptest::option::weighted(0.4, limit),
        vec(write(), 0..=4),
        prop_oneof![3 => Just(0), 1 => passing_time()],
        proptest::option::weighted(0.1, pause()),
        vec(id(), 0..=2),
        proptest::bool::weighted(0.25),
    )
        .prop_map(|(clean_up, writes, commit_milliseconds, pause, heard_meanwhile, fails)| {
            Turn { clean_up, writes, commit_milliseconds, pause, heard_meanwhile, fails }
        })
}

fn pause() -> impl Strategy<Value = u64> {
    1..=7_200_u64
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        4 => registered().prop_map(Write::Register),
        1 => (id(), origin()).prop_map(|(id, from)| Write::Deregister { id, from }),
    ]
}

fn registered() -> impl Strategy<Value = Registered> {
    let name = || proptest::option::weighted(0.8, proptest::sample::select(&TYPES[..]));
    let policy = prop_oneof![
        3 => Just(TypePolicy::Unspecified),
        1 => Just(TypePolicy::ServerDecides),
        1 => Just(TypePolicy::Singleton),
        2 => Just(TypePolicy::AllowDuplicates),
    ];
    (
        id(),
        name(),
        proptest::option::weighted(0.2, type_name()),
        any::<u16>(),
        1..=LONGEST_TTL,
        policy,
        origin(),
    )
        .prop_map(|(id, service_type, tag, port, ttl, policy, from)| Registered {
            id,
            service_type,
            tag,
            port,
            ttl,
            policy,
            from,
        })
}

/// Now and then, nobody knows from where.
fn origin() -> impl Strategy<Value = Origin> {
    let address = proptest::option::weighted(0.9, proptest::sample::select(&HOSTS[..]));
    (address, proptest::bool::weighted(0.1))
        .prop_map(|(address, is_admin)| Origin { address, is_admin })
}

fn id() -> impl Strategy<Value = Id> {
    proptest::sample::select(&IDS[..])
}

fn type_name() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&TYPES[..])
}

/// Whole seconds now and then, so that boundaries are met exactly.
fn passing_time() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0..=LONGEST_TTL + 5).prop_map(|seconds| seconds * 1_000),
        0..=(LONGEST_TTL + 5) * 1_000,
    ]
}
