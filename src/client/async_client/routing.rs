//! Over which connection a request goes to which registry.
//!
//! One connection is in use: the last. What was asked of its registry in vain, while others are
//! still asked of it, goes over a connection of its own.

use super::super::operation::Repetition;
use super::super::registries::Place;
use super::super::settings::ClientSettings;
use super::super::socket::connect_dealer;
use super::link::Link;
use super::question::Question;

/// Which of the connections a request is to be sent over now; it is opened where there is none.
/// None where the request must wait for its turn.
pub(super) fn link_for(
    question: &Question,
    links: &mut Vec<Link>,
    settings: &ClientSettings,
) -> zmq::Result<Option<usize>> {
    let at = if question.tried.is_empty() {
        link_in_use(links, settings)?
    } else {
        link_elsewhere(question, links, settings)?
    };
    let link = &links[at];
    let mut others = links.iter().filter(|other| other.place != link.place);
    let is_free = !others.any(|other| other.exchange.awaits(|it| overtakes(question, it)));
    Ok(Some(at).filter(|_| is_free && link.exchange.has_room()))
}

/// Whether a change would overtake an `earlier` one that waits for a registry which is not the
/// first to be asked.
fn overtakes(question: &Question, earlier: &Question) -> bool {
    question.repetition == Repetition::Elsewhere
        && earlier.is_change_elsewhere()
        && earlier.number < question.number
}

fn link_in_use(links: &mut Vec<Link>, settings: &ClientSettings) -> zmq::Result<usize> {
    let place = settings.registries.first();
    // Another part of the client may have found out that its registry is gone. What is on its way
    // must not be overtaken.
    let is_left = |link: &&mut Link| link.place != place && link.exchange.is_idle();
    if let Some(link) = links.last_mut().filter(is_left) {
        link.retire();
    }
    if links.last().is_none_or(Link::is_retired) {
        let link = match link_to(place, links) {
            Some(at) => links.remove(at),
            None => open(place, settings)?,
        };
        links.push(link);
    }
    Ok(links.len() - 1)
}

fn link_elsewhere(
    question: &Question,
    links: &mut Vec<Link>,
    settings: &ClientSettings,
) -> zmq::Result<usize> {
    let registries = &settings.registries;
    let place = question.next_place(&registries.order()).unwrap_or(registries.first());
    if let Some(at) = link_to(place, links) {
        return Ok(at);
    }
    // Not behind the one in use.
    links.insert(0, open(place, settings)?);
    Ok(0)
}

fn link_to(place: Place, links: &[Link]) -> Option<usize> {
    links.iter().position(|link| link.place == place && !link.is_retired())
}

fn open(place: Place, settings: &ClientSettings) -> zmq::Result<Link> {
    let ClientSettings { registries, client_id, keys, .. } = settings;
    let endpoint = &registries.at(place).requests;
    Ok(Link::new(connect_dealer(endpoint, client_id, keys.as_ref())?, place))
}
