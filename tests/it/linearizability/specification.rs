//! What a registry is when one request happens at a time: the specification that histories of
//! concurrent clients are held against. It knows no time: nothing in a history expires.

use todc_utils::Specification;

/// Which service, of a handful.
pub(super) type Id = u8;

/// Which type, of a handful.
pub(super) type Type = u8;

/// Which registration; no two of a history have the same.
pub(super) type Version = u16;

/// What a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Register { id: Id, service_type: Type, shared: bool, version: Version },
    Deregister { id: Id },
    Renew { id: Id },
    Get { id: Id },
    Discover { service_type: Type },
    List,
}

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is done.
    Done,
    /// There is no such service.
    Nobody,
    /// The type is taken by this service.
    TakenBy(Id),
    /// It could not be stored, so nothing happened.
    NotStored,
    /// This service.
    Service(Id, Version),
    /// All services, in the order of registration.
    Services(Vec<(Id, Version)>),
}

/// A question with its answer. Without one, it may have happened or not, or happens later.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) question: Question,
    pub(super) answer: Option<Answer>,
}

/// All services in the order of registration.
pub(super) type Services = Vec<(Id, Type, Version)>;

/// The registry that answers one request at a time.
pub(super) struct OneAtATime;

impl Question {
    pub(super) fn is_write(self) -> bool {
        matches!(self, Self::Register { .. } | Self::Deregister { .. })
    }
}

impl Specification for OneAtATime {
    type State = Services;
    type Operation = Operation;

    fn init() -> Services {
        Services::new()
    }

    fn apply(operation: &Operation, services: &Services) -> (bool, Services) {
        let unchanged = || services.clone();
        let Some(answer) = &operation.answer else {
            return (true, carry_out(operation.question, services).1);
        };
        if *answer == Answer::NotStored {
            return (operation.question.is_write(), unchanged());
        }
        match operation.question {
            Question::Discover { service_type } => {
                let mut holders = services.iter().filter(|service| service.1 == service_type);
                let fits = match answer {
                    Answer::Service(id, version) => {
                        holders.any(|holder| (holder.0, holder.2) == (*id, *version))
                    }
                    Answer::Nobody => holders.next().is_none(),
                    _ => false,
                };
                (fits, unchanged())
            }
            question => {
                let (expected, after) = carry_out(question, services);
                (*answer == expected, after)
            }
        }
    }
}

/// The only possible answer, and the services afterwards. Of a discovery there may be several
/// answers, and this is one of them.
fn carry_out(question: Question, services: &Services) -> (Answer, Services) {
    let mut after = services.clone();
    let find = |id: Id| services.iter().position(|service| service.0 == id);
    let answer = match question {
        Question::Register { id, service_type, shared, version } => {
            let is_other_holder =
                |other: &&(Id, Type, Version)| other.0 != id && other.1 == service_type;
            match services.iter().find(is_other_holder) {
                Some(holder) if !shared => Answer::TakenBy(holder.0),
                _ => {
                    match find(id) {
                        Some(place) => after[place] = (id, service_type, version),
                        None => after.push((id, service_type, version)),
                    }
                    Answer::Done
                }
            }
        }
        Question::Deregister { id } => match find(id) {
            Some(place) => {
                after.remove(place);
                Answer::Done
            }
            None => Answer::Nobody,
        },
        Question::Renew { id } => find(id).map_or(Answer::Nobody, |_| Answer::Done),
        Question::Get { id } => {
            find(id).map_or(Answer::Nobody, |place| Answer::Service(id, services[place].2))
        }
        Question::Discover { service_type } => services
            .iter()
            .find(|service| service.1 == service_type)
            .map_or(Answer::Nobody, |holder| Answer::Service(holder.0, holder.2)),
        Question::List => Answer::Services(services.iter().map(|s| (s.0, s.2)).collect()),
    };
    (answer, after)
}
