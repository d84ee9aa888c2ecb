//! Asking one registry after another, until one answers.
//!
//! The time that a request may take is shared out among the registries that are left, so the
//! caller waits no longer than for one. The next registry is asked only if one is silent, or
//! says that it is cut off from the storage that it shares with the others. Any other reply is the
//! answer. So is the reply of one that is cut off, if no registry has a better one.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::connection::ConnectionError;
use super::error::{ClientError, Refusal, RefusalCode};
use super::operation::{Operation, Repetition};
use super::registries::{Place, Registries};
use super::service::is_in_contact;
use super::thread::Stop;

/// An answer, and whose it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered<T> {
    pub(super) answer: T,
    pub(super) by: Place,
}

/// Asks, within `timeout`, by means of `exchange`, which has one registry answer in the time that
/// it is given. A request to `stop` ends it, as [`ClientError::Closed`].
pub(super) fn ask<T>(
    registries: &Registries,
    operation: Operation<T>,
    timeout: Duration,
    stop: Option<&Stop>,
    mut exchange: impl FnMut(Place, Duration) -> Result<Map<String, Value>, ConnectionError>,
) -> Result<Answered<T>, ClientError> {
    let started = Instant::now();
    let mut places = registries.order();
    if operation.repetition == Repetition::Never {
        places.truncate(1);
    }
    let (mut silent, mut cut_off) = (Vec::new(), Vec::new());
    for (tried, place) in places.iter().copied().enumerate() {
        let left = places.len() - tried;
        let remaining = timeout.saturating_sub(started.elapsed());
        match exchange(place, share(remaining, left)) {
            Ok(reply) if is_cut_off(&reply) => cut_off.push((place, reply)),
            Ok(reply) => {
                cut_off.iter().for_each(|(place, _)| registries.failed(*place));
                return answered(registries, operation, place, reply);
            }
            Err(_) if stop.is_some_and(Stop::is_requested) => return Err(ClientError::Closed),
            Err(ConnectionError::Unreachable { endpoint, .. }) => {
                registries.failed(place);
                silent.push(endpoint);
            }
            Err(other) => return Err(other.into()),
        }
    }
    match best_of_cut_off(cut_off, !silent.is_empty()) {
        Some((place, reply)) => answered(registries, operation, place, reply),
        None => Err(ClientError::unreachable(&silent, timeout)),
    }
}

/// The reply that counts, of registries that are `cut_off`, if no other registry had a better one.
pub(super) fn best_of_cut_off(
    cut_off: Vec<(Place, Map<String, Value>)>,
    others_are_silent: bool,
) -> Option<(Place, Map<String, Value>)> {
    // A refusal tells nothing of what the silent ones did.
    cut_off.into_iter().find(|(_, reply)| !others_are_silent || is_success(reply))
}

fn answered<T>(
    registries: &Registries,
    operation: Operation<T>,
    by: Place,
    reply: Map<String, Value>,
) -> Result<Answered<T>, ClientError> {
    let answer = operation.answer(reply, registries.at(by).requests.as_str())?;
    Ok(Answered { answer, by })
}

/// What one of the registries that are `left` is given of the time that remains.
pub(super) fn share(remaining: Duration, left: usize) -> Duration {
    remaining / u32::try_from(left.max(1)).unwrap_or(u32::MAX)
}

/// Whether a registry says that it cannot do now what another one may.
pub(super) fn is_cut_off(reply: &Map<String, Value>) -> bool {
    !is_in_contact(reply)
        || !is_success(reply)
            && Refusal::from_reply(reply.clone()).code == RefusalCode::StorageFailed
}

fn is_success(reply: &Map<String, Value>) -> bool {
    reply.get("success") == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::client::endpoints::RegistryEndpoints;
    use crate::client::operation;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    fn three() -> Registries {
        let on = |host: &str| RegistryEndpoints::on_host(&host.parse().unwrap());
        Registries::new(on("a"), [on("b"), on("c")])
    }

    fn silence(registries: &Registries, place: Place) -> ConnectionError {
        let endpoint = registries.at(place).requests.to_string();
        ConnectionError::Unreachable { endpoint, after: TIMEOUT }
    }

    fn reply(body: Value) -> Map<String, Value> {
        let Value::Object(reply) = body else { panic!("a reply is an object") };
        reply
    }

    fn well() -> Map<String, Value> {
        reply(json!({"success": true, "status": "ok", "service_id": "a"}))
    }

    fn cut_off() -> Map<String, Value> {
        reply(json!({"success": false, "error": "no etcd", "code": "storage_failed"}))
    }

    fn out_of_contact() -> Map<String, Value> {
        reply(json!({"success": true, "in_contact": false}))
    }

    /// Who was asked of three registries, and what came of it, where these reply so, each asked
    /// after the one before.
    fn asked<T>(
        operation: Operation<T>,
        replies: &[Option<Map<String, Value>>],
    ) -> (Vec<Place>, Result<Answered<T>, ClientError>) {
        let registries = three();
        let mut asked = Vec::new();
        let outcome = ask(&registries, operation, TIMEOUT, None, |place, _| {
            asked.push(place);
            replies[asked.len() - 1].clone().ok_or_else(|| silence(&registries, place))
        });
        (asked, outcome)
    }

    #[test]
    fn the_next_registry_is_asked_where_one_is_silent_and_stays_the_first() {
        let registries = three();
        let [a, b, c] = registries.order()[..] else { panic!("there are three") };

        for expected in [vec![a, b], vec![b]] {
            let mut asked = Vec::new();
            let outcome = ask(&registries, operation::health(), TIMEOUT, None, |place, _| {
                asked.push(place);
                if place == a { Err(silence(&registries, a)) } else { Ok(well()) }
            });
            assert_eq!(outcome.unwrap().by, b);
            assert_eq!(asked, expected);
        }
        assert_eq!(registries.order(), [b, c, a]);
    }

    #[test]
    fn the_time_is_shared_out_among_those_that_are_left() {
        let registries = three();
        let mut shares = Vec::new();

        let error = ask(&registries, operation::health(), TIMEOUT, None, |place, share| {
            shares.push(share.as_secs_f64().round());
            Err(silence(&registries, place))
        });

        // No time passes here, so each is given its part of the whole.
        assert_eq!(shares, [10.0, 15.0, 30.0]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "no answer from tcp://a:6100, tcp://b:6100, tcp://c:6100 within 30 s; check that the \
             registry runs there"
        );
    }

    #[test]
    fn a_registry_that_is_cut_off_from_its_storage_is_passed_over() {
        let (_, outcome) =
            asked(operation::deregister("a"), &[Some(cut_off()), None, Some(well())]);
        assert!(outcome.unwrap().answer);

        let (asked, outcome) =
            asked(operation::renew("a"), &[Some(out_of_contact()), Some(well())]);
        assert_eq!(outcome.unwrap().by, asked[1]);
    }

    #[test]
    fn where_all_are_cut_off_the_answer_of_the_first_counts_and_the_order_stays() {
        let registries = three();
        let order = registries.order();
        for told in [cut_off(), out_of_contact()] {
            let renew = operation::renew("a");
            let outcome = ask(&registries, renew, TIMEOUT, None, |_, _| Ok(told.clone()));
            match outcome {
                Ok(answered) => assert_eq!(answered.by, order[0]),
                Err(error) => assert!(error.is_refused_as(&RefusalCode::StorageFailed)),
            }
            assert_eq!(registries.order(), order);
        }
    }

    #[test]
    fn an_answer_from_out_of_contact_is_better_than_silence_and_a_refusal_is_not() {
        let (_, outcome) = asked(operation::renew("a"), &[None, Some(out_of_contact()), None]);
        assert!(outcome.unwrap().answer);

        let (_, outcome) = asked(operation::renew("a"), &[None, Some(cut_off()), None]);
        assert!(outcome.unwrap_err().is_unreachable());
    }

    #[test]
    fn any_other_answer_is_an_answer() {
        let taken = reply(json!({"success": false, "error": "duplicate_service_type"}));

        let (asked, outcome) = asked(operation::deregister("a"), &[Some(taken)]);

        assert!(outcome.unwrap_err().is_refused_as(&RefusalCode::DuplicateServiceType));
        assert_eq!(asked.len(), 1);
    }

    #[test]
    fn what_is_about_one_registry_is_never_asked_of_another() {
        let (asked, outcome) = asked(operation::terminate(), &[None]);

        assert!(outcome.unwrap_err().is_unreachable());
        assert_eq!(asked.len(), 1);
    }
}
