//! What a registry is loaded with: single actions, or a mix of them. Pure.

use std::str::FromStr;

/// The largest share that an action can have in a mix.
const SHARE_MAX: usize = 1_000;

/// Something to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Register a service that is registered already.
    Register,
    /// Deregister a service that was registered for this just before.
    Deregister,
    Renew,
    Get,
    Discover,
    List,
    Health,
    Info,
    /// A renewal on the heartbeat socket.
    Heartbeat,
}

/// What is asked for during one measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Workload {
    name: String,
    /// Each action as often as its share, evenly spread.
    turns: Vec<Action>,
}

/// Measurements in the order in which they are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Workloads(pub(super) Vec<Workload>);

impl Action {
    pub(super) const ALL: [Self; 9] = [
        Self::Register,
        Self::Deregister,
        Self::Renew,
        Self::Get,
        Self::Discover,
        Self::List,
        Self::Health,
        Self::Info,
        Self::Heartbeat,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Deregister => "deregister",
            Self::Renew => "renew",
            Self::Get => "get",
            Self::Discover => "discover",
            Self::List => "list",
            Self::Health => "health",
            Self::Info => "info",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// Whether there must be a service that it is about.
    pub(super) const fn needs_a_service(self) -> bool {
        !matches!(self, Self::Deregister | Self::List | Self::Health | Self::Info)
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|action| action.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("{text:?} is no action that can be measured; those are {names}")
        })
    }
}

impl Workload {
    fn alone(action: Action) -> Self {
        Self { name: action.name().to_owned(), turns: vec![action] }
    }

    /// Takes in each step the action that is furthest behind its share.
    fn mixed(shares: &[(Action, usize)]) -> Self {
        let all: usize = shares.iter().map(|(_, share)| share).sum();
        let mut taken = vec![0; shares.len()];
        let mut turns = Vec::with_capacity(all);
        for step in 1..=all {
            let lag = |(index, (_, share)): &(usize, &(Action, usize))| {
                (share * step).saturating_sub(taken[*index] * all)
            };
            if let Some((index, (action, _))) = shares.iter().enumerate().max_by_key(lag) {
                taken[index] += 1;
                turns.push(*action);
            }
        }
        let named = shares.iter().map(|(action, share)| format!("{}={share}", action.name()));
        Self { name: named.collect::<Vec<_>>().join(","), turns }
    }

    /// As it was written on the command line.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The action of the request that is the `index`th.
    pub(super) fn turn(&self, index: u64) -> Action {
        let length = self.turns.len() as u64;
        self.turns[usize::try_from(index % length).unwrap_or(0)]
    }

    pub(super) fn has(&self, action: Action) -> bool {
        self.turns.contains(&action)
    }

    /// Whether nothing else than heartbeats is part of it.
    pub(super) fn is_heartbeats(&self) -> bool {
        self.turns.iter().all(|action| *action == Action::Heartbeat)
    }
}

impl Workloads {
    /// A measurement for each of `actions`.
    pub(super) fn one_by_one(actions: &[Action]) -> Self {
        Self(actions.iter().copied().map(Workload::alone).collect())
    }

    pub(super) fn need_services(&self) -> bool {
        Action::ALL.into_iter().any(|action| action.needs_a_service() && self.have(action))
    }

    pub(super) fn have(&self, action: Action) -> bool {
        self.0.iter().any(|workload| workload.has(action))
    }
}

impl FromStr for Workloads {
    type Err = String;

    /// `get,renew` are two measurements, `get=80,renew=20` is one of a mix.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let shares = parts.iter().filter_map(|part| part.split_once('='));
        let shares = shares
            .map(|(action, share)| Ok((action.parse()?, parse_share(share)?)))
            .collect::<Result<Vec<(Action, usize)>, String>>()?;
        if shares.is_empty() {
            let actions = parts.into_iter().map(str::parse).collect::<Result<Vec<Action>, _>>()?;
            refuse_repetition(&actions)?;
            return Ok(Self::one_by_one(&actions));
        }
        if shares.len() < parts.len() {
            return Err("give each action of a mix its share, as in get=80,renew=20".to_owned());
        }
        refuse_repetition(&shares.iter().map(|(action, _)| *action).collect::<Vec<_>>())?;
        Ok(Self(vec![Workload::mixed(&shares)]))
    }
}

fn parse_share(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|share| (1..=SHARE_MAX).contains(share))
        .ok_or_else(|| format!("a share is a whole number from 1 to {SHARE_MAX}, not {text:?}"))
}

fn refuse_repetition(actions: &[Action]) -> Result<(), String> {
    let repeated = actions.iter().enumerate().find(|(at, action)| actions[..*at].contains(action));
    repeated.map_or(Ok(()), |(_, action)| Err(format!("{} is given twice", action.name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let workloads: Workloads = text.parse().unwrap();
        workloads.0.iter().map(|workload| workload.name().to_owned()).collect()
    }

    #[test]
    fn every_action_is_known_by_its_name() {
        for action in Action::ALL {
            assert_eq!(action.name().parse(), Ok(action));
        }
    }

    #[test]
    fn actions_are_measured_one_after_the_other() {
        assert_eq!(names("get, heartbeat"), ["get", "heartbeat"]);
    }

    #[test]
    fn a_mix_is_one_measurement_in_which_each_action_has_its_share_everywhere() {
        let workloads: Workloads = "discover=3,renew=1".parse().unwrap();

        let [mix] = &workloads.0[..] else { panic!("one measurement") };
        assert_eq!(mix.name(), "discover=3,renew=1");
        for start in (0..400).step_by(4) {
            let turns = (start..start + 4).map(|index| mix.turn(index));
            assert_eq!(turns.filter(|action| *action == Action::Renew).count(), 1);
        }
    }

    #[test]
    fn a_mix_of_uneven_shares_takes_exactly_these() {
        let workloads: Workloads = "get=5,renew=3,health=1".parse().unwrap();

        let turns: Vec<Action> = (0..9).map(|index| workloads.0[0].turn(index)).collect();

        let count = |action| turns.iter().filter(|turn| **turn == action).count();
        assert_eq!([Action::Get, Action::Renew, Action::Health].map(count), [5, 3, 1]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "no action"),
            ("terminate", "no action"),
            ("get,get", "twice"),
            ("get=1,get=2", "twice"),
            ("get=1,renew", "its share"),
            ("get=0", "share"),
            ("get=1001", "share"),
        ] {
            let refusal = text.parse::<Workloads>().unwrap_err();
            assert!(refusal.contains(reason), "{text:?}: {refusal}");
        }
    }
}
